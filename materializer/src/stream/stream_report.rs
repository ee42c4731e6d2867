//! What a stream did, for its operator: counts, and how late and how far behind each partition is.

use std::collections::BTreeMap;

use feature::{Micros, Position, VersionId};
use serde::Serialize;

use super::protocol::{BadRows, Located};
use crate::rows::accepted::AcceptedRows;
use crate::rows::counts::{RowCounts, add_counts};
use crate::rows::record::Record;

/// The outcome for the records of one view's stream since it began to be followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StreamReport {
    /// The view.
    pub view: VersionId,
    /// Commits of the log.
    pub flushes: u64,
    /// Records that were read.
    pub records: u64,
    /// Rows that are new in the log.
    pub rows_loaded: u64,
    /// Of these, rows that arrived later than the source allows.
    pub late: u64,
    /// Rows that did not pass the view's `where`.
    pub filtered: u64,
    /// Rows with a null in their key, left out.
    pub null_keys: u64,
    /// Rows of forgotten entities, left out.
    pub forgotten: u64,
    /// Rows in the dead-letter table, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Rows that an expectation only warns of, by expectation.
    pub warned: BTreeMap<String, u64>,
    /// Entities whose online rows were written, each time that they were.
    pub entities_written: u64,
    /// Entities whose folds are in memory.
    pub entities_in_memory: u64,
    /// Online rows that another process changed meanwhile, and that were folded again.
    pub folded_again: u64,
    /// How often the online store had lost rows, and was rebuilt from the log.
    pub rebuilt: u64,
    /// The process that read what this one did not, where it caught up beside another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_by: Option<String>,
    /// Each partition that is read.
    pub partitions: BTreeMap<u32, PartitionReport>,
}

/// How far one partition is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PartitionReport {
    /// The next offset by the log.
    pub next: u64,
    /// The offset that the source's next row had when it was last read.
    pub end: u64,
    /// The greatest event time that the log has of it.
    pub watermark: Option<Micros>,
    /// When its newest record was received: it is idle since.
    pub received_at: Option<Micros>,
    /// If more of its newest rows are bad than the stream allows: how many, and of how many.
    pub too_many_bad: Option<BadRows>,
}

/// A flush that is in both stores.
pub(crate) struct Flushed<'a> {
    pub(crate) accepted: Option<&'a AcceptedRows>,
    pub(crate) late: u64,
    pub(crate) counts: RowCounts,
    pub(crate) ends: &'a [(u32, u64)],
    pub(crate) records: &'a [Record],
}

impl StreamReport {
    pub(crate) fn new(view: VersionId) -> Self {
        Self {
            view,
            flushes: 0,
            records: 0,
            rows_loaded: 0,
            late: 0,
            filtered: 0,
            null_keys: 0,
            forgotten: 0,
            refused: BTreeMap::new(),
            warned: BTreeMap::new(),
            entities_written: 0,
            entities_in_memory: 0,
            folded_again: 0,
            rebuilt: 0,
            read_by: None,
            partitions: BTreeMap::new(),
        }
    }

    /// Rows that are not loaded, and not bad: by `where`, a null in their key, or as forgotten.
    pub fn left_out(&self) -> u64 {
        self.filtered + self.null_keys + self.forgotten
    }

    /// Rows that were refused, whatever the reason.
    pub fn refused_rows(&self) -> u64 {
        self.refused.values().sum()
    }

    /// Notes the partitions in which too many of the newest rows are bad.
    pub(crate) fn too_many_bad(&mut self, partitions: &BTreeMap<u32, BadRows>) {
        for (number, partition) in &mut self.partitions {
            partition.too_many_bad = partitions.get(number).copied();
        }
    }

    pub(crate) fn located(&mut self, partitions: &[Located]) {
        for located in partitions {
            let partition = self.partitions.entry(located.partition).or_default();
            partition.next = located.committed.unwrap_or(located.earliest);
            partition.end = located.end;
        }
    }

    pub(crate) fn flushed(&mut self, flush: Flushed<'_>) {
        let Flushed { accepted, late, counts, ends, records } = flush;
        self.flushes += 1;
        self.rows_loaded += accepted.map_or(0, AcceptedRows::len) as u64;
        self.late += late;
        self.records += counts.read;
        self.filtered += counts.filtered;
        self.null_keys += counts.null_keys;
        self.forgotten += counts.forgotten;
        add_counts(&mut self.refused, counts.refused);
        add_counts(&mut self.warned, counts.warned);
        for (partition, end) in ends {
            let partition = self.partitions.entry(*partition).or_default();
            partition.next = *end;
            partition.end = partition.end.max(*end);
        }
        for record in records {
            let partition = self.partitions.entry(record.partition).or_default();
            partition.received_at = partition.received_at.max(Some(record.received_at));
        }
        for (position, event_time) in accepted.into_iter().flat_map(AcceptedRows::events) {
            if let Position::Stream { partition, .. } = position {
                let partition = self.partitions.entry(partition).or_default();
                partition.watermark = partition.watermark.max(Micros::new(event_time).ok());
            }
        }
    }
}
