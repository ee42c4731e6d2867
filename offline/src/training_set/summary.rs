//! Counts of a training set: rows, nulls, leaks avoided, and labels outside of the logs.

use feature::{Opening, VersionId};
use serde::{Deserialize, Serialize};

use crate::training_set::log_range::LogRange;

/// Counts of a training set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// How many rows it has.
    pub rows: usize,
    /// One for each feature, in the service's order.
    pub features: Vec<FeatureSummary>,
    /// For each view that was read, the version of its log.
    pub log_versions: Vec<(VersionId, u64)>,
    /// For each view that was read and has event times, the labels outside the days of its log.
    pub log_ranges: Vec<LogRange>,
    /// The openings of the breakers of views that were read.
    pub openings: Vec<OpenLabels>,
}

/// The labels at which the breaker of a view was open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenLabels {
    /// The opening.
    #[serde(flatten)]
    pub opening: Opening,
    /// How many labels fall into it.
    pub labels: usize,
}

/// Counts of one feature of a training set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureSummary {
    /// Its name in the service.
    pub name: String,
    /// How many labels have no value.
    pub nulls: usize,
    /// How many labels a join by event time would have filled from rows that were not yet
    /// available; `None` if the join itself was by event time.
    pub leaked: Option<usize>,
}
