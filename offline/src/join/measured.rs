//! How far the reads of a join are, and the figures that EXPLAIN ANALYZE shows of it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder, Time};

/// Progress of the reads of one join; shared by its threads and by callers that show it.
#[derive(Debug, Default)]
pub struct Reading {
    /// Set to stop: the threads end after their current batch.
    pub cancelled: AtomicBool,
    /// Files that were read.
    pub(crate) files: AtomicU64,
    /// Files and row groups that were skipped by their statistics.
    pub(crate) row_groups_skipped: AtomicU64,
    /// Rows of row groups that were read, in pages that were skipped.
    pub(crate) rows_skipped: AtomicU64,
    /// Rows that the first pass read.
    pub(crate) rows: AtomicU64,
    /// Rows that the second pass read.
    pub(crate) rows_wanted: AtomicU64,
    /// Bytes of the files that were read.
    pub(crate) bytes: AtomicU64,
}

impl Reading {
    /// Rows that were read so far.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }
}

/// The figures that EXPLAIN ANALYZE shows of one partition.
pub(super) struct Measured {
    pub(super) join_time: Time,
    parts: Count,
    output_rows: Count,
    files_read: Count,
    skipped: Count,
    rows_skipped: Count,
    rows_read: Count,
    rows_fetched: Count,
    bytes: Count,
}

impl Measured {
    pub(super) fn new(metrics: &ExecutionPlanMetricsSet, partition: usize) -> Self {
        let counter = |name: &'static str| MetricBuilder::new(metrics).counter(name, partition);
        Self {
            join_time: MetricBuilder::new(metrics).subset_time("join_time", partition),
            parts: counter("spine_parts"),
            output_rows: MetricBuilder::new(metrics).output_rows(partition),
            files_read: counter("files_read"),
            skipped: counter("files_and_row_groups_skipped"),
            rows_skipped: counter("rows_in_pages_skipped"),
            rows_read: counter("rows_read"),
            rows_fetched: counter("rows_fetched_late"),
            bytes: counter("file_bytes"),
        }
    }

    pub(super) fn note(&self, reading: &Reading, rows: usize) {
        let pairs = [
            (&self.files_read, &reading.files),
            (&self.skipped, &reading.row_groups_skipped),
            (&self.rows_skipped, &reading.rows_skipped),
            (&self.rows_read, &reading.rows),
            (&self.rows_fetched, &reading.rows_wanted),
            (&self.bytes, &reading.bytes),
        ];
        for (count, read) in pairs {
            let total = read.load(Ordering::Relaxed) as usize;
            count.add(total.saturating_sub(count.value()));
        }
        self.parts.add(1);
        self.output_rows.add(rows);
    }
}
