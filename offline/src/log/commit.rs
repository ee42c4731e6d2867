//! One commit of a table, and what makes it a conflict.
//!
//! A commit is decided on a snapshot and tried as the version after it. Where others took that version, what they
//! committed is read: it is passed over where nothing of it bears on the decision, and is a conflict otherwise. The
//! table format's own check is not enough for that: it lets two compactions remove the same files, since neither
//! changes data, and knows of no counter that was only read.

use std::collections::HashSet;

use deltalake_core::kernel::transaction::{CommitBuilder, TransactionError};
use deltalake_core::kernel::{Action, Add, Transaction};
use deltalake_core::logstore::get_actions;
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::{DeltaTableError, Path};

use crate::blocking::blocking;
use crate::error::OfflineError;
use crate::fault_injection::{BatchGuard, BatchPoint};
use crate::log::forgotten::{FORGOTTEN, FORGOTTEN_WHOLE};
use crate::log::snapshot::LogSnapshot;
use crate::log::table::{DataFile, Marker, Table, WHOLE_FROM, length, without_retries};
use crate::log::view_log::Log;

/// How often a commit is tried again because harmless ones keep taking the version.
const TRIES: usize = 1000;

/// A commit that is to be made.
pub(crate) struct Intent<'a> {
    pub(crate) actions: Vec<Action>,
    pub(crate) operation: DeltaOperation,
    /// The counters that it moves.
    pub(crate) markers: &'a [Marker],
    /// The counters on which it was decided besides.
    pub(crate) reads: &'a [&'a str],
    /// Whether it was decided on all rows of the table, so that rows of others are a conflict.
    pub(crate) reads_rows: bool,
}

/// A commit that was made.
#[derive(Debug, Clone)]
pub struct Committed {
    /// Its version, at which the table then stands.
    pub version: u64,
    /// What others committed between the snapshot on which it was decided and it.
    pub between: Added,
}

/// The files whose rows commits added to a table, in no order.
#[derive(Debug, Clone, Default)]
pub struct Added {
    pub(crate) files: Vec<DataFile>,
}

impl Added {
    /// Whether no rows were added.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Adds what other commits added.
    pub fn extend(&mut self, other: Added) {
        self.files.extend(other.files);
    }
}

/// Files with rows that no commit names yet.
#[derive(Debug, Clone)]
pub struct Written {
    pub(crate) adds: Vec<Add>,
}

impl Written {
    /// The names of its files, which no other file of any table has.
    pub fn file_names(&self) -> impl Iterator<Item = &str> {
        self.adds.iter().filter_map(|add| add.path.rsplit('/').next())
    }

    /// What adds its files.
    pub(crate) fn actions(&self) -> impl Iterator<Item = Action> {
        self.adds.iter().cloned().map(Action::Add)
    }

    pub(crate) fn intent<'a>(
        &self,
        partition: Option<&str>,
        markers: &'a [Marker],
        reads: &'a [&'a str],
    ) -> Intent<'a> {
        let operation = DeltaOperation::Write {
            mode: SaveMode::Append,
            partition_by: partition.map(|column| vec![column.to_owned()]),
            predicate: None,
        };
        Intent { actions: self.actions().collect(), operation, markers, reads, reads_rows: false }
    }
}

impl Log {
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

    /// The files that commits added up to this snapshot, in the same form.
    pub fn added(&self, added: &Added) -> Option<LogSnapshot> {
        self.version().map(|version| self.snapshot_of(version, added.files.clone()))
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
}

impl Table {
    /// Makes a commit as the next version that is free, unless what others committed meanwhile bears on it: then
    /// the table stands where it was, and the commit is a conflict.
    pub(crate) async fn commit(&mut self, intent: &Intent<'_>) -> Result<Committed, OfflineError> {
        let before = self.delta.clone();
        let mut between = Added::default();
        for _ in 0..TRIES {
            let found = match self.commit_next(intent).await {
                Ok(Some(version)) => return Ok(Committed { version, between }),
                Ok(None) => self.pass_over(intent).await,
                Err(error) => Err(error),
            };
            match found {
                Ok(added) => between.extend(added),
                Err(error) => {
                    self.delta = before;
                    return Err(error);
                }
            }
        }
        self.delta = before;
        Err(self.conflict("other commits kept taking its version"))
    }

