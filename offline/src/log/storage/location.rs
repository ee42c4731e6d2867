//! Where a table lies, as a URL, and its files: in a folder, or in a bucket and as far as they were read in a folder of
//! copies.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use url::Url;

use crate::error::OfflineError;
use crate::log::storage::bucket::Bucket;
use crate::log::storage::checked_file::CheckedFile;
use crate::log::storage::table_copy::TableCopy;

/// The URL of a folder or of a bucket with a prefix, ending in a slash.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TableLocation {
    url: Url,
    /// Of a bucket that was opened.
    copy: Option<TableCopy>,
}

impl PartialEq for TableLocation {
    fn eq(&self, other: &Self) -> bool {
        self.url == other.url
    }
}

impl Eq for TableLocation {}

impl TableLocation {
    /// A folder, by its absolute path.
    pub fn of_folder(folder: &Path) -> Result<Self, OfflineError> {
        let wrong =
            |why: &str| OfflineError::Location { url: folder.display().to_string(), why: why.to_owned() };
        let url = Url::from_directory_path(folder).map_err(|()| wrong("it is not an absolute path"))?;
        Ok(Self { url, copy: None })
    }

    /// The root of a bucket that was opened.
    pub(crate) fn of_bucket(url: Url, bucket: Bucket) -> Self {
        let folder = bucket.folder().to_owned();
        Self { url, copy: Some(TableCopy::new(bucket, folder)) }
    }

    /// A URL, or the absolute path of a folder.
    pub fn parse(text: &str) -> Result<Self, OfflineError> {
        if !text.contains("://") {
            return Self::of_folder(Path::new(text));
        }
        let slash = if text.ends_with('/') { "" } else { "/" };
        Url::parse(&format!("{text}{slash}"))
            .map(|url| Self { url, copy: None })
            .map_err(|error| OfflineError::Location { url: text.to_owned(), why: error.to_string() })
    }

    /// The location of something in it, by a relative path that ends in a slash.
    pub(crate) fn join(&self, below: &str) -> Result<Self, OfflineError> {
        let url = self.url.join(below).map_err(|error| self.wrong(&error.to_string()))?;
        Ok(Self { url, copy: self.copy.as_ref().map(|copy| copy.below(below)) })
    }

    /// The copy of a bucket; none of a folder.
    pub(crate) fn copy(&self) -> Option<&TableCopy> {
        self.copy.as_ref()
    }

    /// The folder: of a bucket, that of its copies.
    pub fn folder(&self) -> Result<PathBuf, OfflineError> {
        match (self.url.scheme(), &self.copy) {
            (_, Some(copy)) => Ok(copy.folder().to_owned()),
            ("file", None) => self.url.to_file_path().map_err(|()| self.wrong("it is not a local path")),
            (_, None) => Err(self.wrong("its bucket was not opened, or is of no kind that this build knows")),
        }
    }

    /// The folder as a URL.
    pub(crate) fn folder_url(&self) -> Result<Url, OfflineError> {
        Url::from_directory_path(self.folder()?)
            .map_err(|()| self.wrong("its copy is not at an absolute path"))
    }

    /// The files that lie there.
    pub(crate) fn open(&self) -> Result<TableFiles, OfflineError> {
        Ok(TableFiles { folder: self.folder()?, copy: self.copy.clone() })
    }

    fn wrong(&self, why: &str) -> OfflineError {
        OfflineError::Location { url: self.to_string(), why: why.to_owned() }
    }
}

impl fmt::Display for TableLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
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
        location.url.into()
    }
}

/// The files of a table in the storage that has them.
#[derive(Clone, Debug)]
pub(crate) struct TableFiles {
    folder: PathBuf,
    copy: Option<TableCopy>,
}

impl TableFiles {
    /// A file by its path in the table, which has this length by what its commit says. Reads of it block.
    pub(crate) fn open(&self, path: &str, bytes: u64) -> Result<CheckedFile, OfflineError> {
        let path = self.folder.join(path);
        let open = || CheckedFile::of_length(&path, bytes);
        let opened = match &self.copy {
            Some(copy) => copy.open(&path, open),
            None => open(),
        };
        opened.map_err(|error| OfflineError::of_file(&path, error))
    }

    /// Says that files are read soon, so that those in a bucket are on their way.
    pub(crate) fn prefetch<'a>(&self, paths: impl Iterator<Item = &'a str>) {
        if let Some(copy) = &self.copy {
            copy.prefetch(paths);
        }
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
    fn a_bucket_that_nobody_opened_is_refused() {
        let location = TableLocation::parse("s3://bucket/log").unwrap();
        let error = location.open().unwrap_err().to_string();
        assert_eq!(
            error,
            "`s3://bucket/log/` is not an offline store: its bucket was not opened, or is of no kind that this build knows"
        );
    }
}
