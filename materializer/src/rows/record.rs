//! One record of a stream, as its topic gives it.

use feature::{Micros, TraceParent};

/// One record of a stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// The partition.
    pub partition: u32,
    /// Its offset in the partition.
    pub offset: u64,
    /// The broker's timestamp.
    pub timestamp: Micros,
    /// When it was received; never before its broker appended it, if the broker says when that was.
    pub received_at: Micros,
    /// The record's key in bytes, if it has one.
    pub key: Option<Vec<u8>>,
    /// The record's value in bytes; `None` in a tombstone.
    pub value: Option<Vec<u8>>,
    /// The trace that its producer records it in, if it does.
    pub trace: Option<TraceParent>,
    /// Whether its key and value were taken out of its topic, because its entity was forgotten.
    pub is_forgotten: bool,
}

impl Record {
    /// Bytes that it takes in memory.
    pub fn bytes(&self) -> usize {
        let length = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        size_of::<Self>() + length(&self.key) + length(&self.value)
    }
}
