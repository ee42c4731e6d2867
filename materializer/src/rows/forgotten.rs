//! Rows of forgotten entities, which are left out of every way in: those that happened up to the moment of the forgetting.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use feature::{EntityKey, Micros, Value, View};
use offline::{BatchGuard, Forgotten};
use transform::{TransformError, ViewTransform};

/// For each row of a batch of the source its key, if that is of a forgotten entity; `None` if no key of the view's entity
/// was ever forgotten. A row whose key cannot be computed is of none.
pub(crate) fn forgotten_rows(
    list: &Forgotten,
    view: &View,
    transform: &ViewTransform,
    batch: &RecordBatch,
) -> Result<Option<Vec<Option<EntityKey>>>, TransformError> {
    if list.has_none_of(&view.entity) || !BatchGuard::Forgotten.is_on() {
        return Ok(None);
    }
    let (keys, times) = (transform.keys(batch)?, transform.event_times(batch)?);
    let times = times.as_ref().and_then(|times| times.as_primitive_opt::<TimestampMicrosecondType>());
    let time = |row: usize| times.filter(|times| times.is_valid(row)).map(|times| times.value(row));
    let forgotten = |row: usize| {
        encoded(view, &keys, row).filter(|key| list.covers(&view.entity, key.as_bytes(), time(row)))
    };
    Ok(Some((0..batch.num_rows()).map(forgotten).collect()))
}

/// Whether a tombstone of this key is of a forgotten entity.
pub(crate) fn is_forgotten(list: &Forgotten, view: &View, key: &[Value], at: Micros) -> bool {
    if list.has_none_of(&view.entity) || !BatchGuard::Forgotten.is_on() {
        return false;
    }
    let key = EntityKey::encode(&view.keys, key);
    key.is_ok_and(|key| list.covers(&view.entity, key.as_bytes(), Some(at.get())))
}

/// The key of a row; `None` if it has none that can be one.
pub(crate) fn encoded(view: &View, keys: &[ArrayRef], row: usize) -> Option<EntityKey> {
    let typed = keys.iter().zip(&view.keys);
    let values: Vec<Value> =
        typed.map(|(array, key)| transform::value_at(array.as_ref(), row, key.data_type)).collect();
    EntityKey::encode(&view.keys, &values).ok()
}
