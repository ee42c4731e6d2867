//! Reading little-endian numbers in order, never beyond the end.

use feature::{Micros, Position};

/// What is left to read.
pub(crate) struct Scan<'a>(pub(crate) &'a [u8]);

impl<'a> Scan<'a> {
    pub(crate) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        self.0.split_off(..count)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*bytes)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn micros(&mut self) -> Option<Micros> {
        Micros::new(self.array().map(i64::from_le_bytes)?).ok()
    }

    pub(crate) fn position(&mut self) -> Option<Position> {
        Position::from_bytes(self.array()?)
    }
}

/// The little-endian number at an offset; `None` beyond the end.
pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Scan(bytes.get(offset..)?).u32()
}

/// The little-endian number at an offset; `None` beyond the end.
pub(crate) fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    Scan(bytes.get(offset..)?).u64()
}

/// The moment at an offset; `None` beyond the end, or where the bytes are not a valid moment.
pub(crate) fn micros_at(bytes: &[u8], offset: usize) -> Option<Micros> {
    Scan(bytes.get(offset..)?).micros()
}
