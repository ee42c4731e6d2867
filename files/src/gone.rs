//! What is not there, or not any more: for who reads or removes beside others, that is no error.

use std::fs;
use std::io;
use std::path::Path;

/// An outcome for a file or a folder; `None` if it is not there.
pub fn unless_gone<T>(outcome: io::Result<T>) -> io::Result<Option<T>> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes a folder with all that is in it, if it is there.
pub fn remove_folder(folder: &Path) -> io::Result<()> {
    unless_gone(fs::remove_dir_all(folder)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_none_and_every_other_error_stays() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        assert_eq!(unless_gone(fs::read(&inner)).unwrap(), None);
        fs::create_dir(&inner).unwrap();
        assert!(unless_gone(fs::read(&inner)).is_err(), "a folder is no file");
        fs::write(inner.join("file"), "x").unwrap();
        assert_eq!(unless_gone(fs::read(inner.join("file"))).unwrap().as_deref(), Some(&b"x"[..]));
        remove_folder(&inner).unwrap();
        assert!(!inner.exists());
        remove_folder(&inner).unwrap();
    }
}
