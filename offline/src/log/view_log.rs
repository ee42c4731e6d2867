//! The log of one view version: the only durable truth about its rows.

use std::path::PathBuf;
use std::sync::Arc;

use feature::{VersionId, View};

use crate::error::OfflineError;
use crate::log::columns::{DATE, log_schema};
use crate::log::commit_list;
use crate::log::snapshot::{LogFile, LogSnapshot};
use crate::log::storage::{TableLocation, commit_name, commit_sum};
use crate::log::store::OfflineStore;
use crate::log::table::{DataFile, Table};

/// The log of one view version at one snapshot.
#[derive(Debug, Clone)]
pub struct Log {
    view: Arc<View>,
    pub(super) table: Table,
}

impl OfflineStore {
    /// The log of a view version at its newest snapshot.
    pub async fn log(&self, view: &Arc<View>) -> Result<Log, OfflineError> {
        Log::open(view.clone(), self.table(&view.id, "log")?, None).await
    }

    /// The log of a view version at an older snapshot.
    pub async fn log_at(&self, view: &Arc<View>, version: u64) -> Result<Log, OfflineError> {
        Log::open(view.clone(), self.table(&view.id, "log")?, Some(version)).await
    }

    /// An older snapshot of this log whose files are there, but for what is damaged of it.
    pub(crate) async fn whole_log_at(&self, newest: &Log, version: u64) -> Result<Log, OfflineError> {
        let log = self.log_at(newest.view(), version).await?;
        let whole_from = newest.whole_from().await?;
        if version < whole_from && !log.has_files(&log.all_rows()).await? {
            let view = newest.view().id.clone();
            return Err(OfflineError::Vacuumed { view, version, whole_from });
        }
        Ok(log)
    }

    /// Whether this is the last commit of the log of a view version, as far as one file shows it: `false` says nothing, as
    /// it does of logs in a bucket. Blocks.
    pub fn ends_with(&self, view: &VersionId, version: u64, checksum: u32) -> bool {
        let Ok(table) = self.table(view, "log") else { return false };
        let Some(folder) = table.folder().ok().filter(|_| table.copy().is_none()) else { return false };
        let is_last = !commit_list::commit(&folder, version + 1).exists();
        let bytes = std::fs::read(commit_list::commit(&folder, version)).ok().filter(|_| is_last);
        let sum = bytes.and_then(|bytes| commit_sum::checked(&commit_name(version), &bytes).ok());
        sum.is_some_and(|sum| sum.whole == checksum)
    }
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

    /// Brings the snapshot up to the newest version.
    pub async fn refresh(&mut self) -> Result<(), OfflineError> {
        self.table.refresh().await
    }

    /// Where a counter stands in this snapshot.
    pub async fn marker(&self, app: &str) -> Result<Option<i64>, OfflineError> {
        self.table.marker(app).await
    }

    /// The files of the snapshot, for a join; `None` if nothing was ever written.
    pub fn snapshot(&self) -> Result<Option<LogSnapshot>, OfflineError> {
        Ok(self.version().map(|version| self.snapshot_of(version, self.table.files())))
    }

    pub(super) fn snapshot_of(&self, version: u64, files: Vec<DataFile>) -> LogSnapshot {
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

    /// The identity of the table: another one under the same path has another. `None` if nothing was ever written.
    pub fn identity(&self) -> Option<String> {
        let snapshot = self.table.delta.snapshot().ok()?;
        Some(snapshot.metadata().id().to_string())
    }
}
