//! Where the logs of a project lie: in a folder, or in a bucket of an object store.

use std::path::{Path, PathBuf};

use feature::VersionId;
use url::Url;

use crate::error::OfflineError;
use crate::fault_injection::BatchPoint;
use crate::log::storage::{Bucket, BucketRequests, TableCopy, TableLocation, plain_bucket_error};

/// The kinds of tables that a view version has.
pub(crate) const TABLES: [&str; 4] = ["log", "dead_letters", "quarantine", "statistics"];

/// The extension of the folder of a table that is being removed.
pub(crate) const REMOVED: &str = "removed";

/// Bytes of files of a bucket that are kept on disk where nobody says how many.
pub const COPIED_BYTES: u64 = 16 << 30;

/// The object stores that this build has.
const BUCKETS: [&str; 3] = ["s3", "gs", "az"];

/// The folder, or the bucket, that holds a table for each view version.
#[derive(Debug, Clone)]
pub struct OfflineStore {
    root: TableLocation,
}

impl OfflineStore {
    /// The store at a folder, which is made when the first row is written. Relative paths are
    /// taken from `project`.
    pub fn open(location: &str, project: &Path) -> Result<Self, OfflineError> {
        Self::with_copies(location, project, COPIED_BYTES)
    }

    /// The same; of files that lie in a bucket this many bytes are kept in the project's folder.
    pub fn with_copies(location: &str, project: &Path, bytes: u64) -> Result<Self, OfflineError> {
        let wrong = |why: &str| OfflineError::Location { url: location.to_owned(), why: why.to_owned() };
        let path = match location.split_once("://") {
            None => location,
            Some(("file", path)) => path,
            Some((scheme, _)) if BUCKETS.contains(&scheme) => {
                return Self::in_bucket(location, project, bytes);
            }
            Some(_) => return Err(wrong("give a folder, or what begins with s3://, gs:// or az://")),
        };
        let absolute = std::path::absolute(project.join(path)).map_err(|error| wrong(&error.to_string()))?;
        Ok(Self { root: TableLocation::of_folder(&absolute)? })
    }

    fn in_bucket(location: &str, project: &Path, bytes: u64) -> Result<Self, OfflineError> {
        let wrong = |why: String| OfflineError::Location { url: location.to_owned(), why };
        let url = Url::parse(&format!("{}/", location.trim_end_matches('/')));
        let url = url.map_err(|error| wrong(error.to_string()))?;
        let name = url.host_str().unwrap_or_default();
        if name.is_empty() || url.query().is_some() || !url.username().is_empty() {
            return Err(wrong("it has to be as in s3://BUCKET/PREFIX, without anything else".to_owned()));
        }
        let copies = project.join(".twinstore/copies").join(url.scheme()).join(name);
        let copies = copies.join(url.path().trim_matches('/'));
        let copies = std::path::absolute(copies).map_err(|error| wrong(error.to_string()))?;
        let bucket = Bucket::open(&url, &copies, bytes).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { root: TableLocation::of_bucket(url, bucket) })
    }

    /// The folder of the tables, or the URL of their bucket: for messages, and as what tells one store from another.
    pub fn named(&self) -> Result<PathBuf, OfflineError> {
        match self.root.copy() {
            Some(_) => Ok(PathBuf::from(self.root.to_string())),
            None => self.folder(),
        }
    }

    /// Whether the tables lie in a bucket, and in their folder only as far as they were read.
    pub fn is_in_bucket(&self) -> bool {
        self.root.copy().is_some()
    }

    /// Whether the folder, or what says that the bucket is one of logs, is there.
    pub async fn is_there(&self) -> Result<bool, OfflineError> {
        match self.root.copy() {
            Some(copy) => copy.bucket().is_marked().await.map_err(|error| self.failed("read", error)),
            None => Ok(self.folder()?.exists()),
        }
    }

    /// Makes the folder, or says in the bucket that it is one of logs.
    pub async fn make(&self) -> Result<(), OfflineError> {
        match self.root.copy() {
            Some(copy) => copy.bucket().mark().await.map_err(|error| self.failed("write to", error)),
            None => {
                let folder = self.folder()?;
                std::fs::create_dir_all(&folder).map_err(|error| OfflineError::file("make", &folder, error))
            }
        }
    }

    /// Requests to the bucket by this process so far; `None` without one.
    pub fn bucket_requests(&self) -> Option<BucketRequests> {
        self.root.copy().map(|copy| copy.bucket().requests())
    }

    pub(crate) fn copy(&self) -> Option<&TableCopy> {
        self.root.copy()
    }

    /// Refuses what this build does to folders alone, as in `this build forgets no entity`.
    pub fn only_in_folder(&self, what: &str) -> Result<(), OfflineError> {
        match self.is_in_bucket() {
            true => Err(OfflineError::Location {
                url: self.root.to_string(),
                why: format!("{what} while the logs lie in a bucket; copy them into a folder first"),
            }),
            false => Ok(()),
        }
    }

    fn failed(&self, action: &'static str, error: object_store::Error) -> OfflineError {
        OfflineError::file(action, Path::new(&self.root.to_string()), plain_bucket_error(error))
    }

    /// Removes all tables of a view version. Each gets another name first, so that none is ever there in part. One that
    /// is not there is no error, so that an interrupted removal goes on when it is repeated. It blocks.
    pub fn remove(&self, view: &VersionId) -> Result<(), OfflineError> {
        for kind in TABLES.into_iter().rev() {
            let table = self.table(view, kind)?;
            if let Some(copy) = table.copy() {
                copy.remove()?;
                BatchPoint::LogSetAside.pass();
                continue;
            }
            let folder = table.folder()?;
            let removed = folder.with_extension(REMOVED);
            let remove = |folder: &Path| {
                files::remove_folder(folder).map_err(|error| OfflineError::file("remove", folder, error))
            };
            remove(&removed)?;
            let renamed = files::unless_gone(std::fs::rename(&folder, &removed));
            if renamed.map_err(|error| OfflineError::file("remove", &folder, error))?.is_some() {
                BatchPoint::LogSetAside.pass();
            }
            remove(&removed)?;
        }
        Ok(())
    }

    /// The folder that holds the tables: of a bucket, that of its copies.
    pub fn folder(&self) -> Result<PathBuf, OfflineError> {
        self.root.folder()
    }

    pub(crate) fn table(&self, view: &VersionId, kind: &str) -> Result<TableLocation, OfflineError> {
        self.root.join(&format!("{kind}/{}/v{}/", view.name, view.version))
    }
}
