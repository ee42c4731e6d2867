//! A file of a batch source, and the listing of a source's files.

use std::collections::BTreeSet;
use std::path::PathBuf;

/// One file of a source.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct SourceFile {
    /// Its path below the folder that the source names: its identity, wherever that folder lies.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
    /// The columns whose one value its table, or the names of its folders, give for the whole file.
    pub partition: Vec<(String, Option<String>)>,
    /// Of a table: the columns that it has, of which older files may lack some.
    pub table_columns: BTreeSet<String>,
    /// Of a table's file that was rewritten from others which are gone: their names. It may hold loaded rows.
    pub replaces: BTreeSet<String>,
}

/// The files of a source, in the order in which they are numbered.
#[derive(Clone, Debug, Default)]
pub struct SourceFiles {
    /// The files.
    pub files: Vec<SourceFile>,
    /// What lies beside them and is not read.
    pub unread: Vec<String>,
    /// Of a Delta table: the version whose files these are.
    pub table_version: Option<u64>,
    /// Of a Delta table: the first 63 bits of the hash of its id.
    pub table_id: Option<i64>,
}

/// How far a Delta source was loaded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TableVersions {
    /// The version up to which everything was loaded; `None` if the first load has not ended.
    pub whole: Option<u64>,
    /// The version whose files the first load began with, also if later versions removed some.
    pub first: Option<u64>,
    /// The first 63 bits of the hash of the id of the table; `None` if none was recorded.
    pub id: Option<i64>,
}
