//! Something of a source's rows that does not fit its definition.

use feature::Name;
use serde::Serialize;

/// Rows that are read of each file.
pub(crate) const HEAD_ROWS: usize = 1_000;

/// Something that does not fit the source's definition.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub struct Misfit {
    /// The file; `None` if no file can be named.
    pub file: Option<String>,
    /// The first such row, from 1; `None` if it concerns the whole file.
    pub row: Option<u64>,
    /// The declared column, if it is of one.
    pub column: Option<Name>,
    /// What is wrong.
    pub problem: String,
    /// How many of the rows that were read have it, for a row's misfit.
    pub rows: u64,
}

impl std::fmt::Display for Misfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.file, self.row) {
            (Some(file), Some(row)) => write!(f, "`{file}`, row {row}: ")?,
            (Some(file), None) => write!(f, "`{file}`: ")?,
            _ => {}
        }
        f.write_str(&self.problem)?;
        match self.rows {
            0 | 1 => Ok(()),
            rows => write!(f, " ({rows} of its first {HEAD_ROWS} rows do not fit)"),
        }
    }
}
