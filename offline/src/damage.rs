//! A file of a log that is not as it was written.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// What to do where nothing else is known of a file: only the log has its rows.
const RESTORE: &str = "restore it from a copy";

/// A file that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{}` is damaged: {why}; nothing was changed in it: {help}", .path.display())]
pub struct Damaged {
    /// The file.
    pub path: PathBuf,
    /// What does not hold.
    pub why: String,
    /// What to do.
    pub help: String,
}

impl Damaged {
    pub(crate) fn new(path: &Path, why: impl Into<String>) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let help = match name.contains(".checkpoint.") {
            true => "delete it: the commits beside it say the same".to_owned(),
            false => RESTORE.to_owned(),
        };
        Self { path: path.to_owned(), why: why.into(), help }
    }

    pub(crate) fn with_help(self, help: impl Into<String>) -> Self {
        Self { help: help.into(), ..self }
    }

    /// The damage that an error goes back to, where it does.
    pub(crate) fn behind(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(damaged) = error.downcast_ref::<Self>() {
                return Some(damaged.clone());
            }
            // What an error of this kind wraps is not its source but its inside.
            if let Some(inside) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
                return Self::behind(inside);
            }
            cause = error.source();
        }
        None
    }
}

impl From<Damaged> for io::Error {
    fn from(damaged: Damaged) -> Self {
        io::Error::new(io::ErrorKind::InvalidData, damaged)
    }
}
