//! A spine in CSV: the text of its join keys and request columns becomes the types that the service
//! declares, that of its label times moments; its other columns stay the text that they are.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, RecordBatch, RecordBatchOptions, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{Field, Schema, SchemaRef};
use feature::{Micros, Scalar, ServicePlan, Value};

use crate::error::OfflineError;
use crate::opened_file::OpenedFile;
use crate::training_set::csv_text;

/// The columns of a file and its rows.
pub(crate) type Table = (SchemaRef, Vec<RecordBatch>);

/// Reads the whole file; says of every column that does not fit which row is the first.
pub(crate) fn read(file: &OpenedFile, time: &str, plan: &ServicePlan) -> Result<Table, OfflineError> {
    let types = |name: &str| match plan.column(name) {
        _ if name == time => Some(Scalar::Timestamp.into()),
        declared => declared.map(|field| field.data_type),
    };
    read_as(file, types)
}

/// Reads the whole file as text.
pub(crate) fn read_text(file: &OpenedFile) -> Result<Table, OfflineError> {
    read_as(file, |_| None)
}

fn read_as(
    file: &OpenedFile,
    declared: impl Fn(&str) -> Option<feature::DataType>,
) -> Result<Table, OfflineError> {
    let text = csv_text::read(&file.bytes()?);
    let text = text.map_err(|why| OfflineError::file("read", file.path(), why))?;
    let mut problems = Vec::new();
    let mut fields = Vec::with_capacity(text.names.len());
    let mut columns: Vec<Vec<ArrayRef>> = Vec::with_capacity(text.names.len());
    for (index, name) in text.names.iter().enumerate() {
        let batches: Vec<&StringArray> = text.batches.iter().filter_map(|batch| batch.get(index)).collect();
        let to = declared(name).unwrap_or(Scalar::String.into());
        match typed(&batches, to) {
            Ok((data_type, arrays)) => {
                fields.push(Field::new(name, data_type, true));
                columns.push(arrays);
            }
            Err(Misfit { row, why }) => {
                problems.push(format!("{}: row {}: `{name}`: {why}", file, row + 1));
            }
        }
    }
    if !problems.is_empty() {
        return Err(OfflineError::Spine(problems));
    }
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    let batch = |index: usize| {
        let arrays = columns.iter().filter_map(|arrays| arrays.get(index).cloned());
        let rows = text.batches.get(index).and_then(|batch| batch.first()).map_or(0, Array::len);
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(schema.clone(), arrays.collect(), &options)
    };
    let batches = (0..text.batches.len()).map(batch).collect::<Result<_, _>>()?;
    Ok((schema, batches))
}

/// The first row, from 0, whose text is not a value of its column.
struct Misfit {
    row: usize,
    why: String,
}

/// The batches of a column in a type: the same one in all of them.
fn typed(
    batches: &[&StringArray],
    to: feature::DataType,
) -> Result<(arrow::datatypes::DataType, Vec<ArrayRef>), Misfit> {
    let texts = batches.iter().flat_map(|text| text.iter()).flatten();
    let zoned = texts.filter(|text| !text.trim().is_empty()).all(has_zone);
    let mut before = 0;
    let mut arrays: Vec<ArrayRef> = Vec::with_capacity(batches.len());
    for text in batches {
        let further = |misfit: Misfit| Misfit { row: before + misfit.row, ..misfit };
        arrays.push(
            match to {
                feature::DataType::Scalar(Scalar::Timestamp) => moments(text, zoned),
                _ => values(text, to),
            }
            .map_err(further)?,
        );
        before += text.len();
    }
    let data_type = match arrays.first() {
        Some(array) => array.data_type().clone(),
        None => transform::arrow_type(to),
    };
    Ok((data_type, arrays))
}

/// Moments in UTC, with or without saying so.
fn moments(text: &StringArray, zoned: bool) -> Result<ArrayRef, Misfit> {
    let moment = |(row, text): (usize, Option<&str>)| {
        let text = text.map(str::trim).filter(|text| !text.is_empty());
        let read = text.map(|text| text.parse::<Micros>().map(Micros::get)).transpose();
        read.map_err(|error| Misfit { row, why: error.to_string() })
    };
    let times = text.iter().enumerate().map(moment).collect::<Result<TimestampMicrosecondArray, _>>()?;
    Ok(Arc::new(if zoned { times.with_timezone("UTC") } else { times }))
}

