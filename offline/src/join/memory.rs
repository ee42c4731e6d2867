//! How much memory labels take while they are joined: what decides into how many parts a spine is cut.

use arrow::array::RecordBatch;
use feature::Fold;

use crate::join::spec::{JoinLookup, JoinSpec};

/// Bytes that the rows of a spine and everything that is known of them take at the most, while they
/// are joined by the threads of the spec.
pub(crate) fn bytes_of_labels(spec: &JoinSpec, batch: &RecordBatch) -> u64 {
    let rows = batch.num_rows() as u64;
    let spine = batch.get_array_memory_size() as u64;
    // Held twice: as they came, and concatenated.
    let spine = 2 * spine + 8 * rows;
    let threads = spec.threads.max(1) as u64;
    spine + spec.lookups.iter().map(|lookup| rows * bytes_of_label(lookup, spec.leaks, threads)).sum::<u64>()
}

/// Bytes of one label of one lookup.
fn bytes_of_label(lookup: &JoinLookup, leaks: bool, threads: u64) -> u64 {
    // Its time and slot, and a share of its entity's key and place.
    const LABEL: u64 = 8 + 8 + 24;
    // Best event time, winner, and the interval beside the entity; for visible and for hidden rows.
    const LATEST: u64 = 2 * (8 + 48 + 24);
    // A count and a count of hidden rows for each fold, and a sum.
    const WINDOW: u64 = 8 + 4 + 40;
    // Two nodes of a segment tree.
    const TREE: u64 = 2 * 72;
    let mut folded = 0;
    let mut values = 0;
    for feature in &lookup.view.features {
        match feature.fold {
            // Kept rows may be four times as many as slots.
            Fold::Latest { .. } => values += 4 * 16,
            Fold::Aggregate { function, .. } => {
                folded += WINDOW + TREE * function.components().len().saturating_sub(2).max(1) as u64;
            }
        }
    }
    let given = lookup.features.len() as u64 * (2 * 16 + if leaks { 3 } else { 0 });
    LABEL + threads * (LATEST + folded + values) + given
}
