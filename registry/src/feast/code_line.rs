//! Where the code of a repository says something.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A line of the repository.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Deserialize, Serialize)]
pub struct CodeLine {
    /// The file, relative to the repository's folder.
    pub file: String,
    /// Its line, from 1.
    pub line: u32,
}

impl fmt::Display for CodeLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}
