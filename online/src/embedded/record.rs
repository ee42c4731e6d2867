//! What the embedded store notes of each view, in the same transaction as its rows.

use feature::Micros;

use super::seal::{sealed, unsealed};
use crate::packed::Scan;
use crate::store::Stats;

/// A view's number, which its rows are under, and how much there is of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Record {
    pub(super) number: u32,
    /// How often the rows were counted again, at the end of each rebuild.
    pub(super) recounts: u32,
    pub(super) stats: Stats,
    /// The seals of all rows, added up.
    pub(super) sum: u64,
}

impl Record {
    /// Of a view without rows.
    pub(super) fn new(number: u32) -> Self {
        Self { number, recounts: 0, stats: Stats::default(), sum: 0 }
    }

    /// A row is there from now on.
    pub(super) fn add(&mut self, bytes: usize, share: u64) {
        self.stats.rows += 1;
        self.stats.bytes += bytes as u64;
        self.sum = self.sum.wrapping_add(share);
    }

    /// A row is there no more.
    pub(super) fn subtract(&mut self, bytes: usize, share: u64) {
        self.stats.rows = self.stats.rows.saturating_sub(1);
        self.stats.bytes = self.stats.bytes.saturating_sub(bytes as u64);
        self.sum = self.sum.wrapping_sub(share);
    }

    /// Number, recounts, rows, bytes, applied time (`i64::MIN` for none), sum; little-endian, sealed.
    pub(super) fn to_bytes(self, view: &str) -> Vec<u8> {
        let applied_at = self.stats.applied_at.map_or(i64::MIN, Micros::get);
        let mut bytes = Vec::with_capacity(44);
        bytes.extend_from_slice(&self.number.to_le_bytes());
        bytes.extend_from_slice(&self.recounts.to_le_bytes());
        bytes.extend_from_slice(&self.stats.rows.to_le_bytes());
        bytes.extend_from_slice(&self.stats.bytes.to_le_bytes());
        bytes.extend_from_slice(&applied_at.to_le_bytes());
        bytes.extend_from_slice(&self.sum.to_le_bytes());
        sealed(view.as_bytes(), &bytes)
    }

    /// Reads what [`Record::to_bytes`] wrote for this view; none where it is no such record.
    pub(super) fn from_bytes(view: &[u8], bytes: &[u8]) -> Option<Self> {
        let mut scan = Scan(unsealed(view, bytes)?);
        let (number, recounts) = (scan.u32()?, scan.u32()?);
        let (rows, bytes, applied_at) = (scan.u64()?, scan.u64()?, applied_at(scan.u64()?)?);
        let sum = scan.u64()?;
        let stats = Stats { rows, bytes, applied_at };
        scan.0.is_empty().then_some(Self { number, recounts, stats, sum })
    }

    /// Reads what formats 1 and 2 held: number, rows, bytes, applied time, without a seal. Its sum is to be
    /// worked out.
    pub(super) fn from_format_2(bytes: &[u8]) -> Option<Self> {
        let mut scan = Scan(bytes);
        let number = scan.u32()?;
        let (rows, bytes, applied_at) = (scan.u64()?, scan.u64()?, applied_at(scan.u64()?)?);
        let stats = Stats { rows, bytes, applied_at };
        scan.0.is_empty().then_some(Self { number, recounts: 0, stats, sum: 0 })
    }
}

/// The applied time of these bits; nothing where they are no time.
fn applied_at(bits: u64) -> Option<Option<Micros>> {
    match bits.cast_signed() {
        i64::MIN => Some(None),
        micros => Micros::new(micros).ok().map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_back_under_its_own_name_alone() {
        let stats = Stats { rows: 3, bytes: 400, applied_at: Micros::new(9).ok() };
        let record = Record { number: 7, recounts: 2, stats, sum: u64::MAX - 1 };
        let bytes = record.to_bytes("v@1");
        assert_eq!(Record::from_bytes(b"v@1", &bytes), Some(record));
        assert_eq!(Record::from_bytes(b"v@2", &bytes), None);
        assert_eq!(Record::from_format_2(&bytes), None);
    }
}
