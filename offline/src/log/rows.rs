//! The rows of a log as values: what folds of the online store are made from.

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::datatypes::{Int8Type, Int32Type, Int64Type, TimestampMicrosecondType};
use feature::{EntityKey, Micros, Position, Row, Value, View};

use crate::error::OfflineError;
use crate::log::columns::{AVAILABLE_AT, DELETED, EVENT_TIME, POSITION_KIND, POSITION_MAJOR, POSITION_MINOR};

/// The columns that [`rows`] needs, in its order.
pub fn row_columns(view: &View) -> Vec<&str> {
    let facts = [EVENT_TIME, AVAILABLE_AT, POSITION_KIND, POSITION_MAJOR, POSITION_MINOR, DELETED];
    let keys = view.keys.iter().map(|key| key.name.as_str());
    let columns = view.columns.iter().map(|column| column.name.as_str());
    facts.into_iter().chain(keys).chain(columns).collect()
}

/// The rows of one scanned batch of [`row_columns`], each with the key of its entity.
pub fn rows(view: &View, batch: &RecordBatch) -> Result<Vec<(EntityKey, Row)>, OfflineError> {
    let event_times = times(view, batch, EVENT_TIME)?;
    let available_at = times(view, batch, AVAILABLE_AT)?;
    let positions = Positions::of(view, batch)?;
    let deleted = booleans(view, batch, DELETED)?;
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
            let row = Row {
                event_time: moment(view, at(event_times, row))?,
                available_at: moment(view, at(available_at, row))?,
                position: positions.at(row)?,
                deleted: deleted.value(row),
                values: values_of(&columns),
            };
            Ok((key, row))
        })
        .collect()
}

fn at(values: &[i64], row: usize) -> i64 {
    *values.get(row).expect("invariant: the columns of a batch are as long as it is")
}

/// A column of moments of a scanned batch, in microseconds.
pub(crate) fn times<'a>(view: &View, batch: &'a RecordBatch, name: &str) -> Result<&'a [i64], OfflineError> {
    let array =
        batch.column_by_name(name).and_then(|array| array.as_primitive_opt::<TimestampMicrosecondType>());
    Ok(array.ok_or_else(|| missing(view, name))?.values())
}

/// A column of truth values of a scanned batch.
pub(crate) fn booleans<'a>(
    view: &View,
    batch: &'a RecordBatch,
    name: &str,
) -> Result<&'a BooleanArray, OfflineError> {
    let array = batch.column_by_name(name).and_then(|array| array.as_boolean_opt());
    array.ok_or_else(|| missing(view, name))
}

/// A moment of the log, which has none outside the years 0001 to 9999.
pub(crate) fn moment(view: &View, micros: i64) -> Result<Micros, OfflineError> {
    Micros::new(micros).map_err(|error| corrupt(view, error.to_string()))
}

/// The positions of all rows of a scanned batch.
pub(crate) fn positions(view: &View, batch: &RecordBatch) -> Result<Vec<Position>, OfflineError> {
    let positions = Positions::of(view, batch)?;
    (0..batch.num_rows()).map(|row| positions.at(row)).collect()
}

/// The positions of the rows of a scanned batch.
pub(crate) struct Positions<'a> {
    view: &'a View,
    kinds: &'a [i8],
    majors: &'a [i32],
    minors: &'a [i64],
}

impl<'a> Positions<'a> {
    pub(crate) fn of(view: &'a View, batch: &'a RecordBatch) -> Result<Self, OfflineError> {
        let array = |name: &str| batch.column_by_name(name).ok_or_else(|| missing(view, name));
        let kinds = array(POSITION_KIND)?.as_primitive_opt::<Int8Type>();
        let majors = array(POSITION_MAJOR)?.as_primitive_opt::<Int32Type>();
        let minors = array(POSITION_MINOR)?.as_primitive_opt::<Int64Type>();
        Ok(Self {
            view,
            kinds: kinds.ok_or_else(|| missing(view, POSITION_KIND))?.values(),
            majors: majors.ok_or_else(|| missing(view, POSITION_MAJOR))?.values(),
            minors: minors.ok_or_else(|| missing(view, POSITION_MINOR))?.values(),
        })
    }

    pub(crate) fn at(&self, row: usize) -> Result<Position, OfflineError> {
        let parts = (self.kinds.get(row), self.majors.get(row), self.minors.get(row));
        let (Some(kind), Some(major), Some(minor)) = parts else {
            return Err(corrupt(self.view, format!("row {row} has no position")));
        };
        Position::from_parts(*kind as u8, *major as u32, *minor as u64)
            .ok_or_else(|| corrupt(self.view, format!("{kind} is no kind of position")))
    }
}

fn missing(view: &View, name: &str) -> OfflineError {
    corrupt(view, format!("the column `{name}` is missing or of another type"))
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
