//! The formats of the files that training data comes in and goes out in, chosen by their names.

use std::path::Path;

use crate::error::OfflineError;

/// A format of files of rows and columns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileFormat {
    /// Apache Parquet: `.parquet`, `.pq`
    Parquet,
    /// Comma-separated values with a header: `.csv`
    Csv,
    /// Arrow IPC files: `.arrow`, `.ipc`, `.feather`
    Arrow,
}

impl FileFormat {
    /// The format that the file's name says, in upper or lower case.
    pub fn of(path: &Path) -> Result<Self, OfflineError> {
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        match extension.as_deref() {
            Some("parquet" | "pq") => Ok(Self::Parquet),
            Some("csv") => Ok(Self::Csv),
            Some("arrow" | "ipc" | "feather") => Ok(Self::Arrow),
            _ => Err(OfflineError::file("tell the format of", path, "name it .parquet, .csv or .arrow")),
        }
    }
}
