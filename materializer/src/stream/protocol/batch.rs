//! The records that are gathered for one flush, and when they are enough: rows, bytes and time are each bounded.

use std::collections::BTreeMap;

use feature::{Micros, Span};

use crate::rows::record::Record;

/// When a flush begins, and how long a step that failed rests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Rows of one flush at most.
    pub rows: usize,
    /// Bytes of one flush's records, of which one record more may lie in memory.
    pub bytes: usize,
    /// How long the first record of a flush waits for others, here and at the broker together.
    pub wait: Span,
    /// How long a step rests that failed for the first time; it doubles with each failure.
    pub first_rest: Span,
    /// How long it rests at most.
    pub longest_rest: Span,
}

/// Since when the first record of a flush waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waits {
    /// Since it was received.
    pub(super) here: Micros,
    /// Since the broker had it: while a flush was under way, records waited there.
    pub(super) anywhere: Micros,
}

/// The records of a flush.
#[derive(Clone, Debug, Default)]
pub(super) struct Gathered {
    records: Vec<Record>,
    bytes: usize,
    waits: Option<Waits>,
    /// The offset after the last record of each partition.
    ends: BTreeMap<u32, u64>,
}

impl Gathered {
    pub(super) fn push(&mut self, record: Record, now: Micros) {
        self.bytes += record.bytes();
        let waits = self.waits.get_or_insert(Waits { here: now, anywhere: now });
        waits.anywhere = waits.anywhere.min(record.timestamp);
        self.ends.insert(record.partition, record.offset + 1);
        self.records.push(record);
    }

    /// Its first record waits since this moment, if not for longer.
    pub(super) fn waits_since(&mut self, now: Micros) {
        if let Some(waits) = &mut self.waits {
            waits.here = waits.here.min(now);
        }
    }

    pub(super) fn records(&self) -> &[Record] {
        &self.records
    }

    pub(super) fn waits(&self) -> Option<Waits> {
        self.waits
    }

    pub(super) fn is_full(&self, bounds: &Bounds) -> bool {
        self.records.len() >= bounds.rows || self.bytes >= bounds.bytes
    }

    pub(super) fn end(&self, partition: u32) -> Option<u64> {
        self.ends.get(&partition).copied()
    }

    /// The offset after the last record of each partition.
    pub(super) fn ends(&self) -> Vec<(u32, u64)> {
        self.ends.iter().map(|(partition, end)| (*partition, *end)).collect()
    }

    /// Folds skip rows at or below their position, so records are folded in the order of their offsets.
    pub(super) fn sort(&mut self) {
        self.records.sort_by_key(|record| (record.partition, record.offset));
    }

    /// Drops the records of these partitions.
    pub(super) fn leave_out(&mut self, is_left_out: impl Fn(u32) -> bool) {
        self.records.retain(|record| !is_left_out(record.partition));
        self.ends.retain(|partition, _| !is_left_out(*partition));
        self.bytes = self.records.iter().map(Record::bytes).sum();
        if self.records.is_empty() {
            self.waits = None;
        }
    }
}
