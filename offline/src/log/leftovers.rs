//! Files that a writer left under the name that they had while they were written.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::OfflineError;
use crate::log::check::folders;

/// Removes the half-written files of processes that are gone, from a table's folder and those below it.
pub(super) fn remove(table: &Path) -> Result<u64, OfflineError> {
    let mut removed = 0;
    for path in find(table)? {
        match fs::remove_file(&path) {
            Ok(()) => removed += 1,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(OfflineError::file("remove", &path, error)),
        }
    }
    Ok(removed)
}

/// These files.
pub(super) fn find(table: &Path) -> Result<Vec<PathBuf>, OfflineError> {
    let mut found = Vec::new();
    let mut of_table = folders(table)?;
    of_table.push(table.to_owned());
    for folder in of_table {
        found.extend(half_written(&folder).map_err(|error| OfflineError::file("read", &folder, error))?);
    }
    Ok(found)
}

fn half_written(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // `NAME#`, the number of the process and six digits: see `storage/upload.rs`.
        let digits = name.rsplit_once('#').map(|(_, digits)| digits.to_owned());
        let process = digits.as_deref().and_then(|digits| digits.get(..digits.len().checked_sub(6)?));
        let is_gone = process.is_some_and(|process| {
            process.parse::<u32>().is_ok() && !Path::new("/proc").join(process).exists()
        });
        if is_gone && path.is_file() {
            found.push(path);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_that_is_gone_left_half_written_goes_and_that_of_a_living_one_stays() {
        let table = tempfile::tempdir().unwrap();
        let date = table.path().join("_date=2013-06-01");
        fs::create_dir(&date).unwrap();
        let living = format!("a.parquet#{}000001", std::process::id());
        // No process has a number this large.
        for name in ["a.parquet", "a.parquet#4294967295000001", "a#b", &living] {
            fs::write(date.join(name), "x").unwrap();
        }
        assert_eq!(remove(table.path()).unwrap(), 1);
        let mut left: Vec<String> = fs::read_dir(&date)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["a#b".to_owned(), "a.parquet".to_owned(), living]);
    }
}
