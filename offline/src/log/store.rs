//! Where the logs of a project lie.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use feature::{VersionId, View};

use crate::error::OfflineError;
use crate::fault_injection::BatchPoint;
use crate::log::dead_letters::DeadLetters;
use crate::log::quarantine::Quarantine;
use crate::log::statistics::StatisticsTable;
use crate::log::storage::TableLocation;
use crate::log::view_log::Log;

/// The kinds of tables that a view version has.
pub(crate) const TABLES: [&str; 4] = ["log", "dead_letters", "quarantine", "statistics"];

/// The extension of the folder of a table that is being removed.
pub(crate) const REMOVED: &str = "removed";

/// The folder, or later the bucket, that holds a table for each view version.
#[derive(Debug, Clone)]
pub struct OfflineStore {
    root: TableLocation,
}

impl OfflineStore {
    /// The store at a folder, which is made when the first row is written. Relative paths are
    /// taken from `project`.
    pub fn open(location: &str, project: &Path) -> Result<Self, OfflineError> {
        let wrong = |why: &str| OfflineError::Location { url: location.to_owned(), why: why.to_owned() };
        let path = match location.split_once("://") {
            None => location,
            Some(("file", path)) => path,
            Some(_) => return Err(wrong("this build writes to local folders; give a path")),
        };
        let absolute = std::path::absolute(project.join(path)).map_err(|error| wrong(&error.to_string()))?;
        Ok(Self { root: TableLocation::of_folder(&absolute)? })
    }

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

    /// The rows of a view version that were refused.
    pub async fn dead_letters(&self, view: &VersionId) -> Result<DeadLetters, OfflineError> {
        DeadLetters::open(view, self.table(view, "dead_letters")?).await
    }

    /// The quarantined batches of a view version.
    pub async fn quarantine(&self, view: &VersionId) -> Result<Quarantine, OfflineError> {
        Quarantine::open(view, self.table(view, "quarantine")?).await
    }

    /// The statistics of the rows of a view version.
    pub async fn statistics(&self, view: &VersionId) -> Result<StatisticsTable, OfflineError> {
        StatisticsTable::open(view, self.table(view, "statistics")?).await
    }

    /// Removes all tables of a view version. Each gets another name first, so that none is ever there in part. One that
    /// is not there is no error, so that an interrupted removal goes on when it is repeated.
    pub fn remove(&self, view: &VersionId) -> Result<(), OfflineError> {
        for kind in TABLES.into_iter().rev() {
            let folder = self.table(view, kind)?.folder()?;
            let removed = folder.with_extension(REMOVED);
            remove_folder(&removed)?;
            match std::fs::rename(&folder, &removed) {
                Ok(()) => BatchPoint::LogSetAside.pass(),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(OfflineError::file("remove", &folder, error)),
            }
            remove_folder(&removed)?;
        }
        Ok(())
    }

    /// The folder that holds the tables.
    pub fn folder(&self) -> Result<PathBuf, OfflineError> {
        self.root.folder()
    }

    pub(crate) fn table(&self, view: &VersionId, kind: &str) -> Result<TableLocation, OfflineError> {
        self.root.join(&format!("{kind}/{}/v{}/", view.name, view.version))
    }
}

/// Removes a folder with all that is in it, if it is there.
fn remove_folder(folder: &Path) -> Result<(), OfflineError> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(OfflineError::file("remove", folder, error))
        }
        _ => Ok(()),
    }
}
