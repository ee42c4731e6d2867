//! What rows hold, as a hash that does not depend on how they are cut into batches or encoded in a
//! file: for each column SHA-256 over which rows are null and over the values of those that are not.
//! A nested column is hashed as a tree: lengths of lists on the way, each leaf by itself.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, make_array};
use arrow::compute::{cast, filter, take};
use arrow::datatypes::{DataType, Schema};
use arrow::error::ArrowError;
use feature::hexadecimal;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::training_set::content_hash_format_1;
use crate::training_set::hashing::{add_bytes, add_primitives};

/// The hash of one column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnHash {
    /// The column.
    pub name: String,
    /// Its type and content, in hexadecimal.
    pub sha256: String,
}

/// A hash in progress: batches go in in the order of their rows.
pub struct ContentHash {
    columns: Vec<(String, Column)>,
    rows: usize,
    /// Whether nested columns are hashed as manifests of format 1 have them.
    is_first_format: bool,
}

impl ContentHash {
    /// Of no rows yet, with these columns.
    pub fn new(schema: &Schema) -> Self {
        // Text and large text hold the same.
        let column = |field: &arrow::datatypes::FieldRef| {
            (field.name().clone(), Column::new(&plain_type(field.data_type())))
        };
        Self { columns: schema.fields().iter().map(column).collect(), rows: 0, is_first_format: false }
    }

    /// The same, of nested columns as the first format of manifests has it.
    pub(crate) fn in_first_format(self) -> Self {
        Self { is_first_format: true, ..self }
    }

    /// Adds rows. The error names the column.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        self.rows += batch.num_rows();
        for ((name, column), array) in self.columns.iter_mut().zip(batch.columns()) {
            let added = match self.is_first_format {
                true => content_hash_format_1::add(&mut column.nulls, &mut column.values, array),
                false => column.add(array),
            };
            added.map_err(|error| ArrowError::ComputeError(format!("the column `{name}`: {error}")))?;
        }
        Ok(())
    }

    /// The hash of each column, and the count of rows.
    pub fn finish(self) -> (Vec<ColumnHash>, usize) {
        let rows = self.rows as u64;
        let columns = self.columns.into_iter().map(|(name, column)| {
            let mut whole = Sha256::new();
            whole.update(rows.to_le_bytes());
            column.finish_into(&mut whole);
            ColumnHash { name, sha256: hexadecimal(&whole.finalize()) }
        });
        (columns.collect(), self.rows)
    }
}

/// The hash of a column, or of the children of one, in progress.
struct Column {
    nulls: Sha256,
    /// The type, then the values, or the lengths of lists.
    values: Sha256,
    /// The items of lists, the fields of structs, the members of unions: of the rows that are not null.
    children: Vec<Column>,
}

impl Column {
    fn new(plain_type: &str) -> Self {
        let mut values = Sha256::new();
        values.update(format!("{plain_type}\0"));
        Self { nulls: Sha256::new(), values, children: Vec::new() }
    }

    /// The column of the child at an index, which is made when it is first met.
    fn child(&mut self, index: usize) -> Option<&mut Column> {
        while self.children.len() <= index {
            self.children.push(Column::new("child"));
        }
        self.children.get_mut(index)
    }

    fn add(&mut self, array: &ArrayRef) -> Result<(), ArrowError> {
        let nulls = array.logical_nulls();
        let is_null = |row: usize| nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
        let bytes: Vec<u8> = (0..array.len()).map(|row| u8::from(is_null(row))).collect();
        self.nulls.update(bytes);
        match array.data_type() {
            DataType::Dictionary(_, values) => return self.add_values(&cast(array, values)?),
            DataType::RunEndEncoded(_, values) => return self.add_values(&cast(array, values.data_type())?),
            _ => {}
        }
        match &nulls {
            // What lies under a null of a nested column is nobody's value.
            Some(nulls) if nulls.null_count() > 0 && array.data_type().is_nested() => {
                self.add_values(&filter(array, &BooleanArray::from(nulls.inner().clone()))?)
            }
            _ => self.add_values(array),
        }
    }

