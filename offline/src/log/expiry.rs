//! Dates of a log that are older than its view's retention: dropped whole, all in one commit.
//!
//! The commit removes files and adds none, so it is decided as a compaction is: a conflict where another replaced one of
//! the same files. Older versions go on to have them, until a vacuum. The counter [`EXPIRED_BEFORE`] moves with them: what
//! was dropped is known of a log from then on, and a label that would need it is refused.

use std::collections::{BTreeSet, HashMap};

use deltalake_core::TableProperty;
use deltalake_core::kernel::{Action, MetadataExt};
use deltalake_core::protocol::DeltaOperation;
use feature::{Micros, View};

use crate::error::OfflineError;
use crate::log::columns::DATE;
use crate::log::commit::{Added, Intent};
use crate::log::table::{DataFile, Marker, Table};
use crate::log::view_log::Log;

/// The counter of a log: the midnight, in microseconds, before which all dates were dropped.
pub const EXPIRED_BEFORE: &str = "expired-before";

impl Log {
    /// The midnight before which dates of this snapshot were dropped; `None` if none ever was.
    pub async fn expired_before(&self) -> Result<Option<Micros>, OfflineError> {
        let Some(before) = self.marker(EXPIRED_BEFORE).await? else { return Ok(None) };
        Micros::new(before).map(Some).map_err(|error| OfflineError::Corrupt {
            what: format!("the counters of {}", self.view().id),
            why: format!("`{EXPIRED_BEFORE}`: {error}"),
        })
    }

    /// The first moment at which features need no row that was dropped; `None` if none ever was.
    pub async fn labels_from(&self) -> Result<Option<Micros>, OfflineError> {
        Ok(self.expired_before().await?.map(|before| labels_from(self.view(), before)))
    }

    /// The files of the snapshot whose rows happened before a midnight.
    pub fn files_before(&self, midnight: Micros) -> Added {
        let mut files = self.table().files();
        files.retain(|file| date(file).is_some_and(|date| date < midnight));
        Added { files }
    }

    /// Drops files with all their rows and moves counters, in one commit decided on this snapshot: a conflict where another
    /// moved one of the counters, one of those that were read besides, or replaced one of the files.
    pub async fn drop_files(
        &mut self,
        dropped: &Added,
        markers: &[Marker],
        reads: &[&str],
    ) -> Result<u64, OfflineError> {
        self.table_mut().remove_rows(&dropped.files, markers, reads).await
    }
}

impl Added {
    /// The dates of these files, in order.
    pub fn dates(&self) -> Vec<Micros> {
        let dates: BTreeSet<Micros> = self.files.iter().filter_map(date).collect();
        dates.into_iter().collect()
    }

    /// How many files there are.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// The size of the files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// The rows of the files, by their statistics.
    pub fn rows(&self) -> u64 {
        self.files.iter().filter_map(|file| file.rows).sum()
    }
}

/// The midnight with which the date of a file begins; none of a file without a date.
pub(crate) fn date(file: &DataFile) -> Option<Micros> {
    file.partition.as_ref()?.parse().ok()
}

/// The first moment of labels whose features need no row that was dropped: at a moment, rows older than the online retention
/// are as if they had never been.
pub(crate) fn labels_from(view: &View, expired_before: Micros) -> Micros {
    let online = view.retention.and_then(|retention| retention.online);
    online.map_or(Micros::MAX, |online| expired_before.saturating_add(online))
}

impl Table {
    /// Removes files with their rows, in one commit; a conflict where one of them is not there any more.
    pub(crate) async fn remove_rows(
        &mut self,
        files: &[DataFile],
        markers: &[Marker],
        reads: &[&str],
    ) -> Result<u64, OfflineError> {
        self.allow_removals().await?;
        let actions = self.removals(files)?;
        let last = files.iter().filter_map(|file| file.partition.as_deref()).max();
        let predicate = last.map(|date| format!("{DATE} <= '{date}'"));
        let operation = DeltaOperation::Delete { predicate };
        let intent = Intent { actions, operation, markers, reads, reads_rows: false };
        Ok(self.commit(&intent).await?.version)
    }

    /// The actions that remove these files of the snapshot with their rows.
    pub(crate) fn removals(&self, files: &[DataFile]) -> Result<Vec<Action>, OfflineError> {
        let snapshot = self.delta.snapshot().map_err(|error| self.failed(error))?;
        let logged = snapshot.log_data();
        let removed =
            logged.iter().filter(|entry| files.iter().any(|file| file.path == entry.object_store_path()));
        let removed: Vec<Action> = removed.map(|file| Action::Remove(file.remove_action(true))).collect();
        match removed.len() == files.len() {
            true => Ok(removed),
            false => Err(self.conflict("another replaced some of the same files")),
        }
    }

    /// A table is append-only until the first of its rows are removed: then it says so no more, in a commit of its own,
    /// since the table format checks a commit by what the table says before it.
    pub(crate) async fn allow_removals(&mut self) -> Result<(), OfflineError> {
        let snapshot = self.delta.snapshot().map_err(|error| self.failed(error))?;
        let (key, value) = (TableProperty::AppendOnly.as_ref().to_owned(), "false".to_owned());
        if snapshot.metadata().configuration().get(&key).is_none_or(|is_append_only| *is_append_only == value)
        {
            return Ok(());
        }
        let metadata = snapshot.metadata().clone().add_config_key(key.clone(), value.clone());
        let metadata = metadata.map_err(|error| self.failed(error.into()))?;
        let properties = HashMap::from([(key, value)]);
        let intent = Intent {
            actions: vec![Action::Metadata(metadata)],
            operation: DeltaOperation::SetTableProperties { properties },
            markers: &[],
            reads: &[],
            reads_rows: false,
        };
        self.commit(&intent).await.map(|_| ())
    }
}
