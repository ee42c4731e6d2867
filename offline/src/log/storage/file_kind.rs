//! What a file of a table is, by its path: a commit, a checkpoint or rows.

use std::path::Path as FilePath;

/// The folder of a table's commits.
pub(crate) const COMMITS: &str = "_delta_log";
/// Where the table format says which checkpoint is the newest.
pub(crate) const LAST_CHECKPOINT: &str = "_last_checkpoint";

/// What a file of a table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    Commit(u64),
    LastCheckpoint,
    /// Rows, or a checkpoint.
    Parquet,
    Other,
}

impl FileKind {
    pub(crate) fn of(path: &FilePath) -> Self {
        let name = name_of(path);
        if name.ends_with(".parquet") {
            return FileKind::Parquet;
        }
        if !is_of_commits(path) {
            return FileKind::Other;
        }
        match name.strip_suffix(".json").and_then(version_of) {
            Some(version) => FileKind::Commit(version),
            None if name == LAST_CHECKPOINT => FileKind::LastCheckpoint,
            None => FileKind::Other,
        }
    }
}

/// Whether a file lies among the commits.
pub(crate) fn is_of_commits(path: &FilePath) -> bool {
    path.parent().and_then(FilePath::file_name).is_some_and(|folder| folder == COMMITS)
}

pub(crate) fn name_of(path: &FilePath) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// What the file of a commit is called.
pub(crate) fn commit_name(version: u64) -> String {
    format!("{version:020}.json")
}

/// The version that the name of a commit or checkpoint begins with.
pub(crate) fn version_of(name: &str) -> Option<u64> {
    (name.len() == 20 && name.bytes().all(|byte| byte.is_ascii_digit())).then(|| name.parse().ok()).flatten()
}
