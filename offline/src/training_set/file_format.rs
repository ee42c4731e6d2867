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
    /// The format that the file's name says.
    pub fn of(path: &Path) -> Result<Self, OfflineError> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("parquet" | "pq") => Ok(Self::Parquet),
            Some("csv") => Ok(Self::Csv),
            Some("arrow" | "ipc" | "feather") => Ok(Self::Arrow),
            _ => Err(OfflineError::file("tell the format of", path, "name it .parquet, .csv or .arrow")),
        }
    }
}
