//! Rows of generated histories in the form that a log holds them in, for tests.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{Field, Schema};
use feature::{Provenance, Row, Span, Value, View};

use super::columns::{Facts, log_batch};

/// A batch of the log that holds these rows.
pub(crate) fn batch(view: &View, rows: &[(&[Value], &Row)]) -> RecordBatch {
    let keys = view.keys.iter().enumerate().map(|(n, key)| {
        let values: Vec<Value> = rows.iter().map(|(keys, _)| keys[n].clone()).collect();
        (key.name.to_string(), transform::array_of(&values, key.data_type))
    });
    let columns = view.columns.iter().enumerate().map(|(n, column)| {
        let values: Vec<Value> = rows.iter().map(|(_, row)| row.values[n].clone()).collect();
        (column.name.to_string(), transform::array_of(&values, column.data_type))
    });
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = keys
        .chain(columns)
        .map(|(name, array)| (Field::new(name, array.data_type().clone(), true), array))
        .unzip();
    let values = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
    let times =
        |of: fn(&Row) -> i64| TimestampMicrosecondArray::from_iter_values(rows.iter().map(|(_, r)| of(r)));
    let facts = Facts {
        event_times: times(|row| row.event_time.get()),
        available_at: times(|row| row.available_at.get()),
        provenance: Provenance::Simulated,
        assumed_delay: Some(Span::SECOND),
        positions: rows.iter().map(|(_, row)| row.position).collect(),
        late: BooleanArray::from(vec![false; rows.len()]),
        deleted: rows.iter().map(|(_, row)| Some(row.deleted)).collect(),
    };
    log_batch(view, &values, facts).unwrap()
}