/// Whether a text that is a time says its zone, after its date.
fn has_zone(text: &str) -> bool {
    text.get("2013-06-01".len()..).is_some_and(|rest| rest.contains(['Z', 'z', '+', '-']))
}

/// The values that the texts are; the first that is none is a misfit.
fn values(text: &StringArray, declared: feature::DataType) -> Result<ArrayRef, Misfit> {
    if declared == Scalar::String.into() {
        return Ok(Arc::new(text.clone()));
    }
    let value = |(row, text): (usize, Option<&str>)| match text {
        None => Ok(Value::Null),
        // Only texts and bytes can be empty: other types have no value there.
        Some("") if declared != Scalar::Bytes.into() => Ok(Value::Null),
        Some(text) => feature::field(text, declared).map(Value::canonical).ok_or_else(|| {
            let why = format!("`{text}` is not {declared}{}", feature::limits(declared));
            Misfit { row, why }
        }),
    };
    let values = text.iter().enumerate().map(value).collect::<Result<Vec<_>, _>>()?;
    Ok(transform::array_of(&values, declared))
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};

    use super::*;

    fn times(batches: &[&StringArray]) -> (DataType, Vec<ArrayRef>) {
        typed(batches, Scalar::Timestamp.into()).ok().unwrap()
    }

    #[test]
    fn a_time_is_read_with_its_zone_and_said_to_have_none() {
        let zoned =
            StringArray::from(vec![Some("2013-06-01T02:00:00+02:00"), None, Some("2013-06-01T00:00:00Z")]);
        let (data_type, read) = times(&[&zoned]);
        assert_eq!(data_type, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())));
        let micros = read[0].as_primitive::<TimestampMicrosecondType>();
        assert_eq!((micros.value(0), micros.is_null(1)), (micros.value(2), true));
        let naive = StringArray::from(vec!["2013-06-01", "2013-06-01 00:00:00"]);
        assert_eq!(times(&[&zoned, &naive]).0, DataType::Timestamp(TimeUnit::Microsecond, None));
    }

    #[test]
    fn the_first_text_that_is_no_value_is_named() {
        let good = StringArray::from(vec!["1", "2"]);
        let bad = StringArray::from(vec!["1", "far", "x"]);
        let misfit = typed(&[&good, &bad], Scalar::Int32.into()).err().unwrap();
        let why = "`far` is not int32 (a whole number from -2147483648 to 2147483647)";
        assert_eq!((misfit.row, misfit.why.as_str()), (3, why));
        let misfit = typed(&[&StringArray::from(vec!["2013-06-01", "soon"])], Scalar::Timestamp.into());
        assert_eq!(misfit.err().unwrap().row, 1);
    }

    #[test]
    fn bytes_are_base64_as_in_json() {
        let (_, read) = typed(&[&StringArray::from(vec!["/wA="])], Scalar::Bytes.into()).ok().unwrap();
        assert_eq!(read[0].as_binary::<i32>().value(0), b"\xff\x00");
        let misfit = typed(&[&StringArray::from(vec!["/"])], Scalar::Bytes.into()).err().unwrap();
        assert_eq!(misfit.why, "`/` is not bytes (in base64)");
    }

    #[test]
    fn a_value_is_read_as_in_every_other_text_and_never_becomes_another() {
        let read = |text: &str, data_type: &str| {
            let to: feature::DataType = data_type.parse().unwrap();
            let arrays = typed(&[&StringArray::from(vec![text])], to).ok()?.1;
            Some(transform::value_at(&arrays[0], 0, to))
        };
        assert_eq!(read("3.0", "int32"), Some(Value::Int32(3)));
        assert_eq!(read("", "int32"), Some(Value::Null));
        assert_eq!(read("", "bytes"), Some(Value::Bytes([].as_slice().into())));
        assert_eq!(
            read("[1, null]", "list<int32>"),
            Some(Value::List([Value::Int32(1), Value::Null].into()))
        );
        for (text, data_type) in [
            ("1e39", "float32"),
            ("1e400", "float64"),
            ("1", "bool"),
            ("yes", "bool"),
            ("2147483648", "int32"),
            ("1.5", "int64"),
            ("[1]", "list<int32>[2]"),
        ] {
            assert_eq!(read(text, data_type), None, "{text} {data_type}");
        }
    }
}
