//! What only the writer of a table knows: which slots are free, and which wait for readers.

use std::collections::{HashMap, VecDeque};

use super::slabs::{Kind, Slabs};

/// What only the writer knows.
pub(super) struct WriterState {
    pub(super) slabs: Slabs,
    /// Unreachable since the last tag was taken.
    pub(super) open: Vec<Waiting>,
    /// Unreachable since a tag, the earliest first.
    pub(super) tagged: VecDeque<(u64, Vec<Waiting>)>,
    pub(super) shapes: HashMap<u64, usize>,
    /// Entries of each shape whose slots are not free yet.
    pub(super) shaped: Vec<u32>,
    pub(super) free_shapes: Vec<usize>,
    pub(super) entries: usize,
    /// The next bucket, and the next slab, that is looked at for rows to let go.
    pub(super) hand: usize,
    pub(super) slab_hand: usize,
}

/// A slot that nothing names any more, and that a reader may still see.
#[derive(Clone, Copy)]
pub(super) struct Waiting {
    pub(super) line: usize,
    pub(super) kind: Kind,
}

impl WriterState {
    pub(super) fn new(lines: usize) -> WriterState {
        WriterState {
            slabs: Slabs::new(lines),
            open: Vec::new(),
            tagged: VecDeque::new(),
            shapes: HashMap::new(),
            shaped: vec![0],
            free_shapes: Vec::new(),
            entries: 0,
            hand: 0,
            slab_hand: 0,
        }
    }
}
