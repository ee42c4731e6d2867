//! Compaction: the small files that many commits leave behind become one file for each date, its
//! rows by entity and time. What the log says does not change, so the commit says that no data
//! changed; readers of older versions go on, since no file is deleted.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::{SortColumn, cast, concat_batches, lexsort_to_indices, take_record_batch};
use arrow::datatypes::{DataType, Schema};
use feature::View;
use futures::StreamExt;
use serde::Serialize;

use crate::blocking::blocking;
use crate::error::OfflineError;
use crate::fault_injection::BatchPoint;
use crate::log::columns::{DATE, EVENT_TIME, POSITION_MAJOR, POSITION_MINOR};
use crate::log::scan;
use crate::log::table::{DataFile, Table};
use crate::log::view_log::Log;

/// Files below this many bytes are compacted, and none grows beyond it by compaction alone.
const TARGET_BYTES: u64 = 128 << 20;
/// Rows that are held in memory and committed at a time.
const ROWS_A_COMMIT: u64 = 4_000_000;

/// How often a compaction is begun again because another one came between.
const TRIES: usize = 20;

/// What a compaction did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Optimized {
    /// Files of the log before.
    pub files_before: usize,
    /// Files of the log afterwards.
    pub files_after: usize,
    /// Bytes of these files before.
    pub bytes_before: u64,
    /// Bytes of these files afterwards.
    pub bytes_after: u64,
    /// Rows that were written again.
    pub rows_rewritten: u64,
}

impl Log {
    /// Compacts dates that have several small files. Where another compaction came between, what is left to
    /// do is found again; appends go on.
    pub async fn optimize(&mut self) -> Result<Optimized, OfflineError> {
        self.refresh().await?;
        let view = self.view().clone();
        let before = self.table().files();
        let mut rows_rewritten = 0;
        let mut conflicts = 0;
        let mut due: VecDeque<_> = groups(&before).into();
        while let Some(group) = due.pop_front() {
            let batch = read(self.table(), &view, &group).await?;
            let rows = batch.num_rows() as u64;
            BatchPoint::CompactionRead.pass();
            let of_view = view.clone();
            let sorted = blocking(move || by_entity(&of_view, &batch)).await?;
            match self.table_mut().replace(&group, sorted).await {
                Ok(_) => rows_rewritten += rows,
                Err(OfflineError::Conflict { .. }) if conflicts < TRIES => {
                    conflicts += 1;
                    self.refresh().await?;
                    due = groups(&self.table().files()).into();
                }
                Err(error) => return Err(error),
            }
        }
        let after = self.table().files();
        let bytes = |files: &[DataFile]| files.iter().map(|file| file.bytes).sum();
        Ok(Optimized {
            files_before: before.len(),
            files_after: after.len(),
            bytes_before: bytes(&before),
            bytes_after: bytes(&after),
            rows_rewritten,
        })
    }
}

/// The files to compact, whole dates together, as many as are rewritten in one commit.
fn groups(files: &[DataFile]) -> Vec<Vec<DataFile>> {
    let mut by_date: BTreeMap<Option<&str>, Vec<&DataFile>> = BTreeMap::new();
    for file in files.iter().filter(|file| file.bytes < TARGET_BYTES) {
        by_date.entry(file.partition.as_deref()).or_default().push(file);
    }
    let mut groups: Vec<Vec<DataFile>> = Vec::new();
    let mut rows = ROWS_A_COMMIT;
    for files in by_date.into_values().filter(|files| files.len() > 1) {
        let more: u64 = files.iter().filter_map(|file| file.rows).sum();
        if rows + more > ROWS_A_COMMIT {
            groups.push(Vec::new());
            rows = 0;
        }
        rows += more;
        if let Some(group) = groups.last_mut() {
            group.extend(files.into_iter().cloned());
        }
    }
    groups
}

async fn read(table: &Table, view: &View, files: &[DataFile]) -> Result<RecordBatch, OfflineError> {
    let stored: Vec<_> =
        table.schema().fields().iter().filter(|field| field.name() != DATE).cloned().collect();
    let columns: Vec<&str> = stored.iter().map(|field| field.name().as_str()).collect();
    let mut batches = Vec::new();
    let mut stream = scan::stream(table, files, &columns)?;
    while let Some(batch) = stream.next().await {
        batches.push(batch?);
    }
    let schema = Arc::new(Schema::new(stored));
    let rows = concat_batches(&schema, &batches)?;
    let times = rows.column_by_name(EVENT_TIME).ok_or_else(|| OfflineError::Corrupt {
        what: format!("the rows of {}", view.id),
        why: format!("the column `{EVENT_TIME}` is missing"),
    })?;
    let dates = cast(times, &DataType::Date32)?;
    let mut columns = rows.columns().to_vec();
    columns.push(dates);
    Ok(RecordBatch::try_new(table.schema().clone(), columns)?)
}

/// The rows by entity, then time, then position: equal keys lie together.
fn by_entity(view: &View, batch: &RecordBatch) -> Result<RecordBatch, OfflineError> {
    let keys = view.keys.iter().map(|key| key.name.as_str());
    let order = keys.chain([EVENT_TIME, POSITION_MAJOR, POSITION_MINOR]);
    let columns: Vec<SortColumn> = order
        .filter_map(|name| batch.column_by_name(name))
        .map(|values| SortColumn { values: values.clone(), options: None })
        .collect();
    Ok(take_record_batch(batch, &lexsort_to_indices(&columns, None)?)?)
}

/// The first files that are due, and the batch that replaces them.
#[cfg(test)]
pub(crate) async fn due(log: &mut Log) -> Result<(Vec<DataFile>, RecordBatch), OfflineError> {
    let group = groups(&log.table().files()).into_iter().next().unwrap_or_default();
    let batch = read(log.table(), log.view(), &group).await?;
    Ok((group, by_entity(log.view(), &batch)?))
}