    /// Makes a commit as the version after the snapshot; `None` if that is taken.
    pub(crate) async fn commit_next(&mut self, intent: &Intent<'_>) -> Result<Option<u64>, OfflineError> {
        let snapshot = self.delta.snapshot().map_err(|error| self.failed(error))?;
        let transactions =
            intent.markers.iter().map(|marker| Transaction::new(&marker.app, marker.version)).collect();
        BatchPoint::FileWritten.pass();
        let properties = without_retries().with_application_transactions(transactions);
        let committed = CommitBuilder::from(properties)
            .with_actions(intent.actions.clone())
            .build(Some(snapshot), self.delta.log_store(), intent.operation.clone())
            .await;
        match committed {
            Ok(committed) => {
                let version = committed.version();
                self.delta.state = Some(committed.snapshot());
                BatchPoint::Committed.pass();
                Ok(Some(version))
            }
            Err(DeltaTableError::Transaction { source: TransactionError::MaxCommitAttempts(_) }) => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Brings the snapshot up to the newest version and gives what was added since; a conflict, with the
    /// snapshot as it was, where another moved one of these counters.
    pub(crate) async fn advance(&mut self, reads: &[&str]) -> Result<Added, OfflineError> {
        let before = self.delta.clone();
        let intent = Intent {
            actions: Vec::new(),
            operation: DeltaOperation::Optimize { predicate: None, target_size: 0 },
            markers: &[],
            reads,
            reads_rows: false,
        };
        let added = self.pass_over(&intent).await;
        if added.is_err() {
            self.delta = before;
        }
        added
    }

    /// Moves the snapshot to the newest version, unless a commit on the way bears on the intent.
    async fn pass_over(&mut self, intent: &Intent<'_>) -> Result<Added, OfflineError> {
        let before = self.version();
        self.refresh().await?;
        let Some(newest) = self.version() else { return Ok(Added::default()) };
        let bearing = Bearing::of(intent, before.is_some());
        let (mut added, mut conflict, mut forgets) = (Added::default(), None, false);
        // All of them are looked at, also once one is a conflict: an entity may be forgotten in any.
        for version in before.map_or(0, |before| before + 1)..=newest {
            for action in self.actions(version).await? {
                forgets |= bearing.forgets(&action);
                conflict = conflict.or_else(|| bearing.conflict(version, &action, self.name()));
                if let Action::Add(add) = action
                    && add.data_change
                    && conflict.is_none()
                {
                    added.files.push(self.data_file(add)?);
                }
            }
        }
        match conflict {
            None => Ok(added),
            Some(why) => {
                if forgets {
                    self.discard(intent);
                }
                Err(self.conflict(&why))
            }
        }
    }

    /// Removes the files of a commit that is not made: they may hold rows of an entity that was forgotten meanwhile. What
    /// cannot be removed is no part of the table, and is found by the next search.
    fn discard(&self, intent: &Intent<'_>) {
        // Whoever decides again reads the files as they are now.
        self.checked_storage().close_files();
        let Ok(folder) = self.folder() else { return };
        for action in &intent.actions {
            let Action::Add(add) = action else { continue };
            let Ok(path) = Path::parse(&add.path) else { continue };
            if let Err(error) = std::fs::remove_file(folder.join(path.as_ref())) {
                tracing::debug!("`{}` was not removed: {error}", folder.join(path.as_ref()).display());
            }
        }
    }

    /// The files whose rows the commits after a version added, up to the snapshot. Compactions add no rows.
    pub(crate) async fn added_since(&self, version: u64) -> Result<Added, OfflineError> {
        self.added_from(version + 1).await
    }

    /// The same of the commits from a version on.
    pub(crate) async fn added_from(&self, first: u64) -> Result<Added, OfflineError> {
        let mut added = Added::default();
        let Some(last) = self.version() else { return Ok(added) };
        for version in first..=last {
            for action in self.actions(version).await? {
                if let Action::Add(add) = action
                    && add.data_change
                {
                    added.files.push(self.data_file(add)?);
                }
            }
        }
        Ok(added)
    }

    pub(crate) async fn actions(&self, version: u64) -> Result<Vec<Action>, OfflineError> {
        let entry = self.delta.log_store().read_commit_entry(version).await;
        let bytes = entry.map_err(|error| self.failed(error))?;
        let bytes = bytes.ok_or_else(|| self.failed(DeltaTableError::InvalidVersion(version)))?;
        get_actions(version, &bytes).map_err(|error| self.failed(error))
    }

    fn data_file(&self, add: Add) -> Result<DataFile, OfflineError> {
        let path = Path::parse(&add.path).map_err(|error| self.failed(DeltaTableError::from(error)))?;
        let partition = self.partition.and_then(|column| add.partition_values.get(column).cloned()).flatten();
        let rows = add.get_stats().ok().flatten().and_then(|stats| u64::try_from(stats.num_records).ok());
        Ok(DataFile { path, bytes: length(add.size), rows, partition })
    }

    pub(crate) fn conflict(&self, why: &str) -> OfflineError {
        OfflineError::Conflict { table: self.name().to_owned(), why: why.to_owned() }
    }
}

/// What of another's commit bears on an intent.
struct Bearing<'a> {
    /// The counters that it moves, and on which it was decided.
    counters: HashSet<&'a str>,
    /// The names of the files that it removes.
    removed: HashSet<&'a str>,
    adds_files: bool,
    reads_rows: bool,
    /// Whether there was a table when it was decided.
    is_of_table: bool,
}

impl<'a> Bearing<'a> {
    fn of(intent: &'a Intent<'_>, is_of_table: bool) -> Self {
        let moved = intent.markers.iter().map(|marker| marker.app.as_str());
        Self {
            counters: moved.chain(intent.reads.iter().copied()).collect(),
            removed: intent.actions.iter().filter_map(removes).collect(),
            adds_files: intent.actions.iter().any(|action| matches!(action, Action::Add(_))),
            reads_rows: intent.reads_rows,
            is_of_table,
        }
    }

