//! What of a log's commits has to be there: every version from the first, or from behind a checkpoint, up to the one
//! that was noted last.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::damage::Damaged;
use crate::error::OfflineError;
use crate::log::storage::{COMMITS, LastCommit, Storage, commit_name, version_of};

/// What a folder of commits has, by the names of its files.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    pub(crate) commits: BTreeSet<u64>,
    /// Versions with a checkpoint.
    pub(crate) checkpoints: BTreeSet<u64>,
    /// The files of these.
    pub(crate) checkpoint_files: BTreeSet<PathBuf>,
}

impl Listed {
    /// What a table's folder has; nothing where there is none.
    pub(crate) fn of(table: &Path) -> Result<Self, OfflineError> {
        let folder = table.join(COMMITS);
        let failed = |error: std::io::Error| OfflineError::file("read", &folder, error);
        let mut listed = Self::default();
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(listed),
            Err(error) => return Err(failed(error)),
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            // What is a folder now is no commit, whatever its name says.
            if entry.file_type().map_err(failed)?.is_dir() {
                continue;
            }
            let path = entry.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let Some((version, rest)) = name.split_once('.') else { continue };
            let Some(version) = version_of(version) else { continue };
            if rest == "json" {
                listed.commits.insert(version);
            } else if rest.starts_with("checkpoint.") && !rest.contains('#') {
                listed.checkpoints.insert(version);
                listed.checkpoint_files.insert(path);
            }
        }
        Ok(listed)
    }

    /// The first commit that has to be there and is not, of those up to a version or of all.
    pub(crate) fn missing(&self, up_to: Option<u64>) -> Option<u64> {
        let last = up_to.or(self.commits.last().copied())?;
        let checkpoint = self.checkpoints.range(..=last).next_back();
        let first = checkpoint.map_or(0, |checkpoint| checkpoint + 1);
        (first..=last).find(|version| !self.commits.contains(version))
    }

    /// All commits between the first and the last that are not there: an older version of the log cannot be read.
    pub(crate) fn all_missing(&self) -> Vec<u64> {
        let (Some(first), Some(last)) = (self.commits.first(), self.commits.last()) else {
            return Vec::new();
        };
        // Another program may have dropped the first ones, behind a checkpoint.
        let behind = first.saturating_sub(1)..=*first + 1;
        let first = if self.checkpoints.range(behind).next().is_some() { *first } else { 0 };
        (first..=*last).filter(|version| !self.commits.contains(version)).collect()
    }
}

/// The commit that was noted last in a table's folder.
pub(crate) fn noted(table: &Path) -> Result<Option<LastCommit>, OfflineError> {
    let folder = table.join(COMMITS);
    LastCommit::read(&folder).map_err(|error| OfflineError::file("read", &folder, error))
}

/// Refuses a table that does not reach up to the commit that was noted last, or has another one instead.
pub(crate) fn check_end(
    table: &Path,
    noted: Option<LastCommit>,
    version: Option<u64>,
    storage: &Storage,
) -> Result<(), OfflineError> {
    let Some(noted) = noted else {
        return match version {
            None => refuse_rows_without_commits(table),
            Some(_) => Ok(()),
        };
    };
    let path = commit(table, noted.version);
    if version.is_none_or(|version| version < noted.version) {
        let missing = Listed::of(table)?.missing(Some(noted.version)).unwrap_or(noted.version);
        return Err(lost(table, missing).into());
    }
    match storage.commit_sum(noted.version) {
        Some(found) if found != noted.crc32 => {
            Err(Damaged::new(&path, "it is another than the one that was committed").into())
        }
        _ => Ok(()),
    }
}

/// What is wrong with a commit that is a folder.
const A_FOLDER: &str = "it is a folder, and was a file";

/// The commit that is missing where a table cannot be read up to a version.
pub(crate) fn missing(table: &Path, up_to: Option<u64>) -> Result<Option<Damaged>, OfflineError> {
    let missing = Listed::of(table)?.missing(up_to);
    Ok(missing.map(|version| gap(table, version)))
}

/// A commit that is missing between others.
pub(crate) fn gap(table: &Path, version: u64) -> Damaged {
    let path = commit(table, version);
    let what = if path.is_dir() { A_FOLDER } else { "it is missing, and later ones follow it" };
    Damaged::new(&path, what)
}

/// The end of a log that is missing.
fn lost(table: &Path, version: u64) -> Damaged {
    let note = table.join(COMMITS).join(LastCommit::NAME);
    let path = commit(table, version);
    let what = if path.is_dir() { A_FOLDER } else { "it is missing, and was committed" };
    Damaged::new(&path, what).with_help(format!(
        "restore it from a copy; where there is none, delete `{}` to go on without its rows",
        note.display()
    ))
}

/// Refuses rows that no commit names, in folders by date or beside the commits: they were written after the first commit.
fn refuse_rows_without_commits(table: &Path) -> Result<(), OfflineError> {
    let Ok(mut entries) = std::fs::read_dir(table) else { return Ok(()) };
    let is_of_rows = |name: &str| {
        name.starts_with(&format!("{}=", crate::log::columns::DATE)) || name.ends_with(".parquet")
    };
    let rows = entries.any(|entry| entry.is_ok_and(|entry| is_of_rows(&entry.file_name().to_string_lossy())));
    // Another process may have made the table meanwhile.
    match rows && Listed::of(table)?.commits.is_empty() {
        true => {
            Err(Damaged::new(&table.join(COMMITS), "its commits are missing, and rows lie beside it").into())
        }
        false => Ok(()),
    }
}

/// Where a commit lies.
pub(crate) fn commit(table: &Path, version: u64) -> PathBuf {
    table.join(COMMITS).join(commit_name(version))
}
