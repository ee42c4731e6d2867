//! The packed row: the bytes of one entity of one view version, the same in every store.
//! `docs/packed-row.md` is its description byte by byte; the offsets named there are named here.

mod bits;
#[cfg(test)]
mod golden;
mod head;
mod layout;
mod merging;
mod row;
mod scan;
mod tail;

pub use head::RowIdentity;
pub use layout::Layout;
pub use row::PackedRow;

pub(crate) use bits::{count_ones, is_set, set};
pub(crate) use head::{check_sum, identity_bytes};
pub(crate) use layout::{FeaturePlan, LatestSlot, RingPlan, tail_tile};
pub(crate) use scan::{Scan, micros_at, u32_at, u64_at};
pub(crate) use tail::{PARTITION, Tail, in_tail, write as write_tail};

/// The version of the layout that is written.
pub const LAYOUT_VERSION: u8 = 1;

/// The longest packed row, in bytes.
pub const MAX_ROW_BYTES: usize = 64 << 20;

/// How many rows of an entity may wait to become visible.
pub const PENDING_BOUND: usize = 256;

/// The first two bytes of every packed row.
pub(crate) const MAGIC: [u8; 2] = *b"tw";

/// Where the parts of the header lie.
pub(crate) mod at {
    pub(crate) const VERSION: usize = 2;
    pub(crate) const FLAGS: usize = 3;
    pub(crate) const LENGTH: usize = 4;
    pub(crate) const SCHEMA: usize = 8;
    pub(crate) const EVENT_TIME: usize = 16;
    pub(crate) const AVAILABLE_AT: usize = 24;
    pub(crate) const TAIL: usize = 32;
    pub(crate) const NULLS: usize = 36;
}

/// A row was folded: the header's times and the latest values are those of a row.
pub(crate) const FLAG_FOLDED: u8 = 1;
/// Rows wait in the tail: a reader has to look at them.
pub(crate) const FLAG_PENDING: u8 = 2;

/// Bytes of a reference to the variable part: offset (u32) and length (u32).
pub(crate) const REFERENCE: usize = 8;
/// Bytes of a ring's entry in the directory: offset of its slots (u32) and of its spills (u32).
pub(crate) const ENTRY: usize = 8;
/// Bytes of the checksum that ends a row.
pub(crate) const CHECKSUM: usize = 4;

/// The next multiple of eight.
pub(crate) const fn aligned(bytes: usize) -> usize {
    bytes.next_multiple_of(8)
}
