//! What of a Feast repository is not carried over, or means something else here.

use std::fmt;

use serde::Serialize;

use super::code_line::CodeLine;

/// What a finding asks of its reader.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FeastOutcome {
    /// It has no definition here.
    NotCarried,
    /// It has a definition that waits for something to be done.
    ToDo,
    /// It has a definition, which gives other values in some cases.
    Differs,
}

impl fmt::Display for FeastOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            FeastOutcome::NotCarried => "not carried",
            FeastOutcome::ToDo => "to do",
            FeastOutcome::Differs => "differs",
        })
    }
}

/// One thing that a user of the repository has to know.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub struct FeastFinding {
    /// Where the repository says it; `None` where that is not known.
    pub at: Option<CodeLine>,
    /// The object of Feast, as in "feature view `driver_stats`".
    pub object: String,
    /// What it asks of its reader.
    pub outcome: FeastOutcome,
    /// One lower-case sentence: why, and what to do.
    pub what: String,
}
