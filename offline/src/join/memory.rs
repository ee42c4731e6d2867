//! How much memory labels take while they are joined: what decides into how many parts a spine is cut.

use arrow::array::{Array, ArrayRef, RecordBatch};
use feature::{Component, DataType, Fold};

use crate::join::spec::{JoinLookup, JoinSpec};

/// Bytes that the rows of a spine and everything that is known of them take at the most, while they
/// are joined by the threads of the spec.
pub(crate) fn bytes_of_labels(spec: &JoinSpec, batch: &RecordBatch) -> u64 {
    batch.num_rows() as u64 * bytes_of_row(spec, batch)
}

/// How many of the batch's first rows take no more than this many bytes.
pub(crate) fn rows_that_fit(spec: &JoinSpec, batch: &RecordBatch, bytes: u64) -> usize {
    usize::try_from(bytes / bytes_of_row(spec, batch)).unwrap_or(usize::MAX)
}

fn bytes_of_row(spec: &JoinSpec, batch: &RecordBatch) -> u64 {
    let threads = spec.threads.max(1) as u64;
    // A slice of a column has only its own share of the buffers.
    let bytes_of = |column: &ArrayRef| {
        let own = column.to_data().get_slice_memory_size();
        own.unwrap_or_else(|_| column.get_array_memory_size()) as u64
    };
    let rows = batch.num_rows().max(1) as u64;
    let row_bytes = batch.columns().iter().map(bytes_of).sum::<u64>().div_ceil(rows);
    let lookups = spec.lookups.iter().map(|lookup| bytes_of_label(lookup, spec.leaks, threads));
    // A row of the spine is held twice: as it came, and concatenated.
    2 * row_bytes + 8 + lookups.sum::<u64>()
}

/// Bytes of one label of one lookup.
fn bytes_of_label(lookup: &JoinLookup, leaks: bool, threads: u64) -> u64 {
    // Its time and slot, and a share of its entity's key and slot.
    const LABEL: u64 = 8 + 8 + 24;
    // The row of a slot, and the interval beside the entity.
    const LATEST: u64 = 8 + 24;
    // Best event time, and the facts of two kept rows.
    const SHARED: u64 = 8 + 2 * 32;
    // A hidden row: its slot, event time and row, in a table that is half empty; its facts.
    const HIDDEN: u64 = 2 * 24 + 32;
    // A count and a count of hidden rows for each fold, and a sum.
    const WINDOW: u64 = 8 + 4 + 40;
    let mut folded = 0;
    let mut values = 0;
    for feature in lookup.features.iter().filter_map(|(index, _)| lookup.view.features.get(*index)) {
        match feature.fold {
            // Kept rows may be twice as many as slots.
            Fold::Latest { .. } => values += 2 * 16,
            Fold::Aggregate { function, .. } => {
                let argument = lookup.view.argument(feature);
                let trees = function.components().iter().map(|component| bytes_of_tree(*component, argument));
                folded += WINDOW + trees.sum::<u64>();
            }
        }
    }
    let hidden = if leaks { HIDDEN } else { 0 };
    LABEL + SHARED + values + threads * (LATEST + hidden + folded)
}

/// Bytes that a segment tree takes for one label: two states.
fn bytes_of_tree(component: Component, argument: Option<DataType>) -> u64 {
    const STATE: u64 = 72;
    // Text beyond this is rare.
    const VALUE_BYTES: usize = 32;
    match component {
        Component::Count | Component::Sum => 0,
        component if component.slot_width(argument).is_some() => 2 * STATE,
        component => 2 * (STATE + component.longest_state(argument, VALUE_BYTES) as u64),
    }
}
