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
        return Err(format!("there is no time column `{time}`: its columns are {}", names.join(", ")));
    };
    match field.data_type() {
        DataType::Timestamp(_, zone) => Ok(zone.is_none()),
        other => Err(format!("the time column `{time}` is {other}, and must be a timestamp")),
    }
}

/// The label times of a batch, and whether they have no zone. An error names the first row of the
/// batch that has none or one outside the years 0001 to 9999.
pub(crate) fn label_times(batch: &RecordBatch, time: &str) -> Result<(Vec<i64>, bool), String> {
    let naive = check_time_column(&batch.schema(), time)?;
    let column = batch.column_by_name(time).ok_or_else(|| format!("there is no time column `{time}`"))?;
    if column.null_count() > 0 {
        let first = (0..column.len()).find(|row| column.is_null(*row)).unwrap_or(0);
        return Err(format!(
            "the time column `{time}` is null in {} rows, first in row {first}: every label needs a time",
            column.null_count()
        ));
    }
    let times = micros(column).map_err(|error| format!("the time column `{time}`: {error}"))?;
    match times.iter().enumerate().find(|(_, at)| Micros::new(**at).is_err()) {
        Some((row, at)) => Err(format!(
            "the time column `{time}` in row {row}: {at} microseconds since 1970 lies outside the years 0001 to 9999"
        )),
        None => Ok((times, naive)),
    }
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