    /// Why the intent cannot follow a commit that has this action; `None` if it can.
    fn conflict(&self, version: u64, action: &Action, table: &str) -> Option<String> {
        match action {
            Action::Txn(moved)
                if self.counters.contains(moved.app_id.as_str()) && BatchGuard::Snapshot.is_on() =>
            {
                Some(format!("version {version} moved `{}`", moved.app_id))
            }
            // What no commit named may be gone, and so what this one is about to name.
            Action::Txn(moved)
                if moved.app_id == WHOLE_FROM && self.adds_files && BatchGuard::Vacuum.is_on() =>
            {
                Some(format!("version {version} begins a vacuum"))
            }
            Action::Remove(_)
                if removes(action).is_some_and(|name| self.removed.contains(name))
                    && BatchGuard::RemovedFiles.is_on() =>
            {
                Some(format!("version {version} replaced the same files"))
            }
            Action::Metadata(_) | Action::Protocol(_) if self.is_of_table => {
                Some(format!("version {version} changed the table itself"))
            }
            Action::Add(add) if add.data_change && self.reads_rows => {
                Some(format!("version {version} added rows to `{table}`"))
            }
            _ => None,
        }
    }

    /// Whether an action says that an entity is being forgotten, of whose rows the intent may have some.
    fn forgets(&self, action: &Action) -> bool {
        matches!(action, Action::Txn(moved)
            if [FORGOTTEN, FORGOTTEN_WHOLE].contains(&moved.app_id.as_str())
                && self.counters.contains(moved.app_id.as_str()))
    }
}

/// The name of the file that an action removes. Names are unique, and paths may be written in several ways.
fn removes(action: &Action) -> Option<&str> {
    match action {
        Action::Remove(file) => file.path.rsplit('/').next(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
