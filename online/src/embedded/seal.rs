//! What is stored with each row and each note so that a damaged one is never taken for what was written: a
//! checksum that covers the key that it is stored under as well as its contents.

use crate::packed::{CHECKSUM, at, check_sum, u32_at};

/// Bytes of the seal that follows a row or a note.
pub(super) const SEAL: usize = 4;

/// The seal of a row under its key. The row's own checksum covers its contents, so covering that is enough.
pub(super) fn seal(stored_key: &[u8], row: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(stored_key);
    hasher.update(row.last_chunk::<CHECKSUM>().map_or(row, |checksum| checksum));
    hasher.finalize()
}

/// A row as it is stored. One that was written before format 3 has no seal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stored<'a> {
    pub(super) row: &'a [u8],
    seal: Option<u32>,
}

impl<'a> Stored<'a> {
    /// What lies there, by the length that it names; where it names none that fits, all of it.
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        let length = u32_at(bytes, at::LENGTH).map(|length| length as usize);
        let split = length.filter(|length| length.checked_add(SEAL) == Some(bytes.len()));
        match split.and_then(|length| bytes.split_at_checked(length)) {
            Some((row, seal)) => Self { row, seal: u32_at(seal, 0) },
            None => Self { row: bytes, seal: None },
        }
    }

    /// Whether it is what was written under this key; else what does not hold.
    #[inline]
    pub(super) fn check(&self, stored_key: &[u8]) -> Result<&'a [u8], &'static str> {
        if u32_at(self.row, at::LENGTH).map(|length| length as usize) != Some(self.row.len()) {
            return Err("its length is not the one that it names");
        }
        check_sum(self.row).ok_or("its checksum does not match")?;
        match self.seal {
            Some(given) if given != seal(stored_key, self.row) => {
                Err("it is not the row that was written there")
            }
            _ => Ok(self.row),
        }
    }

    /// Whether a damaged row is whole by itself: then its key or its seal is not what was written.
    pub(super) fn is_displaced(&self) -> bool {
        check_sum(self.row).is_some()
    }

    /// What it adds to the sum over its view's rows: of a damaged row, as far as can be known, what it added
    /// when it was written.
    pub(super) fn share(&self, stored_key: &[u8]) -> u64 {
        self.seal.unwrap_or_else(|| seal(stored_key, self.row)).into()
    }
}

/// A row as it is to be stored under its key.
pub(super) fn stored(stored_key: &[u8], row: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(row.len() + SEAL);
    bytes.extend_from_slice(row);
    bytes.extend_from_slice(&seal(stored_key, row).to_le_bytes());
    bytes
}

fn seal_of_note(name: &[u8], note: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(name);
    hasher.update(note);
    hasher.finalize()
}

/// A note as it is stored under its name.
pub(super) fn sealed(name: &[u8], note: &[u8]) -> Vec<u8> {
    let mut bytes = note.to_vec();
    bytes.extend_from_slice(&seal_of_note(name, note).to_le_bytes());
    bytes
}

/// The note that was stored under this name; none where it is not what was written.
pub(super) fn unsealed<'a>(name: &[u8], bytes: &'a [u8]) -> Option<&'a [u8]> {
    let (note, given) = bytes.split_last_chunk::<SEAL>()?;
    (u32::from_le_bytes(*given) == seal_of_note(name, note)).then_some(note)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: &[u8] = include_bytes!("../../golden/row-1.bin");

    #[test]
    fn no_flipped_bit_of_a_stored_row_goes_unseen() {
        let there = stored(b"key", ROW);
        assert_eq!(Stored::of(&there).check(b"key"), Ok(ROW));
        assert!(Stored::of(&there).check(b"plate").is_err());
        for bit in 0..there.len() * 8 {
            let mut flipped = there.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Stored::of(&flipped).check(b"key").is_err(), "bit {bit}");
        }
        assert_eq!(Stored::of(ROW).check(b"anywhere"), Ok(ROW));
        assert!(Stored::of(&there[..there.len() - 1]).check(b"key").is_err());
    }

    #[test]
    fn no_flipped_bit_of_a_note_or_of_its_name_goes_unseen() {
        let there = sealed(b"name", b"note");
        assert_eq!(unsealed(b"name", &there), Some(&b"note"[..]));
        assert_eq!(unsealed(b"nane", &there), None);
        for bit in 0..there.len() * 8 {
            let mut flipped = there.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(unsealed(b"name", &flipped), None, "bit {bit}");
        }
    }
}
