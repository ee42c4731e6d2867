//! Reads a log's files for a fold: each file by one thread, newest first, and a row group a second time
//! if the second pass needs any of its rows. Of a fold of entities the first pass has the keys, times and positions of all
//! rows, and the second those whole that it wants.

use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchReader};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType as ArrowType, Field, Schema};
use feature::{DataType, Micros, Position, Value, View};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection,
};
use parquet::file::metadata::PageIndexPolicy;

use crate::error::OfflineError;
use crate::join::chunks::Chunks;
use crate::join::measured::Reading;
use crate::join::pages;
use crate::join::passes::{Passes, fold_batch};
use crate::join::skip::Skip;
use crate::log::columns::{AVAILABLE_AT, DELETED, EVENT_TIME, POSITION_KIND, POSITION_MAJOR, POSITION_MINOR};
use crate::log::keys::EncodedKeys;
use crate::log::rows::{Positions, booleans, column, moment, times};
use crate::log::snapshot::LogFile;
use crate::log::storage::TableFiles;
use crate::log::{Added, Log};

/// Rows of one batch of the first pass.
const BATCH_ROWS: usize = 8192;

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
    batches.iter().try_for_each(|batch| fold_batch(&mut passes, batch))
}

/// The files of a log that are still to be read, newest first.
pub(crate) struct Queue {
    storage: TableFiles,
    files: Mutex<VecDeque<LogFile>>,
    skip: Skip,
}

impl Queue {
    /// The files of a log in this storage, of which the last in order are read first.
    pub(crate) fn new(storage: TableFiles, files: Vec<LogFile>, skip: Skip) -> Self {
        storage.prefetch(files.iter().rev().map(|file| file.path.as_str()));
        Self { storage, files: Mutex::new(files.into_iter().rev().collect()), skip }
    }

    fn next(&self) -> Option<LogFile> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Folds files until none is left, or the reading is cancelled. The fold is made for the first
    /// file.
    pub(crate) fn fold<F: Passes>(
        &self,
        fold: &mut Option<F>,
        new: impl Fn() -> F,
        reading: &Reading,
    ) -> Result<(), OfflineError> {
        while let Some(file) = self.next() {
            if reading.cancelled.load(Ordering::Relaxed) {
                return Err(OfflineError::Cancelled);
            }
            let chunks = Chunks::new(self.storage.open(&file.path, file.bytes)?);
            let folded = self.fold_file(&chunks, fold.get_or_insert_with(&new), reading);
            folded.map_err(|error| match (chunks.damaged(), error) {
                (Some(damaged), _) => damaged.clone().into(),
                (None, OfflineError::Arrow(error)) => OfflineError::file("read", chunks.path(), error),
                (None, error) => error,
            })?;
            reading.files.fetch_add(1, Ordering::Relaxed);
            reading.bytes.fetch_add(file.bytes, Ordering::Relaxed);
        }
        Ok(())
    }

    fn fold_file<F: Passes>(
        &self,
        file: &Chunks,
        fold: &mut F,
        reading: &Reading,
    ) -> Result<(), OfflineError> {
        let path = file.path();
        let failed = |error: parquet::errors::ParquetError| OfflineError::file("read", path, error);
        let mut stored = ArrowReaderMetadata::load(file, ArrowReaderOptions::new()).map_err(failed)?;
        if stored.metadata().row_groups().iter().any(|group| self.skip.cuts(group)) {
            let with_pages = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
            stored = ArrowReaderMetadata::load(file, with_pages).map_err(failed)?;
        }
        let schema = Arc::new(with_dictionaries(stored.schema(), &fold.dictionaries()));
        let options = ArrowReaderOptions::new().with_schema(schema);
        let metadata = ArrowReaderMetadata::try_new(stored.metadata().clone(), options).map_err(failed)?;
        for group in 0..metadata.metadata().num_row_groups() {
            if reading.cancelled.load(Ordering::Relaxed) {
                return Err(OfflineError::Cancelled);
            }
            if self.skip.skips(metadata.metadata().row_group(group)) {
                reading.row_groups_skipped.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let pages = pages::that_matter(&self.skip, &stored, group).map_err(failed)?;
            let reader = |columns: &[&str]| {
                let mask = mask(&metadata, columns);
                let chunks = file.with_chunks(metadata.metadata().row_group(group), &mask);
                let chunks = chunks.map_err(|error| OfflineError::of_file(path, error))?;
                let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(chunks, metadata.clone());
                Ok::<_, OfflineError>(builder.with_row_groups(vec![group]).with_projection(mask))
            };
            let mut rows = 0;
            let mut first = reader(&fold.first_columns())?.with_batch_size(BATCH_ROWS);
            if let Some(pages) = &pages {
                let skipped = pages.iter().filter(|run| run.skip).map(|run| run.row_count as u64).sum();
                reading.rows_skipped.fetch_add(skipped, Ordering::Relaxed);
                first = first.with_row_selection(pages.clone());
            }
            for batch in first.build().map_err(failed)? {
                let batch = batch?;
                fold.first_pass(&batch, rows)?;
                rows += batch.num_rows();
            }
            reading.rows.fetch_add(rows as u64, Ordering::Relaxed);
            let wanted = fold.wanted();
            if wanted.is_empty() {
                continue;
            }
            reading.rows_wanted.fetch_add(wanted.len() as u64, Ordering::Relaxed);
            let mut second =
                reader(&fold.second_columns())?.with_batch_size(F::SECOND_ROWS.unwrap_or(wanted.len()));
            // The rows that the first pass read are numbered among themselves.
            let chosen = (wanted.len() < rows).then(|| selection(&wanted, rows));
            let chosen = match (pages, chosen) {
                (Some(pages), Some(chosen)) => Some(pages.and_then(&chosen)),
                (pages, chosen) => chosen.or(pages),
            };
            if let Some(chosen) = chosen {
                second = second.with_row_selection(chosen);
            }
            let second = second.build().map_err(failed)?;
            if F::SECOND_ROWS.is_some() {
                for batch in second {
                    fold.second_pass(&batch?)?;
                }
                continue;
            }
            let schema = RecordBatchReader::schema(&second);
            let batches = second.collect::<Result<Vec<_>, _>>()?;
            fold.second_pass(&concat_batches(&schema, &batches)?)?;
        }
        Ok(())
    }
}

fn mask(metadata: &ArrowReaderMetadata, columns: &[&str]) -> ProjectionMask {
    let indices = columns.iter().filter_map(|name| metadata.schema().index_of(name).ok());
    ProjectionMask::roots(metadata.parquet_schema(), indices)
}

fn selection(wanted: &[u32], rows: usize) -> RowSelection {
    let mut takes = vec![false; rows];
    for row in wanted {
        if let Some(take) = takes.get_mut(*row as usize) {
            *take = true;
        }
    }
    RowSelection::from_filters(&[BooleanArray::from(takes)])
}

/// The schema of a file with its text keys as the dictionaries that they are stored as, so that
/// each different key is looked up once.
fn with_dictionaries(schema: &Schema, keys: &[&str]) -> Schema {
    let fields: Vec<Arc<Field>> = schema
        .fields()
        .iter()
        .map(|field| {
            let is_text = matches!(field.data_type(), ArrowType::Utf8 | ArrowType::Binary);
            match keys {
                [key] if is_text && field.name() == key => {
                    let ty = ArrowType::Dictionary(
                        Box::new(ArrowType::Int32),
                        Box::new(field.data_type().clone()),
                    );
                    Arc::new(field.as_ref().clone().with_data_type(ty))
                }
                _ => field.clone(),
            }
        })
        .collect();
    Schema::new(fields)
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
