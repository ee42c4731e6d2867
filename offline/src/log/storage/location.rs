//! Where a table lies, as a URL, and its files by the storage that the URL names. Local folders are the one storage
//! that this build has; another one is another kind of [`TableFiles`].

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use url::Url;

use crate::error::OfflineError;
use crate::log::storage::checked_file::CheckedFile;

/// The URL of a folder or of a bucket with a prefix, ending in a slash.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TableLocation(Url);

impl TableLocation {
    /// A folder, by its absolute path.
    pub fn of_folder(folder: &Path) -> Result<Self, OfflineError> {
        let wrong =
            |why: &str| OfflineError::Location { url: folder.display().to_string(), why: why.to_owned() };
        Url::from_directory_path(folder).map(Self).map_err(|()| wrong("it is not an absolute path"))
    }

    /// A URL, or the absolute path of a folder.
    pub fn parse(text: &str) -> Result<Self, OfflineError> {
        if !text.contains("://") {
            return Self::of_folder(Path::new(text));
        }
        let slash = if text.ends_with('/') { "" } else { "/" };
        Url::parse(&format!("{text}{slash}"))
            .map(Self)
            .map_err(|error| OfflineError::Location { url: text.to_owned(), why: error.to_string() })
    }

    /// The location of something in it, by a relative path that ends in a slash.
    pub(crate) fn join(&self, below: &str) -> Result<Self, OfflineError> {
        self.0.join(below).map(Self).map_err(|error| self.wrong(&error.to_string()))
    }

    pub(crate) fn url(&self) -> &Url {
        &self.0
    }

    /// The folder, where it is one.
    pub fn folder(&self) -> Result<PathBuf, OfflineError> {
        match self.0.scheme() {
            "file" => self.0.to_file_path().map_err(|()| self.wrong("it is not a local path")),
            _ => Err(self.wrong("this build reads logs from local folders")),
        }
    }

    /// The files that lie there.
    pub(crate) fn open(&self) -> Result<TableFiles, OfflineError> {
        Ok(TableFiles { folder: self.folder()? })
    }

    fn wrong(&self, why: &str) -> OfflineError {
        OfflineError::Location { url: self.to_string(), why: why.to_owned() }
    }
}

impl fmt::Display for TableLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<String> for TableLocation {
    type Error = OfflineError;

    fn try_from(text: String) -> Result<Self, OfflineError> {
        Self::parse(&text)
    }
}

impl From<TableLocation> for String {
    fn from(location: TableLocation) -> String {
        location.0.into()
    }
}

/// The files of a table in the storage that has them.
#[derive(Clone, Debug)]
pub(crate) struct TableFiles {
    folder: PathBuf,
}

impl TableFiles {
    /// A file by its path in the table, which has this length by what its commit says. Reads of it block.
    pub(crate) fn open(&self, path: &str, bytes: u64) -> Result<CheckedFile, OfflineError> {
        let path = self.folder.join(path);
        CheckedFile::of_length(&path, bytes).map_err(|error| OfflineError::of_file(&path, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_a_url_and_a_path_of_older_formats_is_its_folder() {
        let location: TableLocation = serde_json::from_str("\"/log/v 1\"").unwrap();
        assert_eq!(location.to_string(), "file:///log/v%201/");
        assert_eq!(location.folder().unwrap(), Path::new("/log/v 1"));
        assert_eq!(TableLocation::parse("file:///log/v%201").unwrap(), location);
        assert!(TableLocation::parse("log").is_err());
    }

    #[test]
    fn a_storage_that_this_build_does_not_have_is_refused_when_it_is_opened() {
        let location = TableLocation::parse("s3://bucket/log").unwrap();
        let error = location.open().unwrap_err().to_string();
        assert_eq!(
            error,
            "`s3://bucket/log/` is not an offline store: this build reads logs from local folders"
        );
    }
}
