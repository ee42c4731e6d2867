//! The label times of a spine: timestamps of any unit and dates, read as UTC microseconds. A date is the
//! midnight with which it begins.

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema};
use arrow::error::ArrowError;
use feature::Micros;

/// Checks the column of label times, and says whether its times have no zone.
pub(crate) fn check_time_column(schema: &Schema, time: &str) -> Result<bool, String> {
    let Ok(field) = schema.field_with_name(time) else {
        let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        return Err(match names.as_slice() {
            [] => "it has no columns".to_owned(),
            names => format!("there is no time column `{time}`: its columns are {}", names.join(", ")),
        });
    };
    let found = match plain(field.data_type()) {
        DataType::Timestamp(_, zone) => return Ok(zone.is_none()),
        DataType::Date32 | DataType::Date64 => return Ok(true),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string".to_owned(),
        other => other.to_string().to_lowercase(),
    };
    Err(format!("the time column `{time}` is {found}, and must be a timestamp or a date"))
}

/// The type of the values of a column, however they are encoded.
fn plain(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Dictionary(_, values) => plain(values),
        DataType::RunEndEncoded(_, values) => plain(values.data_type()),
        other => other,
    }
}

/// Checks that every row of a batch has a label time in the years 0001 to 9999. The error names
/// the first that has none, counted from 1 where `before` rows come before the batch. Gives the times.
pub(crate) fn check_times(batch: &RecordBatch, time: &str, before: usize) -> Result<Vec<i64>, String> {
    let column = batch.column_by_name(time).ok_or_else(|| format!("there is no time column `{time}`"))?;
    let nulls = column.logical_nulls();
    if let Some(row) = nulls.and_then(|nulls| (0..nulls.len()).find(|row| nulls.is_null(*row))) {
        return Err(format!(
            "row {}: the time column `{time}` is null: every label needs a time",
            before + row + 1
        ));
    }
    let times = micros(column).map_err(|error| format!("the time column `{time}`: {error}"))?;
    match times.iter().enumerate().find(|(_, at)| Micros::new(**at).is_err()) {
        None => Ok(times),
        Some((row, at)) => Err(format!(
            "row {}: the time column `{time}` is {at} microseconds since 1970, outside the years 0001 to 9999",
            before + row + 1
        )),
    }
}

/// The label times of a batch, and whether they have no zone.
pub(crate) fn label_times(batch: &RecordBatch, time: &str) -> Result<(Vec<i64>, bool), String> {
    let naive = check_time_column(&batch.schema(), time)?;
    Ok((check_times(batch, time, 0)?, naive))
}

/// Timestamps of any unit in microseconds, by the rule that is also that of a source's times.
fn micros(column: &ArrayRef) -> Result<Vec<i64>, ArrowError> {
    let column = cast(column, plain(column.data_type()))?;
    Ok(transform::moments(&column).values().to_vec())
}
