//! The log of one view version: the only durable truth about its rows.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::TimestampMicrosecondType;
use datafusion::execution::SendableRecordBatchStream;
use feature::{Micros, View};
use futures::StreamExt;

use crate::blocking::blocking;
use crate::error::OfflineError;
use crate::log::append::{Appender, RowsWriter, Written};
use crate::log::columns::{DATE, EVENT_TIME, log_schema};
use crate::log::commit::{Added, Committed};
use crate::log::scan;
use crate::log::snapshot::{LogFile, LogSnapshot};
use crate::log::storage::TableLocation;
use crate::log::table::{DataFile, Marker, Table};

/// The log of one view version at one snapshot.
#[derive(Debug, Clone)]
pub struct Log {
    view: Arc<View>,
    table: Table,
}

impl Log {
    pub(crate) async fn open(
        view: Arc<View>,
        location: TableLocation,
        version: Option<u64>,
    ) -> Result<Self, OfflineError> {
        let (name, schema) = (view.id.to_string(), log_schema(&view));
        let definition = Some(view.hash.clone()).filter(|hash| !hash.is_empty());
        let table = Table::open(name, location, schema, Some(DATE), version, definition).await?;
        Ok(Self { view, table })
    }

    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    pub(crate) fn table_mut(&mut self) -> &mut Table {
        &mut self.table
    }

    /// The view whose rows these are.
    pub fn view(&self) -> &Arc<View> {
        &self.view
    }

    /// The version of the snapshot; `None` if nothing was ever written.
    pub fn version(&self) -> Option<u64> {
        self.table.version()
    }

    /// The checksum of all bytes of a commit, as it was written; `None` if the commit is behind a checkpoint and gone.
    pub async fn commit_checksum(&self, version: u64) -> Result<Option<u32>, OfflineError> {
        self.table.commit_checksum(version).await
    }

    /// Where the log lies, for messages and other programs: its folder, or its URL in a bucket.
    pub fn named(&self) -> Result<String, OfflineError> {
        let location = self.table.location();
        match location.copy() {
            Some(_) => Ok(location.to_string().trim_end_matches('/').to_owned()),
            None => Ok(location.folder()?.display().to_string()),
        }
    }

    /// The folder that the log lies in: of a bucket, that of its copies.
    pub fn folder(&self) -> Result<PathBuf, OfflineError> {
        self.table.folder()
    }

    /// How many rows the snapshot has, by its files' statistics.
    pub fn row_count(&self) -> u64 {
        self.table.files().iter().filter_map(|file| file.rows).sum()
    }

