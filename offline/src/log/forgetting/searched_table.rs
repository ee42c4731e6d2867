//! What a search of one table found, and what was done about it.

use feature::Micros;
use serde::Serialize;

/// What a search found in one table, and what was done about it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SearchedTable {
    /// The table: `KIND/NAME/vN`.
    pub table: String,
    /// Files of rows that were searched, whatever version reads them.
    pub files: u64,
    /// Rows of the entity.
    pub rows: u64,
    /// When the newest of them happened.
    #[serde(skip)]
    pub newest: Option<Micros>,
    /// Files that were written again without them.
    pub files_rewritten: u64,
    /// Commits that were searched.
    pub commits: u64,
    /// Commits that said something of such files, and do not any more.
    pub commits_rewritten: u64,
    /// Checkpoints that did, and were removed.
    pub checkpoints_removed: u64,
    /// Files that writers which are gone left half written, and were removed.
    pub leftovers_removed: u64,
    /// Commits and checkpoints that still hold the text of the key.
    pub texts: u64,
}
