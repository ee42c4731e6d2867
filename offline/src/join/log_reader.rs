//! Reads a log's files for a fold: each file by one thread, newest first, and a row group a second time
//! if the second pass needs any of its rows.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{BooleanArray, RecordBatchReader};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection,
};
use parquet::file::metadata::PageIndexPolicy;

use crate::error::OfflineError;
use crate::join::chunks::Chunks;
use crate::join::pages;
use crate::join::passes::Passes;
use crate::join::skip::Skip;
use crate::log::snapshot::LogFile;
use crate::log::storage::TableFiles;

/// Rows of one batch of the first pass.
const BATCH_ROWS: usize = 8192;

/// Progress of the reads of one join; shared by its threads and by callers that show it.
#[derive(Debug, Default)]
pub struct Reading {
    /// Set to stop: the threads end after their current batch.
    pub cancelled: AtomicBool,
    /// Files that were read.
    pub(crate) files: AtomicU64,
    /// Files and row groups that were skipped by their statistics.
    pub(crate) row_groups_skipped: AtomicU64,
    /// Rows of row groups that were read, in pages that were skipped.
    pub(crate) rows_skipped: AtomicU64,
    /// Rows that the first pass read.
    pub(crate) rows: AtomicU64,
    /// Rows that the second pass read.
    pub(crate) rows_wanted: AtomicU64,
    /// Bytes of the files that were read.
    pub(crate) bytes: AtomicU64,
}

impl Reading {
    /// Rows that were read so far.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }
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
            let is_text = matches!(field.data_type(), DataType::Utf8 | DataType::Binary);
            match keys {
                [key] if is_text && field.name() == key => {
                    let ty =
                        DataType::Dictionary(Box::new(DataType::Int32), Box::new(field.data_type().clone()));
                    Arc::new(field.as_ref().clone().with_data_type(ty))
                }
                _ => field.clone(),
            }
        })
        .collect();
    Schema::new(fields)
}