    /// When the last of the snapshot's rows happened; `None` without rows. It reads the newest day alone.
    pub async fn last_event_time(&self) -> Result<Option<Micros>, OfflineError> {
        let mut files = self.table.files();
        let newest = files.iter().filter_map(|file| file.partition.clone()).max();
        files.retain(|file| file.partition == newest);
        let mut batches = scan::stream(&self.table, &files, &[EVENT_TIME])?;
        let mut last = None;
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            let times = batch.column(0).as_primitive_opt::<TimestampMicrosecondType>();
            last = last.max(times.and_then(arrow::compute::max));
        }
        let corrupt = |error: feature::TimeError| OfflineError::Corrupt {
            what: format!("the {}", self.table.name()),
            why: error.to_string(),
        };
        last.map(Micros::new).transpose().map_err(corrupt)
    }

    /// Brings the snapshot up to the newest version.
    pub async fn refresh(&mut self) -> Result<(), OfflineError> {
        self.table.refresh().await
    }

    /// Brings the snapshot up to the newest version and gives what was added since. A conflict, with the
    /// snapshot as it was, where another moved one of these counters.
    pub async fn advance(&mut self, reads: &[&str]) -> Result<Added, OfflineError> {
        self.table.advance(reads).await
    }

    /// Commits written rows and moves the counters, decided on this snapshot: a conflict where another moved one
    /// of them since, or one of those that were read besides.
    pub async fn commit(
        &mut self,
        rows: &Written,
        markers: &[Marker],
        reads: &[&str],
    ) -> Result<Committed, OfflineError> {
        self.table.commit(&rows.intent(self.table.partition, markers, reads)).await
    }

    /// The same as the very next version; `None`, and nothing committed, if another writer took that version.
    pub async fn commit_next(
        &mut self,
        rows: &Written,
        markers: &[Marker],
    ) -> Result<Option<u64>, OfflineError> {
        self.table.commit_next(&rows.intent(self.table.partition, markers, &[])).await
    }

    /// Where a counter stands in this snapshot.
    pub async fn marker(&self, app: &str) -> Result<Option<i64>, OfflineError> {
        self.table.marker(app).await
    }

    /// Begins an append of batches of the log's schema to this snapshot.
    pub async fn appender(&mut self) -> Result<Appender<'_>, OfflineError> {
        self.table.appender().await
    }

    /// Begins to write batches of the log's schema into files that a later commit names.
    pub async fn rows_writer(&mut self) -> Result<RowsWriter, OfflineError> {
        self.table.rows_writer().await
    }

    /// The files of the snapshot, for a join; `None` if nothing was ever written.
    pub fn snapshot(&self) -> Result<Option<LogSnapshot>, OfflineError> {
        Ok(self.version().map(|version| self.snapshot_of(version, self.table.files())))
    }

    /// The files that commits added up to this snapshot, in the same form.
    pub fn added(&self, added: &Added) -> Option<LogSnapshot> {
        self.version().map(|version| self.snapshot_of(version, added.files.clone()))
    }

    fn snapshot_of(&self, version: u64, files: Vec<DataFile>) -> LogSnapshot {
        let file = |file: DataFile| LogFile {
            path: file.path.to_string(),
            bytes: file.bytes,
            rows: file.rows,
            date: file.partition,
        };
        LogSnapshot {
            location: self.table.location().clone(),
            version,
            files: files.into_iter().map(file).collect(),
        }
    }

    /// How many rows the log has of a date: by the statistics of its files, where all have some.
    pub async fn rows_of_date(&self, date: &str) -> Result<u64, OfflineError> {
        let files = self.table.files().into_iter().filter(|file| file.partition.as_deref() == Some(date));
        if let Some(rows) = files.map(|file| file.rows).sum::<Option<u64>>() {
            return Ok(rows);
        }
        let mut rows = 0;
        let mut batches = self.scan_date(date, &[EVENT_TIME])?;
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            rows += batch.num_rows() as u64;
        }
        Ok(rows)
    }

    /// Reads these columns of all rows, in no order.
    pub fn scan(&self, columns: &[&str]) -> Result<SendableRecordBatchStream, OfflineError> {
        scan::stream(&self.table, &self.table.files(), columns)
    }

    /// Reads these columns of the rows that happened on a date, as in `2013-06-01`, in no order.
    pub fn scan_date(&self, date: &str, columns: &[&str]) -> Result<SendableRecordBatchStream, OfflineError> {
        let mut files = self.table.files();
        files.retain(|file| file.partition.as_deref() == Some(date));
        scan::stream(&self.table, &files, columns)
    }

    /// Reads these columns of the rows that commits added, in no order.
    pub fn scan_added(
        &self,
        added: &Added,
        columns: &[&str],
    ) -> Result<SendableRecordBatchStream, OfflineError> {
        scan::stream(&self.table, &added.files, columns)
    }

    /// The files of all rows that the snapshot has.
    pub fn all_rows(&self) -> Added {
        Added { files: self.table.files() }
    }

    /// The files whose rows the commits after a version added, up to the snapshot.
    pub async fn added_since(&self, version: u64) -> Result<Added, OfflineError> {
        self.table.added_since(version).await
    }

    /// The files whose rows the commits from this version on added, up to the snapshot.
    pub async fn added_from(&self, version: u64) -> Result<Added, OfflineError> {
        self.table.added_from(version).await
    }

    /// Whether all of these files are there: a vacuum removes those that only older versions had.
    pub async fn has_files(&self, files: &Added) -> Result<bool, OfflineError> {
        let (folder, files) = (self.folder()?, files.files.clone());
        blocking(move || Ok(files.iter().all(|file| folder.join(file.path.as_ref()).exists()))).await
    }

    /// The identity of the table: another one under the same path has another. `None` if nothing was ever written.
    pub fn identity(&self) -> Option<String> {
        let snapshot = self.table.delta.snapshot().ok()?;
        Some(snapshot.metadata().id().to_string())
    }

    /// Gives the parts of every row's position, in no order: as [`feature::Position::parts`].
    pub async fn for_each_position(&self, each: impl FnMut((u8, u32, u64))) -> Result<(), OfflineError> {
        scan::for_each_position(&self.table, each).await
    }
}
