//! The rows of a log as values: what folds of the online store are made from.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int8Type, Int32Type, Int64Type, TimestampMicrosecondType};
use feature::{EntityKey, Micros, Position, Row, Value, View};

use crate::columns::{AVAILABLE_AT, DELETED, EVENT_TIME, POSITION_KIND, POSITION_MAJOR, POSITION_MINOR};
use crate::error::OfflineError;

/// The columns that [`rows`] needs, in its order.
pub fn row_columns(view: &View) -> Vec<&str> {
    let facts = [EVENT_TIME, AVAILABLE_AT, POSITION_KIND, POSITION_MAJOR, POSITION_MINOR, DELETED];
    let keys = view.keys.iter().map(|key| key.name.as_str());
    let columns = view.columns.iter().map(|column| column.name.as_str());
    facts.into_iter().chain(keys).chain(columns).collect()
}

/// The rows of one scanned batch of [`row_columns`], each with the key of its entity.
pub fn rows(view: &View, batch: &RecordBatch) -> Result<Vec<(EntityKey, Row)>, OfflineError> {
    let facts = RowFacts::of(view, batch)?;
    let keys: Vec<_> = view
        .keys
        .iter()
        .map(|key| Ok((column(view, batch, &key.name)?, key.data_type)))
        .collect::<Result<_, OfflineError>>()?;
    let columns: Vec<_> = view
        .columns
        .iter()
        .map(|c| Ok((column(view, batch, &c.name)?, c.data_type)))
        .collect::<Result<_, OfflineError>>()?;
    (0..batch.num_rows())
        .map(|row| {
            let values_of = |arrays: &[(arrow::array::ArrayRef, feature::DataType)]| -> Vec<Value> {
                arrays.iter().map(|(array, ty)| transform::value_at(array.as_ref(), row, *ty)).collect()
            };
            let key = EntityKey::encode(&view.keys, &values_of(&keys))
                .map_err(|error| corrupt(view, error.to_string()))?;
            let (event_time, available_at) = facts.times(row)?;
            let row = Row {
                event_time,
                available_at,
                position: facts.position(row)?,
                deleted: facts.deleted.value(row),
                values: values_of(&columns),
            };
            Ok((key, row))
        })
        .collect()
}

/// The facts of the rows of one scanned batch, as typed columns.
pub(crate) struct RowFacts<'a> {
    view: &'a View,
    pub(crate) event_times: &'a [i64],
    pub(crate) available_at: &'a [i64],
    kinds: &'a [i8],
    majors: &'a [i32],
    minors: &'a [i64],
    pub(crate) deleted: &'a arrow::array::BooleanArray,
}

impl<'a> RowFacts<'a> {
    pub(crate) fn of(view: &'a View, batch: &'a RecordBatch) -> Result<Self, OfflineError> {
        let missing =
            |name: &str| corrupt(view, format!("the column `{name}` is missing or of another type"));
        let array = |name: &str| batch.column_by_name(name).ok_or_else(|| missing(name));
        let times = |name: &str| -> Result<&'a [i64], OfflineError> {
            let times = array(name)?.as_primitive_opt::<TimestampMicrosecondType>();
            Ok(times.ok_or_else(|| missing(name))?.values())
        };
        let kinds = array(POSITION_KIND)?.as_primitive_opt::<Int8Type>();
        let majors = array(POSITION_MAJOR)?.as_primitive_opt::<Int32Type>();
        let minors = array(POSITION_MINOR)?.as_primitive_opt::<Int64Type>();
        Ok(Self {
            view,
            event_times: times(EVENT_TIME)?,
            available_at: times(AVAILABLE_AT)?,
            kinds: kinds.ok_or_else(|| missing(POSITION_KIND))?.values(),
            majors: majors.ok_or_else(|| missing(POSITION_MAJOR))?.values(),
            minors: minors.ok_or_else(|| missing(POSITION_MINOR))?.values(),
            deleted: array(DELETED)?.as_boolean_opt().ok_or_else(|| missing(DELETED))?,
        })
    }

    pub(crate) fn times(&self, row: usize) -> Result<(Micros, Micros), OfflineError> {
        match (self.event_times.get(row), self.available_at.get(row)) {
            (Some(event), Some(available)) => Ok((self.moment(*event)?, self.moment(*available)?)),
            _ => Err(corrupt(self.view, format!("row {row} has no times"))),
        }
    }

    fn moment(&self, micros: i64) -> Result<Micros, OfflineError> {
        Micros::new(micros).map_err(|error| corrupt(self.view, error.to_string()))
    }

    pub(crate) fn position(&self, row: usize) -> Result<Position, OfflineError> {
        let parts = (self.kinds.get(row), self.majors.get(row), self.minors.get(row));
        let (Some(kind), Some(major), Some(minor)) = parts else {
            return Err(corrupt(self.view, format!("row {row} has no position")));
        };
        Position::from_parts(*kind as u8, *major as u32, *minor as u64)
            .ok_or_else(|| corrupt(self.view, format!("{kind} is no kind of position")))
    }
}

/// A column of a view in a scanned batch, in the type that the view declares.
pub(crate) fn column(
    view: &View,
    batch: &RecordBatch,
    name: &feature::Name,
) -> Result<arrow::array::ArrayRef, OfflineError> {
    let array = batch
        .column_by_name(name.as_str())
        .ok_or_else(|| corrupt(view, format!("the column `{name}` is missing")))?;
    let keys = view.keys.iter().map(|key| (&key.name, key.data_type));
    let columns = view.columns.iter().map(|column| (&column.name, column.data_type));
    let declared = keys.chain(columns).find(|(n, _)| *n == name).map(|(_, ty)| transform::arrow_type(ty));
    match declared {
        Some(ty) if ty != *array.data_type() => Ok(arrow::compute::cast(array, &ty)?),
        _ => Ok(array.clone()),
    }
}

pub(crate) fn corrupt(view: &View, why: String) -> OfflineError {
    OfflineError::Corrupt { what: format!("the rows of {}", view.id), why }
}
