//! How a stream is followed.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::stream::fault_injection::FaultInjection;
use crate::stream::protocol::{BadRowLimit, Bounds};
use crate::stream::stream_metrics::StreamMetrics;

/// How a stream is followed.
#[derive(Clone, Debug)]
pub struct StreamOptions {
    /// When a flush begins, and how long a step that failed rests.
    pub bounds: Bounds,
    /// The share of bad rows that stops it.
    pub bad_row_limit: BadRowLimit,
    /// Bytes of folds that are kept in memory.
    pub max_fold_bytes: usize,
    /// Is updated while the stream runs.
    pub metrics: Arc<StreamMetrics>,
    /// Whether to stop once everything is in the log that the source had when its partitions were assigned.
    pub until_caught_up: bool,
    /// Set to stop: what was received is flushed first.
    pub stop: Arc<AtomicBool>,
    /// The faults that a test injects; none by default.
    pub faults: Arc<FaultInjection>,
}
