//! Rows that were accepted, and their form in the log once it is known when they became available.

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch, TimestampMicrosecondArray, UInt64Array};
use arrow::compute::{concat_batches, filter_record_batch, take_record_batch};
use arrow::datatypes::TimestampMicrosecondType;
use feature::{Lateness, Micros, Position, Provenance, Source, Span, View};
use offline::{Facts, log_batch};

use crate::error::MaterializerError;

/// Accepted rows of one batch or flush. All columns have the same length.
#[derive(Clone, Debug)]
pub(crate) struct AcceptedRows {
    /// The view's keys and columns.
    pub(crate) rows: RecordBatch,
    /// When each happened, in microseconds.
    pub(crate) event_times: Vec<i64>,
    /// When each was available by its source, in microseconds; `None` if the source does not declare it.
    pub(crate) declared: Option<Vec<i64>>,
    /// Whether each is a tombstone.
    pub(crate) deleted: Vec<bool>,
    pub(crate) positions: Vec<Position>,
    /// For each row its index among the rows or records that were validated.
    pub(crate) origins: Vec<usize>,
}

/// When accepted rows became available.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Availability {
    /// As the source declares or assumes: history.
    History,
    /// At this moment, after the online write was acknowledged.
    Measured(Micros),
}

impl AcceptedRows {
    pub(crate) fn len(&self) -> usize {
        self.positions.len()
    }

    /// Each row's position, and when it happened.
    pub(crate) fn events(&self) -> impl Iterator<Item = (Position, i64)> {
        self.positions.iter().copied().zip(self.event_times.iter().copied())
    }

    /// The rows for which `keep` is true.
    pub(crate) fn filtered(self, keep: &[bool]) -> Result<Self, MaterializerError> {
        fn kept<T>(values: Vec<T>, keep: &[bool]) -> Vec<T> {
            values.into_iter().zip(keep).filter_map(|(value, keep)| keep.then_some(value)).collect()
        }
        Ok(Self {
            rows: filter_record_batch(&self.rows, &BooleanArray::from(keep.to_vec()))?,
            event_times: kept(self.event_times, keep),
            declared: self.declared.map(|declared| kept(declared, keep)),
            deleted: kept(self.deleted, keep),
            positions: kept(self.positions, keep),
            origins: kept(self.origins, keep),
        })
    }

    /// The rows at these indices, in this order.
    pub(crate) fn taken(&self, rows: &[usize]) -> Result<Self, MaterializerError> {
        fn taken<T: Copy>(values: &[T], rows: &[usize]) -> Vec<T> {
            rows.iter().filter_map(|row| values.get(*row).copied()).collect()
        }
        let indices = UInt64Array::from_iter_values(rows.iter().map(|row| *row as u64));
        Ok(Self {
            rows: take_record_batch(&self.rows, &indices)?,
            event_times: taken(&self.event_times, rows),
            declared: self.declared.as_ref().map(|declared| taken(declared, rows)),
            deleted: taken(&self.deleted, rows),
            positions: taken(&self.positions, rows),
            origins: taken(&self.origins, rows),
        })
    }

    /// All of these rows as one batch; `None` of none.
    pub(crate) fn concatenated(pieces: Vec<Self>) -> Result<Option<Self>, MaterializerError> {
        let Some(first) = pieces.first() else { return Ok(None) };
        let rows = concat_batches(first.rows.schema_ref(), pieces.iter().map(|piece| &piece.rows))?;
        let mut all = Self {
            rows,
            event_times: Vec::new(),
            declared: first.declared.as_ref().map(|_| Vec::new()),
            deleted: Vec::new(),
            positions: Vec::new(),
            origins: Vec::new(),
        };
        for piece in pieces {
            all.event_times.extend(piece.event_times);
            if let (Some(all), Some(declared)) = (&mut all.declared, piece.declared) {
                all.extend(declared);
            }
            all.deleted.extend(piece.deleted);
            all.positions.extend(piece.positions);
            all.origins.extend(piece.origins);
        }
        Ok(Some(all))
    }

    /// How much memory they take, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        let facts = size_of::<i64>() + size_of::<Position>() + size_of::<usize>() + size_of::<bool>();
        let declared = self.declared.as_ref().map_or(0, |declared| declared.len() * size_of::<i64>());
        (self.rows.get_array_memory_size() + declared + self.len() * facts) as u64
    }

    /// The rows as the log holds them, and how many of them are late.
    pub(crate) fn log_batch(
        &self,
        source: &Source,
        view: &View,
        availability: Availability,
    ) -> Result<(RecordBatch, u64), MaterializerError> {
        let (available_at, provenance) = self.available_at(source, view, availability);
        let lateness = source.allowed_lateness.filter(|_| !view.is_static).map(Lateness::micros);
        let times = self.event_times.iter().zip(&available_at);
        let late: Vec<bool> = times
            .map(|(event, available)| lateness.is_some_and(|lateness| available - event > lateness))
            .collect();
        let late_rows = late.iter().filter(|late| **late).count() as u64;
        let facts = Facts {
            event_times: TimestampMicrosecondArray::from(self.event_times.clone()),
            available_at: TimestampMicrosecondArray::from(available_at),
            provenance,
            assumed_delay: source.delay_assumed_by(provenance),
            positions: self.positions.clone(),
            late: BooleanArray::from(late),
            deleted: BooleanArray::from(self.deleted.clone()),
        };
        Ok((log_batch(view, &self.rows, facts)?, late_rows))
    }

    /// When each row became available, and how that is known.
    fn available_at(
        &self,
        source: &Source,
        view: &View,
        availability: Availability,
    ) -> (Vec<i64>, Provenance) {
        let delay = source.assumed_delay.map_or(0, Span::micros);
        let by_event = |of: &dyn Fn(i64) -> i64| self.event_times.iter().map(|event| of(*event)).collect();
        match (availability, &self.declared) {
            // The rows of a first static load have always been known.
            (Availability::Measured(at), _) if view.is_static => {
                let of = |event| if event == Micros::MIN.get() { event } else { at.get() };
                (by_event(&of), Provenance::Measured)
            }
            (Availability::Measured(at), _) => (by_event(&|_| at.get()), Provenance::Measured),
            (Availability::History, declared) => {
                let available_at = match declared {
                    _ if view.is_static => self.event_times.clone(),
                    Some(declared) => declared.clone(),
                    None => by_event(&|event| (event + delay).min(Micros::MAX.get())),
                };
                (available_at, source.provenance_of_history())
            }
        }
    }
}

/// A column of moments in microseconds; `None` if it has another type.
pub(crate) fn micros(column: &ArrayRef) -> Option<Vec<i64>> {
    column.as_primitive_opt::<TimestampMicrosecondType>().map(|times| times.values().to_vec())
}
