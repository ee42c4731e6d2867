//! Where the logs of a project lie.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use feature::{VersionId, View};
use url::Url;

use crate::dead_letter::DeadLetters;
use crate::error::OfflineError;
use crate::log::Log;

/// The folder, or later the bucket, that holds a table for each view version.
#[derive(Debug, Clone)]
pub struct OfflineStore {
    root: Url,
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
        let root = Url::from_directory_path(absolute).map_err(|()| wrong("it is no absolute path"))?;
        Ok(Self { root })
    }

    /// The log of a view version at its newest snapshot.
    pub async fn log(&self, view: &Arc<View>) -> Result<Log, OfflineError> {
        Log::open(view.clone(), self.table(&view.id, "log")?, None).await
    }

    /// The log of a view version at an older snapshot.
    pub async fn log_at(&self, view: &Arc<View>, version: u64) -> Result<Log, OfflineError> {
        Log::open(view.clone(), self.table(&view.id, "log")?, Some(version)).await
    }

    /// The rows of a view version that were refused.
    pub async fn dead_letters(&self, view: &VersionId) -> Result<DeadLetters, OfflineError> {
        DeadLetters::open(view, self.table(view, "dead_letters")?).await
    }

    /// The folder that holds the tables.
    pub fn folder(&self) -> Result<PathBuf, OfflineError> {
        self.root.to_file_path().map_err(|()| OfflineError::Location {
            url: self.root.to_string(),
            why: "this build reads logs from local folders".to_owned(),
        })
    }

    fn table(&self, view: &VersionId, kind: &str) -> Result<Url, OfflineError> {
        self.root
            .join(&format!("{kind}/{}/v{}/", view.name, view.version))
            .map_err(|error| OfflineError::Location { url: self.root.to_string(), why: error.to_string() })
    }
}
