//! What is promised: which share of the reads is at most how stale.

use std::fmt;

use feature::Span;

/// A freshness objective: so many reads in a hundred are of rows that are at most so old.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Objective {
    /// How stale a good read is at most.
    pub within: Span,
    /// The share of good reads that is promised, in percent, above 0 and below 100.
    pub target: f64,
}

impl Objective {
    /// The share of reads, from 0 to 1, that may be bad: the error budget.
    pub fn allowed(&self) -> f64 {
        allowed(self.target)
    }
}

/// The share of bad reads, from 0 to 1, that a target in percent leaves.
pub(super) fn allowed(target: f64) -> f64 {
    (100.0 - target) / 100.0
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}% within {}", self.target, self.within)
    }
}
