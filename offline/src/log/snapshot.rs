//! The files of a log at one version, in a form that another process can read.

use serde::{Deserialize, Serialize};

use crate::error::OfflineError;
use crate::log::storage::TableLocation;

/// The files of a log at one version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogSnapshot {
    /// Where they lie. Format 1 of a join called it `root` and had the path of a folder.
    #[serde(alias = "root")]
    pub location: TableLocation,
    /// The version of the log.
    pub version: u64,
    /// The files, oldest first.
    pub files: Vec<LogFile>,
}

/// One file of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogFile {
    /// Its path in the table.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its rows, where the log's statistics say.
    pub rows: Option<u64>,
    /// The date of its rows, as the log's partition says.
    pub date: Option<String>,
}

impl LogSnapshot {
    /// Copies all files that lie in a bucket, so that they are in the location's folder.
    pub async fn fetch(&self) -> Result<(), OfflineError> {
        match self.location.copy() {
            Some(copy) => copy.fetch_all(self.files.iter().map(|file| file.path.clone())).await,
            None => Ok(()),
        }
    }

    /// Rows of all files, as far as their statistics say.
    pub fn rows(&self) -> u64 {
        self.files.iter().filter_map(|file| file.rows).sum()
    }
}
