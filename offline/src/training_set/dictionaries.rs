//! One growing dictionary for each dictionary-encoded column of an Arrow file. Batches come with
//! dictionaries of their own, and such a file allows only one, to which values are added.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use arrow::array::{
    Array, ArrayData, ArrayRef, AsArray, Int64Array, RecordBatch, make_array, new_empty_array,
};
use arrow::compute::{CastOptions, cast_with_options, concat, take};
use arrow::datatypes::{DataType, Int64Type};
use arrow::error::ArrowError;
use arrow::row::{OwnedRow, RowConverter, SortField};

/// The dictionaries of a file, by column and by their order within it.
#[derive(Default)]
pub(crate) struct Dictionaries {
    known: HashMap<(usize, usize), Dictionary>,
}

struct Dictionary {
    rows: RowConverter,
    indices: HashMap<OwnedRow, i64>,
    values: ArrayRef,
}

impl Dictionaries {
    /// The batch with its dictionaries exchanged for those of the file. The error names the column.
    pub(crate) fn unify(&mut self, batch: &RecordBatch) -> Result<RecordBatch, String> {
        if !batch.schema_ref().fields().iter().any(|field| holds_dictionary(field.data_type())) {
            return Ok(batch.clone());
        }
        let mut columns = Vec::with_capacity(batch.num_columns());
        for (index, (field, column)) in batch.schema_ref().fields().iter().zip(batch.columns()).enumerate() {
            columns.push(match holds_dictionary(field.data_type()) {
                true => {
                    let mut next = 0;
                    let unified = self.unified(column.to_data(), index, &mut next);
                    make_array(unified.map_err(|error| format!("the column `{}`: {error}", field.name()))?)
                }
                false => column.clone(),
            });
        }
        RecordBatch::try_new(batch.schema(), columns).map_err(|error| error.to_string())
    }

    fn unified(&mut self, data: ArrayData, column: usize, next: &mut usize) -> Result<ArrayData, ArrowError> {
        if !holds_dictionary(data.data_type()) {
            return Ok(data);
        }
        if let DataType::Dictionary(_, values) = data.data_type() {
            let index = (column, *next);
            *next += 1;
            let dictionary = match self.known.entry(index) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(free) => free.insert(Dictionary::of(values)?),
            };
            return dictionary.encode(data);
        }
        let children = data.child_data().to_vec();
        let children = children.into_iter().map(|child| self.unified(child, column, next));
        let children = children.collect::<Result<Vec<_>, _>>()?;
        data.into_builder().child_data(children).build()
    }
}

impl Dictionary {
    fn of(values: &DataType) -> Result<Self, ArrowError> {
        let rows = RowConverter::new(vec![SortField::new(values.clone())])?;
        Ok(Self { rows, indices: HashMap::new(), values: new_empty_array(values) })
    }

    fn encode(&mut self, data: ArrayData) -> Result<ArrayData, ArrowError> {
        let array = make_array(data);
        let dictionary = array.as_any_dictionary();
        let rows = self.rows.convert_columns(std::slice::from_ref(dictionary.values()))?;
        let mut added = Vec::new();
        let mut indices = Vec::with_capacity(rows.num_rows());
        for (value, row) in rows.iter().enumerate() {
            let new = self.indices.len() as i64;
            let index = *self.indices.entry(row.owned()).or_insert(new);
            if index == new {
                added.push(value as i64);
            }
            indices.push(index);
        }
        if !added.is_empty() {
            let added = take(dictionary.values(), &Int64Array::from(added), None)?;
            self.values = concat(&[self.values.as_ref(), added.as_ref()])?;
        }
        let exact = CastOptions { safe: false, ..CastOptions::default() };
        let keys = cast_with_options(dictionary.keys(), &DataType::Int64, &exact)?;
        let keys = keys.as_primitive::<Int64Type>().iter();
        let keys: Int64Array = keys.map(|key| indices.get(key? as usize).copied()).collect();
        let keys = cast_with_options(&keys, dictionary.keys().data_type(), &exact)?;
        let keys = keys.to_data();
        let builder = keys.into_builder().data_type(array.data_type().clone());
        builder.child_data(vec![self.values.to_data()]).build()
    }
}

fn holds_dictionary(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(..) => true,
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _)
        | DataType::RunEndEncoded(_, item) => holds_dictionary(item.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| holds_dictionary(field.data_type())),
        DataType::Union(fields, _) => fields.iter().any(|(_, field)| holds_dictionary(field.data_type())),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{DictionaryArray, StringArray};
    use arrow::datatypes::Int8Type;

    use super::*;

    fn batch(texts: &[Option<&str>]) -> RecordBatch {
        let column: DictionaryArray<Int8Type> = texts.iter().copied().collect();
        RecordBatch::try_from_iter_with_nullable([("x", Arc::new(column) as ArrayRef, true)]).unwrap()
    }

    fn texts(batch: &RecordBatch) -> Vec<Option<String>> {
        let plain = arrow::compute::cast(batch.column(0), &DataType::Utf8).unwrap();
        plain.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
    }

    #[test]
    fn values_of_every_batch_stay_and_the_dictionary_only_grows() {
        let mut dictionaries = Dictionaries::default();
        let mut before: Option<StringArray> = None;
        for rows in [vec![Some("b"), None], vec![Some("a"), Some("b")], vec![None, Some("c")]] {
            let given = batch(&rows);
            let unified = dictionaries.unify(&given).unwrap();
            assert_eq!(texts(&unified), texts(&given));
            let values = unified.column(0).as_dictionary::<Int8Type>().values().as_string::<i32>().clone();
            if let Some(before) = before {
                assert_eq!(values.slice(0, before.len()), before);
            }
            before = Some(values);
        }
        assert_eq!(before.unwrap().len(), 3, "a value that comes again is not added again");
    }

    #[test]
    fn more_values_than_the_keys_can_number_are_refused_by_column() {
        let mut dictionaries = Dictionaries::default();
        let many = |from: usize| {
            let texts: Vec<String> = (from..from + 100).map(|n| n.to_string()).collect();
            batch(&texts.iter().map(|text| Some(text.as_str())).collect::<Vec<_>>())
        };
        dictionaries.unify(&many(0)).unwrap();
        let error = dictionaries.unify(&many(100)).unwrap_err();
        assert!(error.contains("`x`"), "{error}");
    }
}
