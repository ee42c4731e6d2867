//! Options of a training set.

use feature::{AsOf, Openings, VersionId};

/// How a training set is built.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which rows a label may see.
    pub as_of: AsOf,
    /// Whether to add event time, availability and age of each view.
    pub explain: bool,
    /// Whether to say of each feature where its default stands instead of null.
    pub filled: bool,
    /// How many threads read logs; `None` means one for each core.
    pub threads: Option<usize>,
    /// Bytes that the labels in memory may take; `None` means no bound.
    pub max_memory: Option<u64>,
    /// The versions of logs to read, by view; the newest of those that are not named.
    pub log_versions: Vec<(VersionId, u64)>,
    /// When circuit breakers were open. A join by event time knows none.
    pub openings: Openings,
}
