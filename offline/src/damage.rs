//! A file of a log that is not as it was written.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// What to do where nothing else is known of a file: only the log has its rows.
const RESTORE: &str = "restore it from a copy";
/// The same of an object of a bucket, whose copy on this machine may be what is damaged.
const RESTORE_OBJECT: &str =
    "delete `.twinstore/copies`, and where it is still damaged then, restore the object from a copy";

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
        let object = object_of(path);
        let help = match (name.contains(".checkpoint."), &object) {
            (true, _) => "delete it: the commits beside it say the same",
            (false, Some(_)) => RESTORE_OBJECT,
            (false, None) => RESTORE,
        };
        Self { path: object.unwrap_or_else(|| path.to_owned()), why: why.into(), help: help.to_owned() }
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

/// The address of the object that a file is a copy of, where it lies among copies.
fn object_of(path: &Path) -> Option<PathBuf> {
    let (_, copied) = path.to_str()?.rsplit_once("/.twinstore/copies/")?;
    let (scheme, object) = copied.split_once('/')?;
    Some(PathBuf::from(format!("{scheme}://{object}")))
}

impl From<Damaged> for io::Error {
    fn from(damaged: Damaged) -> Self {
        io::Error::new(io::ErrorKind::InvalidData, damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_copy_the_object_is_named() {
        let copy = Path::new("/p/.twinstore/copies/s3/features/team/log/v/v1/part.parquet");
        let damaged = Damaged::new(copy, "it is empty");
        assert_eq!(damaged.path, Path::new("s3://features/team/log/v/v1/part.parquet"));
        assert!(damaged.to_string().contains("delete `.twinstore/copies`"), "{damaged}");
        let file = Path::new("/p/.twinstore/offline/log/v/v1/part.parquet");
        assert_eq!(Damaged::new(file, "it is empty").path, file);
    }
}
