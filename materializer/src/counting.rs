//! How what a judgement of rows found is counted, the same for history and for streams.

use std::collections::BTreeMap;

use offline::DeadLetter;

/// The kind of reason of a false expectation, as the transform calls it.
const EXPECTATION: &str = "expectation_failed";

/// Adds counts by name; what was counted never gets no entry.
pub(crate) fn add_counts(counts: &mut BTreeMap<String, u64>, more: impl IntoIterator<Item = (String, u64)>) {
    for (name, count) in more.into_iter().filter(|(_, count)| *count > 0) {
        *counts.entry(name).or_default() += count;
    }
}

/// Adds how many rows were refused for each reason. An expectation is named; what else is wrong is
/// counted by its kind.
pub(crate) fn count_refused(counts: &mut BTreeMap<String, u64>, letters: &[DeadLetter]) {
    for letter in letters {
        let reason = if letter.reason == EXPECTATION { &letter.detail } else { &letter.reason };
        *counts.entry(reason.clone()).or_default() += 1;
    }
}
