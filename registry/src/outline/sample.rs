//! Files of which a sample was read, and what the user says of them.

use feature::{BatchFormat, DataType, Micros, Value};

/// A file, or a table, and a sample of it.
#[derive(Clone, Debug)]
pub struct SampledFile {
    /// Its path as a definition names it.
    pub path: String,
    /// The folder or the pattern that led to it, as a definition names it; `None` if it was named itself.
    pub root: Option<String>,
    /// How it is encoded.
    pub format: BatchFormat,
    /// Its columns.
    pub columns: Vec<SampledColumn>,
    /// Whether the sample is all of it.
    pub is_whole: bool,
}

/// A column of a sampled file.
#[derive(Clone, Debug)]
pub struct SampledColumn {
    /// Its name in the file; may be empty.
    pub name: String,
    /// What its values are.
    pub kind: SampledKind,
    /// A value for each row of the sample.
    pub values: Vec<Value>,
    /// Whether the name of a folder gives it.
    pub is_of_folder: bool,
}

/// What the values of a sampled column are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SampledKind {
    /// Of this type, as the file says.
    Typed(DataType),
    /// Texts that may stand for anything.
    Text,
    /// What JSON values say, each by itself.
    Json,
    /// Nothing that a column can be declared as, with what it is.
    Other(String),
}

impl SampledKind {
    pub(super) fn data_type(&self) -> Option<DataType> {
        match self {
            SampledKind::Typed(data_type) => Some(*data_type),
            _ => None,
        }
    }
}

/// What the user names: columns, as they are called in the files.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// The column that says when a row happened.
    pub time: Option<String>,
    /// The column of the entity's key.
    pub key: Option<String>,
}

/// What is known besides the files.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The files that a path or a pattern leads to, by their paths as definitions name them.
    pub files_of: &'a dyn Fn(&str) -> Vec<String>,
    /// What time it is.
    pub now: Micros,
}
