//! Rows whose producers trace them: when each reached which step, from its topic to its commit.

use std::fmt;

use feature::{Micros, TraceParent};

/// Rows of one flush that are traced at most; the others are not recorded.
pub(crate) const MOST_OF_A_FLUSH: usize = 64;

/// A row that its producer traces, once it is committed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TracedRow {
    /// The producer's span.
    pub parent: TraceParent,
    /// Where it is in its topic.
    pub partition: u32,
    /// Its offset there.
    pub offset: u64,
    /// The broker's timestamp.
    pub appended_at: Micros,
    /// When it was received.
    pub received_at: Micros,
    /// When it was transformed and folded.
    pub transformed_at: Micros,
    /// When the online store had acknowledged it.
    pub acknowledged_at: Micros,
    /// When it was in the log.
    pub committed_at: Micros,
}

/// Receives the traced rows of one view. It is called on the thread of the view's stream, and does not block.
pub trait RowTraces: Send + Sync + fmt::Debug {
    /// A row is committed.
    fn committed(&self, row: &TracedRow);
}
