//! How validated rows are counted, the same for history and for streams.

use std::collections::{BTreeMap, BTreeSet};

use feature::EntityKey;
use offline::DeadLetter;

use super::reason::RefusalReason;

/// The outcome for the rows of one batch or flush, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RowCounts {
    /// Rows that were validated.
    pub(crate) read: u64,
    /// Rows that were accepted.
    pub(crate) accepted: u64,
    /// Rows that did not pass the view's `where`.
    pub(crate) filtered: u64,
    /// Rows with a null in their key.
    pub(crate) null_keys: u64,
    /// Rows of forgotten entities.
    pub(crate) forgotten: u64,
    /// Their keys.
    pub(crate) forgotten_keys: BTreeSet<EntityKey>,
    /// Rows that an expectation only warns of, by expectation.
    pub(crate) warned: BTreeMap<String, u64>,
    /// Refused rows by reason.
    pub(crate) refused: BTreeMap<String, u64>,
    /// Rows that fail an expectation which quarantines.
    pub(crate) against_batch: u64,
    /// The same by expectation.
    pub(crate) against_batch_by: BTreeMap<String, u64>,
}

impl RowCounts {
    /// Adds how many rows were refused for each reason. An expectation is named; everything else is counted by
    /// its reason.
    pub(crate) fn add_refused(&mut self, dead_letters: &[DeadLetter]) {
        for dead_letter in dead_letters {
            let is_expectation = dead_letter.reason == RefusalReason::ExpectationFailed.as_str();
            let reason = if is_expectation { &dead_letter.detail } else { &dead_letter.reason };
            *self.refused.entry(reason.clone()).or_default() += 1;
        }
    }
}

/// Adds counts by name; a count of zero gets no entry.
pub(crate) fn add_counts(counts: &mut BTreeMap<String, u64>, more: impl IntoIterator<Item = (String, u64)>) {
    for (name, count) in more.into_iter().filter(|(_, count)| *count > 0) {
        *counts.entry(name).or_default() += count;
    }
}
