//! Every row of a log for a fold of entities: keys, times and positions of all rows, then whole those that it wants.
//! Files are read by several threads, the newest first.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use feature::{DataType, Micros, Position, Value, View};

use crate::error::OfflineError;
use crate::join::log_reader::{Queue, Reading};
use crate::join::passes::{self, Passes};
use crate::join::skip::Skip;
use crate::log::columns::{AVAILABLE_AT, DELETED, EVENT_TIME, POSITION_KIND, POSITION_MAJOR, POSITION_MINOR};
use crate::log::keys::EncodedKeys;
use crate::log::rows::{Positions, booleans, column, moment, times};
use crate::log::{Added, Log};

/// Whole rows that are decoded at a time.
const WHOLE_ROWS: usize = 8192;

/// A fold of the rows of a log.
pub trait RowFold: Send {
    /// Takes what is known of every row of a batch, whose first row has this number in its group.
    fn offer(&mut self, rows: &OfferedRows<'_>, first_row: usize) -> Result<(), OfflineError>;

    /// The rows of the group that are wanted whole, in order.
    fn wanted(&mut self) -> Vec<u32>;

    /// Takes the next rows that are wanted.
    fn fold(&mut self, rows: &WholeRows<'_>);
}

/// What is known of every row of a batch.
pub struct OfferedRows<'a> {
    view: &'a View,
    /// Their entities.
    pub keys: EncodedKeys,
    event_times: &'a [i64],
    available_at: &'a [i64],
    positions: Positions<'a>,
}

/// A row's times and position.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RowFacts {
    /// When it happened.
    pub event_time: Micros,
    /// When a reader could first have seen it.
    pub available_at: Micros,
    /// Its position in the source.
    pub position: Position,
}

/// Rows that are wanted: what is not known of them yet.
pub struct WholeRows<'a> {
    deleted: &'a BooleanArray,
    /// One for each of the view's columns.
    columns: Vec<(ArrayRef, DataType)>,
}

impl OfferedRows<'_> {
    /// The times and the position of a row.
    pub fn facts(&self, row: usize) -> Result<RowFacts, OfflineError> {
        let time = |times: &[i64]| {
            let time = times.get(row).expect("invariant: the columns of a batch are as long as it is");
            moment(self.view, *time)
        };
        Ok(RowFacts {
            event_time: time(self.event_times)?,
            available_at: time(self.available_at)?,
            position: self.positions.at(row)?,
        })
    }
}

impl WholeRows<'_> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.deleted.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.deleted.is_empty()
    }

    /// Whether a row is a tombstone.
    pub fn is_deleted(&self, row: usize) -> bool {
        self.deleted.value(row)
    }

    /// Writes a row's values, one for each of the view's columns, instead of those that are there.
    pub fn values(&self, row: usize, values: &mut Vec<Value>) {
        values.clear();
        let value =
            |(array, data_type): &(ArrayRef, DataType)| transform::value_at(array.as_ref(), row, *data_type);
        values.extend(self.columns.iter().map(value));
    }
}

/// The two passes of a fold of rows.
struct RowPasses<F> {
    view: Arc<View>,
    fold: F,
}

impl<F: RowFold> Passes for RowPasses<F> {
    const SECOND_ROWS: Option<usize> = Some(WHOLE_ROWS);

    fn dictionaries(&self) -> Vec<&str> {
        Vec::new()
    }

    fn first_columns(&self) -> Vec<&str> {
        let facts = [EVENT_TIME, AVAILABLE_AT, POSITION_KIND, POSITION_MAJOR, POSITION_MINOR];
        facts.into_iter().chain(self.view.keys.iter().map(|key| key.name.as_str())).collect()
    }

    fn first_pass(&mut self, batch: &RecordBatch, first_row: usize) -> Result<(), OfflineError> {
        let view = self.view.as_ref();
        let rows = OfferedRows {
            view,
            keys: EncodedKeys::of(view, batch)?,
            event_times: times(view, batch, EVENT_TIME)?,
            available_at: times(view, batch, AVAILABLE_AT)?,
            positions: Positions::of(view, batch)?,
        };
        self.fold.offer(&rows, first_row)
    }

    fn wanted(&mut self) -> Vec<u32> {
        self.fold.wanted()
    }

    fn second_columns(&self) -> Vec<&str> {
        std::iter::once(DELETED).chain(self.view.columns.iter().map(|column| column.name.as_str())).collect()
    }

    fn second_pass(&mut self, batch: &RecordBatch) -> Result<(), OfflineError> {
        let view = self.view.as_ref();
        let columns =
            view.columns.iter().map(|named| Ok((column(view, batch, &named.name)?, named.data_type)));
        let columns = columns.collect::<Result<Vec<_>, OfflineError>>()?;
        self.fold.fold(&WholeRows { deleted: booleans(view, batch, DELETED)?, columns });
        Ok(())
    }
}

/// Folds every row of a log, or of what commits added to it, by as many threads as there are folds, and gives these back.
/// Blocks.
pub fn fold_rows<F: RowFold>(
    log: &Log,
    added: Option<&Added>,
    folds: Vec<F>,
) -> Result<Vec<F>, OfflineError> {
    let files = match added {
        Some(added) => log.added(added),
        None => log.snapshot()?,
    };
    let (Some(files), view) = (files, log.view()) else { return Ok(folds) };
    let queue = Queue::new(files.location.open()?, files.files, Skip::default());
    let reading = Reading::default();
    let work = |fold: F| {
        let mut passes = Some(RowPasses { view: view.clone(), fold });
        let folded = queue.fold(&mut passes, || unreachable!("invariant: a fold is there"), &reading);
        if folded.is_err() {
            reading.cancelled.store(true, Ordering::Relaxed);
        }
        folded.map(|()| passes.expect("invariant: a fold is there").fold)
    };
    let outcomes: Vec<Result<F, OfflineError>> = thread::scope(|scope| {
        let threads: Vec<_> = folds.into_iter().map(|fold| scope.spawn(|| work(fold))).collect();
        let joined = threads.into_iter().map(|thread| match thread.join() {
            Ok(outcome) => outcome,
            Err(panic) => resume_unwind(panic),
        });
        joined.collect()
    });
    // An error stops the other threads, so it goes before their being cancelled.
    let (cancelled, others): (Vec<_>, Vec<_>) =
        outcomes.into_iter().partition(|outcome| matches!(outcome, Err(OfflineError::Cancelled)));
    others.into_iter().chain(cancelled).collect()
}

/// Folds batches that have the form of a view's log.
pub fn fold_batches(
    view: &Arc<View>,
    batches: &[RecordBatch],
    fold: impl RowFold,
) -> Result<(), OfflineError> {
    let mut passes = RowPasses { view: view.clone(), fold };
    batches.iter().try_for_each(|batch| passes::fold_batch(&mut passes, batch))
}
