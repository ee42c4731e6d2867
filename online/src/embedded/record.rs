//! What the embedded store notes of each view, in the same transaction as its rows.

use feature::Micros;

use crate::store::Stats;

/// A view's number, which its rows are under, and how much there is of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Record {
    pub(super) number: u32,
    pub(super) stats: Stats,
}

impl Record {
    /// Bytes of a record.
    const WIDTH: usize = 4 + 8 + 8 + 8;

    /// Number, rows, bytes, applied time (`i64::MIN` for none); little-endian.
    pub(super) fn to_bytes(self) -> [u8; Self::WIDTH] {
        let mut bytes = [0; Self::WIDTH];
        let applied_at = self.stats.applied_at.map_or(i64::MIN, Micros::get);
        let (number, rest) = bytes.split_at_mut(4);
        number.copy_from_slice(&self.number.to_le_bytes());
        let parts = [self.stats.rows.to_le_bytes(), self.stats.bytes.to_le_bytes(), applied_at.to_le_bytes()];
        for (place, part) in rest.chunks_exact_mut(8).zip(parts) {
            place.copy_from_slice(&part);
        }
        bytes
    }

    /// Reads what [`Record::to_bytes`] wrote; none where it is no record.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (number, rest) = bytes.split_first_chunk::<4>()?;
        let ([rows, bytes, applied_at], []) = rest.as_chunks::<8>() else { return None };
        let applied_at = match i64::from_le_bytes(*applied_at) {
            i64::MIN => None,
            micros => Some(Micros::new(micros).ok()?),
        };
        let stats = Stats { rows: u64::from_le_bytes(*rows), bytes: u64::from_le_bytes(*bytes), applied_at };
        Some(Self { number: u32::from_le_bytes(*number), stats })
    }
}
