//! A file of a batch source, and the listing of a source's files.

use std::collections::BTreeSet;
use std::path::PathBuf;

/// One file of a source.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct SourceFile {
    /// Its path below the folder that the source names: its identity, wherever that folder lies.
    pub(crate) name: String,
    /// Where it lies.
    pub(crate) path: PathBuf,
    /// The columns whose one value its table, or the names of its folders, give for the whole file.
    pub(crate) partition: Vec<(String, Option<String>)>,
    /// Of a table: the columns that it has, of which older files may lack some.
    pub(crate) table_columns: BTreeSet<String>,
    /// Of a table's file that was rewritten from others which are gone: their names. It may hold loaded rows.
    pub(crate) replaces: BTreeSet<String>,
}

/// The files of a source, in the order in which they are numbered.
#[derive(Clone, Debug, Default)]
pub(crate) struct SourceFiles {
    pub(crate) files: Vec<SourceFile>,
    /// What lies beside them and is not read.
    pub(crate) unread: Vec<String>,
    /// Of a Delta table: the version whose files these are.
    pub(crate) table_version: Option<u64>,
    /// Of a Delta table: the first 63 bits of the hash of its id.
    pub(crate) table_id: Option<i64>,
}

/// How far a Delta source was loaded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct TableVersions {
    /// The version up to which everything was loaded; `None` if the first load has not ended.
    pub(crate) whole: Option<u64>,
    /// The version whose files the first load began with, also if later versions removed some.
    pub(crate) first: Option<u64>,
    /// The first 63 bits of the hash of the id of the table; `None` if none was recorded.
    pub(crate) id: Option<i64>,
}
