//! The label times of a spine: timestamps of any unit, read as UTC microseconds.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, Schema, TimeUnit};
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
    let found = match field.data_type() {
        DataType::Timestamp(_, zone) => return Ok(zone.is_none()),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string".to_owned(),
        other => other.to_string().to_lowercase(),
    };
    Err(format!("the time column `{time}` is {found}, and must be a timestamp"))
}

/// Checks that every row of a batch has a label time in the years 0001 to 9999. The error names
/// the first that has none, counted from 1 where `before` rows come before the batch.
pub(crate) fn check_times(batch: &RecordBatch, time: &str, before: usize) -> Result<(), String> {
    let column = batch.column_by_name(time).ok_or_else(|| format!("there is no time column `{time}`"))?;
    if let Some(row) = (0..column.len()).find(|row| column.is_null(*row)) {
        return Err(format!(
            "row {}: the time column `{time}` is null: every label needs a time",
            before + row + 1
        ));
    }
    let times = micros(column).map_err(|error| format!("the time column `{time}`: {error}"))?;
    match times.iter().enumerate().find(|(_, at)| Micros::new(**at).is_err()) {
        None => Ok(()),
        Some((row, at)) => Err(format!(
            "row {}: the time column `{time}` is {at} microseconds since 1970, outside the years 0001 to 9999",
            before + row + 1
        )),
    }
}

/// The label times of a batch, and whether they have no zone.
pub(crate) fn label_times(batch: &RecordBatch, time: &str) -> Result<(Vec<i64>, bool), String> {
    let naive = check_time_column(&batch.schema(), time)?;
    check_times(batch, time, 0)?;
    let column = batch.column_by_name(time).ok_or_else(|| format!("there is no time column `{time}`"))?;
    Ok((micros(column).map_err(|error| format!("the time column `{time}`: {error}"))?, naive))
}

/// Timestamps of any unit in microseconds, nanoseconds towards the past, so that none can leak.
fn micros(column: &ArrayRef) -> Result<Vec<i64>, ArrowError> {
    let ticks = cast(column, &DataType::Int64)?;
    let ticks = ticks.as_primitive::<Int64Type>().values().iter();
    let scale = |by: i64| move |tick: &i64| tick.checked_mul(by).unwrap_or(i64::MAX);
    Ok(match column.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => ticks.map(scale(1_000_000)).collect(),
        DataType::Timestamp(TimeUnit::Millisecond, _) => ticks.map(scale(1_000)).collect(),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => ticks.map(|tick| tick.div_euclid(1_000)).collect(),
        _ => ticks.copied().collect(),
    })
}
