//! A spine in CSV: the text of its join keys and request columns becomes the types that the service
//! declares, that of its label times moments; its other columns are what their values look like.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::compute::{can_cast_types, cast, concat_batches};
use arrow::csv::ReaderBuilder;
use arrow::csv::reader::Format;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use feature::{Micros, Scalar, ServicePlan};

use crate::error::OfflineError;

/// Reads the whole file; says of every column that does not fit which row is the first.
pub(crate) fn read(path: &Path, time: &str, plan: &ServicePlan) -> Result<RecordBatch, OfflineError> {
    let text = read_as_text(path, time, plan)?;
    let mut problems = Vec::new();
    let mut fields = Vec::new();
    let mut columns = Vec::new();
    for (field, column) in text.schema().fields().iter().zip(text.columns()) {
        let read = match (column.as_string_opt::<i32>(), plan.column(field.name())) {
            (Some(text), _) if field.name() == time => moments(text),
            (Some(text), Some(declared)) => typed(text, declared.data_type),
            _ => Ok(column.clone()),
        };
        match read {
            Ok(column) => {
                fields.push(Field::new(field.name(), column.data_type().clone(), true));
                columns.push(column);
            }
            Err(Misfit { row, why }) => {
                problems.push(format!("{}: row {}: `{}`: {why}", path.display(), row + 1, field.name()));
            }
        }
    }
    if !problems.is_empty() {
        return Err(OfflineError::Spine(problems));
    }
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(text.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?)
}

/// The first row, from 0, whose text is no value of its column.
struct Misfit {
    row: usize,
    why: String,
}

fn read_as_text(path: &Path, time: &str, plan: &ServicePlan) -> Result<RecordBatch, OfflineError> {
    let failed = |error: &dyn std::fmt::Display| OfflineError::file("read", path, error);
    let file = || File::open(path).map_err(|error| failed(&error));
    let format = Format::default().with_header(true);
    let (inferred, _) = format.infer_schema(file()?, None).map_err(|error| failed(&error))?;
    let is_text = |field: &Field| match field.data_type() {
        DataType::Timestamp(..) | DataType::Date32 if field.name() == time => true,
        _ => field.name() != time && plan.column(field.name()).is_some(),
    };
    let fields: Vec<Field> = inferred
        .fields()
        .iter()
        .map(|field| match is_text(field) {
            true => Field::new(field.name(), DataType::Utf8, true),
            false => field.as_ref().clone(),
        })
        .collect();
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    let reader = ReaderBuilder::new(schema.clone()).with_header(true).build(file()?);
    let batches = reader.and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(|error| failed(&error))?;
    concat_batches(&schema, &batches).map_err(|error| failed(&error))
}

/// Moments in UTC; without a zone where one of the texts has none.
fn moments(text: &StringArray) -> Result<ArrayRef, Misfit> {
    let times = text
        .iter()
        .enumerate()
        .map(|(row, text)| {
            let read = text.map(|text| text.parse::<Micros>().map(Micros::get)).transpose();
            read.map_err(|error| Misfit { row, why: error.to_string() })
        })
        .collect::<Result<TimestampMicrosecondArray, _>>()?;
    let zoned = text.iter().flatten().all(has_zone);
    Ok(Arc::new(if zoned { times.with_timezone("UTC") } else { times }))
}

/// Whether a text that is a time says its zone, after its date.
fn has_zone(text: &str) -> bool {
    text.get("2013-06-01".len()..).is_some_and(|rest| rest.contains(['Z', 'z', '+', '-']))
}

fn typed(text: &StringArray, declared: feature::DataType) -> Result<ArrayRef, Misfit> {
    if declared == Scalar::Timestamp.into() {
        return moments(text);
    }
    let to = transform::arrow_type(declared);
    let misfit = |row: usize, why: String| Misfit { row, why };
    if !can_cast_types(text.data_type(), &to) || matches!(declared, feature::DataType::List(..)) {
        return Err(misfit(0, format!("CSV holds no {declared}: write the spine as .parquet or .arrow")));
    }
    // A text that is no value becomes null here, and is then found.
    let values = cast(text, &to).map_err(|error| misfit(0, error.to_string()))?;
    match (0..text.len()).find(|row| text.is_valid(*row) && values.is_null(*row)) {
        None => Ok(values),
        Some(row) => Err(misfit(row, format!("`{}` is not {declared}", text.value(row)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_with_its_zone_and_said_to_have_none() {
        let zoned =
            StringArray::from(vec![Some("2013-06-01T02:00:00+02:00"), None, Some("2013-06-01T00:00:00Z")]);
        let read = moments(&zoned).ok().unwrap();
        assert_eq!(
            read.data_type(),
            &DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, Some("UTC".into()))
        );
        let micros = read.as_primitive::<arrow::datatypes::TimestampMicrosecondType>();
        assert_eq!((micros.value(0), micros.is_null(1)), (micros.value(2), true));
        let naive = moments(&StringArray::from(vec!["2013-06-01", "2013-06-01 00:00:00"])).ok().unwrap();
        assert_eq!(naive.data_type(), &DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None));
    }

    #[test]
    fn the_first_text_that_is_no_value_is_named() {
        let misfit = typed(&StringArray::from(vec!["1", "far", "x"]), Scalar::Int32.into()).err().unwrap();
        assert_eq!((misfit.row, misfit.why.as_str()), (1, "`far` is not int32"));
        let misfit = moments(&StringArray::from(vec!["2013-06-01", "soon"])).err().unwrap();
        assert_eq!(misfit.row, 1);
    }
}
