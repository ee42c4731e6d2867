//! The columns of a view's log: the facts of every row under names that no definition can take,
//! then the join keys, then the view's own columns.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Int8Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use feature::{Position, Provenance, Span, View};

use crate::error::OfflineError;

/// When the row happened: a timestamp in UTC microseconds.
pub const EVENT_TIME: &str = "_event_time";
/// When a reader of the online store could first have seen it: a timestamp in UTC microseconds.
pub const AVAILABLE_AT: &str = "_available_at";
/// How `_available_at` is known: `measured`, `declared` or `simulated`.
pub const PROVENANCE: &str = "_provenance";
/// The assumed delay of a simulated row, in microseconds.
pub const ASSUMED_DELAY: &str = "_assumed_delay_us";
/// Where in the source the row stood: 0 in history, 1 in a stream.
pub const POSITION_KIND: &str = "_position_kind";
/// The file's number in history, or the stream's partition.
pub const POSITION_MAJOR: &str = "_position_major";
/// The row's number in its file, or the stream's offset.
pub const POSITION_MINOR: &str = "_position_minor";
/// Whether the row is a tombstone.
pub const DELETED: &str = "_deleted";
/// Whether the row came later than the source allows.
pub const LATE: &str = "_late";
/// The UTC date of the event: the partition that the row lies in.
pub const DATE: &str = "_date";

/// The arrow type of every moment in the log.
pub fn timestamp_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// The schema of a view's log, its partition column last.
pub fn log_schema(view: &View) -> SchemaRef {
    let mut fields = vec![
        Field::new(EVENT_TIME, timestamp_type(), false),
        Field::new(AVAILABLE_AT, timestamp_type(), false),
        Field::new(PROVENANCE, DataType::Utf8, false),
        Field::new(ASSUMED_DELAY, DataType::Int64, true),
        Field::new(POSITION_KIND, DataType::Int8, false),
        Field::new(POSITION_MAJOR, DataType::Int32, false),
        Field::new(POSITION_MINOR, DataType::Int64, false),
        Field::new(DELETED, DataType::Boolean, false),
        Field::new(LATE, DataType::Boolean, false),
    ];
    let keys = view.keys.iter().map(|key| (key.name.as_str(), key.data_type));
    let columns = view.columns.iter().map(|column| (column.name.as_str(), column.data_type));
    fields.extend(keys.chain(columns).map(|(name, ty)| Field::new(name, stored_type(ty), true)));
    fields.push(Field::new(DATE, DataType::Date32, true));
    Arc::new(Schema::new(fields))
}

/// The type under which the log stores a value: Delta has no lists of fixed length.
fn stored_type(data_type: feature::DataType) -> DataType {
    match transform::arrow_type(data_type) {
        DataType::FixedSizeList(item, _) => DataType::List(item),
        other => other,
    }
}

/// What is known of the rows of one batch beside their keys and columns.
#[derive(Debug)]
pub struct Facts {
    /// When each row happened.
    pub event_times: TimestampMicrosecondArray,
    /// When each row could first have been read.
    pub available_at: TimestampMicrosecondArray,
    /// How that is known.
    pub provenance: Provenance,
    /// The assumed delay, where it is simulated.
    pub assumed_delay: Option<Span>,
    /// Each row's position in its source.
    pub positions: Vec<Position>,
    /// Which rows came later than the source allows.
    pub late: BooleanArray,
    /// Which rows are tombstones.
    pub deleted: BooleanArray,
}

/// The batch of a view's log from the keys and columns of `rows`, found by their names, and the
/// facts of each row.
pub fn log_batch(view: &View, rows: &RecordBatch, facts: Facts) -> Result<RecordBatch, OfflineError> {
    let count = rows.num_rows();
    let parts: Vec<_> = facts.positions.iter().map(|position| position.parts()).collect();
    let day = Span::DAY.micros();
    let dates: Date32Array =
        facts.event_times.iter().map(|time| time.map(|time| time.div_euclid(day) as i32)).collect();
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(facts.event_times.with_timezone("UTC")),
        Arc::new(facts.available_at.with_timezone("UTC")),
        Arc::new(StringArray::from_iter_values(std::iter::repeat_n(facts.provenance.name(), count))),
        Arc::new(Int64Array::from(vec![facts.assumed_delay.map(Span::micros); count])),
        Arc::new(Int8Array::from_iter_values(parts.iter().map(|(kind, ..)| *kind as i8))),
        Arc::new(Int32Array::from_iter_values(parts.iter().map(|(_, major, _)| *major as i32))),
        Arc::new(Int64Array::from_iter_values(parts.iter().map(|(.., minor)| *minor as i64))),
        Arc::new(facts.deleted),
        Arc::new(facts.late),
    ];
    let schema = log_schema(view);
    for field in schema.fields().iter().skip(columns.len()).take(view.keys.len() + view.columns.len()) {
        let column = rows.column_by_name(field.name()).ok_or_else(|| OfflineError::Corrupt {
            what: format!("rows of {}", view.id),
            why: format!("the column `{}` is missing", field.name()),
        })?;
        columns.push(arrow::compute::cast(column, field.data_type())?);
    }
    columns.push(Arc::new(dates));
    Ok(RecordBatch::try_new(schema, columns)?)
}