    fn add_values(&mut self, array: &ArrayRef) -> Result<(), ArrowError> {
        match array.data_type() {
            DataType::Null => {}
            DataType::Boolean => {
                let values = array.as_boolean();
                let bytes: Vec<u8> = values.iter().map(|value| u8::from(value == Some(true))).collect();
                self.values.update(bytes);
            }
            ty if ty.primitive_width().is_some() => add_primitives(&mut self.values, array),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                for text in cast(array, &DataType::LargeUtf8)?.as_string::<i64>().iter().flatten() {
                    add_bytes(&mut self.values, text.as_bytes());
                }
            }
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_) => {
                for bytes in cast(array, &DataType::LargeBinary)?.as_binary::<i64>().iter().flatten() {
                    add_bytes(&mut self.values, bytes);
                }
            }
            DataType::List(item)
            | DataType::LargeList(item)
            | DataType::ListView(item)
            | DataType::LargeListView(item)
            | DataType::FixedSizeList(item, _) => {
                let lists = cast(array, &DataType::LargeList(item.clone()))?;
                let lists = lists.as_list::<i64>();
                self.add_items(lists.value_offsets(), lists.values())?;
            }
            DataType::Map(..) => {
                let map = array.as_map();
                let ends: Vec<i64> = map.value_offsets().iter().map(|end| i64::from(*end)).collect();
                let entries = make_array(map.entries().to_data());
                self.add_items(&ends, &entries)?;
            }
            DataType::Struct(_) => {
                for (index, column) in array.as_struct().columns().iter().enumerate() {
                    self.add_child(index, column)?;
                }
            }
            DataType::Union(members, _) => {
                let union = array.as_union();
                let ids = union.type_ids();
                self.values.update(ids.iter().map(|id| *id as u8).collect::<Vec<u8>>());
                for (index, (id, _)) in members.iter().enumerate() {
                    let rows = (0..union.len()).filter(|row| union.type_id(*row) == id);
                    let rows: Int64Array = rows.map(|row| Some(union.value_offset(row) as i64)).collect();
                    self.add_child(index, &take(union.child(id), &rows, None)?)?;
                }
            }
            // A dictionary of dictionaries, or of runs.
            DataType::Dictionary(_, values) => self.add_values(&cast(array, values)?)?,
            DataType::RunEndEncoded(_, values) => self.add_values(&cast(array, values.data_type())?)?,
            other => return Err(ArrowError::NotYetImplemented(format!("{other} has no hash"))),
        }
        Ok(())
    }

    /// The items of lists that lie between these ends.
    fn add_items(&mut self, ends: &[i64], items: &ArrayRef) -> Result<(), ArrowError> {
        let (Some(first), Some(last)) = (ends.first(), ends.last()) else { return Ok(()) };
        let lengths =
            ends.iter().zip(ends.iter().skip(1)).flat_map(|(start, end)| (end - start).to_le_bytes());
        self.values.update(lengths.collect::<Vec<u8>>());
        self.add_child(0, &items.slice(*first as usize, (last - first) as usize))
    }

    fn add_child(&mut self, index: usize, array: &ArrayRef) -> Result<(), ArrowError> {
        match self.child(index) {
            Some(child) => child.add(array),
            None => Ok(()),
        }
    }

    fn finish_into(self, whole: &mut Sha256) {
        whole.update(self.nulls.finalize());
        whole.update(self.values.finalize());
        for child in self.children {
            child.finish_into(whole);
        }
    }
}

fn plain_type(data_type: &DataType) -> String {
    match data_type {
        DataType::LargeUtf8 | DataType::Utf8View => "Utf8".to_owned(),
        DataType::LargeBinary | DataType::BinaryView => "Binary".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, StringArray};
    use arrow::datatypes::Field;

    use super::*;

    fn hashed(batches: &[RecordBatch]) -> Vec<ColumnHash> {
        let mut hash = ContentHash::new(&batches[0].schema());
        batches.iter().for_each(|batch| hash.add(batch).unwrap());
        hash.finish().0
    }

    fn batch(numbers: Vec<Option<f64>>, texts: Vec<&str>) -> RecordBatch {
        let schema = Schema::new(vec![
            Field::new("x", DataType::Float64, true),
            Field::new("s", DataType::Utf8, true),
        ]);
        let columns: Vec<ArrayRef> =
            vec![Arc::new(Float64Array::from(numbers)), Arc::new(StringArray::from(texts))];
        RecordBatch::try_new(Arc::new(schema), columns).unwrap()
    }

    #[test]
    fn the_hash_does_not_depend_on_batches_and_names_the_column_that_differs() {
        let whole = batch(vec![Some(1.0), None, Some(-0.0)], vec!["a", "b", "c"]);
        let expected = hashed(std::slice::from_ref(&whole));
        assert_eq!(hashed(&[whole.slice(0, 1), whole.slice(1, 2)]), expected);
        let other = hashed(&[batch(vec![Some(1.0), None, Some(0.0)], vec!["a", "b", "c"])]);
        assert_ne!(other[0], expected[0], "minus zero is not zero");
        assert_eq!(other[1], expected[1]);
        let shifted = hashed(&[batch(vec![Some(1.0), None, Some(-0.0)], vec!["ab", "", "c"])]);
        assert_ne!(shifted[1], expected[1]);
    }

    #[test]
    fn what_lies_under_a_null_and_how_lists_are_cut_does_not_matter() {
        use arrow::array::{FixedSizeListArray, Float32Array};
        use arrow::buffer::NullBuffer;

        let item = Arc::new(Field::new("item", DataType::Float32, true));
        let lists = |values: Vec<f32>| {
            let valid = NullBuffer::from(vec![true, false, true]);
            let items = Arc::new(Float32Array::from(values));
            let lists = FixedSizeListArray::new(item.clone(), 2, items, Some(valid));
            RecordBatch::try_from_iter_with_nullable([("v", Arc::new(lists) as ArrayRef, true)]).unwrap()
        };
        let whole = lists(vec![1.0, 2.0, 0.0, 0.0, 3.0, 4.0]);
        let expected = hashed(std::slice::from_ref(&whole));
        assert_eq!(hashed(&[lists(vec![1.0, 2.0, 9.0, 9.0, 3.0, 4.0])]), expected);
        assert_eq!(hashed(&[whole.slice(0, 1), whole.slice(1, 1), whole.slice(2, 1)]), expected);
        assert_ne!(hashed(&[lists(vec![1.0, 2.0, 0.0, 0.0, 3.0, 5.0])]), expected);
    }
}
