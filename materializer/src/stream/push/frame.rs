//! One record on disk: its length, a checksum, and what the checksum covers.

use feature::Micros;

use crate::rows::record::Record;

/// The longest key and value together.
pub(crate) const MAX_RECORD_BYTES: usize = 8 << 20;

/// Bytes before what the checksum covers: length and checksum.
pub(super) const HEAD: usize = 8;
/// Bytes of what it covers beside key and value: offset, timestamp, flags, the key's length.
const FIXED: usize = 8 + 8 + 1 + 4;
const HAS_KEY: u8 = 1;
const HAS_VALUE: u8 = 2;
const BEGINS: u8 = 4;
const FORGOTTEN: u8 = 8;

/// A record and its offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) offset: u64,
    pub(super) timestamp: Micros,
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    /// Whether it is the first of an append: everything before it was synced when it was written.
    pub(super) begins: bool,
    /// Whether its key and value are zeros now, because its entity was forgotten.
    pub(super) is_forgotten: bool,
}

impl Frame {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; HEAD]);
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.timestamp.get().to_le_bytes());
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        out.push(
            flag(self.key.is_some(), HAS_KEY)
                | flag(self.value.is_some(), HAS_VALUE)
                | flag(self.begins, BEGINS)
                | flag(self.is_forgotten, FORGOTTEN),
        );
        let key = self.key.as_deref().unwrap_or_default();
        out.extend_from_slice(&(key.len() as u32).to_le_bytes());
        out.extend_from_slice(key);
        out.extend_from_slice(self.value.as_deref().unwrap_or_default());
        let covered = out.get(start + HEAD..).unwrap_or_default();
        let (length, sum) = (covered.len() as u32, crc32fast::hash(covered));
        if let Some(head) = out.get_mut(start..start + HEAD) {
            let (first, second) = head.split_at_mut(HEAD / 2);
            first.copy_from_slice(&length.to_le_bytes());
            second.copy_from_slice(&sum.to_le_bytes());
        }
    }

    /// How many bytes follow a head, and what their checksum is.
    pub(super) fn head(head: [u8; HEAD]) -> (usize, u32) {
        let [a, b, c, d, e, f, g, h] = head;
        (u32::from_le_bytes([a, b, c, d]) as usize, u32::from_le_bytes([e, f, g, h]))
    }

    /// The frame of what follows a head; `None` if it does not match its checksum.
    pub(super) fn read(covered: &[u8], sum: u32) -> Option<Self> {
        if crc32fast::hash(covered) != sum || covered.len() < FIXED {
            return None;
        }
        let (offset, rest) = covered.split_first_chunk()?;
        let (timestamp, rest) = rest.split_first_chunk()?;
        let (flags, rest) = rest.split_first()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (key, value) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        let kept = |flag: u8, bytes: &[u8]| (flags & flag != 0).then(|| bytes.to_vec());
        Some(Self {
            offset: u64::from_le_bytes(*offset),
            timestamp: Micros::new(i64::from_le_bytes(*timestamp)).ok()?,
            key: kept(HAS_KEY, key),
            value: kept(HAS_VALUE, value),
            begins: flags & BEGINS != 0,
            is_forgotten: flags & FORGOTTEN != 0,
        })
    }

    /// The first whole frame in these bytes, at whatever byte it begins, of which this holds.
    pub(super) fn find(bytes: &[u8], holds: impl Fn(&Self) -> bool) -> Option<Self> {
        (0..bytes.len()).find_map(|at| {
            let (head, rest) = bytes.get(at..)?.split_first_chunk::<HEAD>()?;
            let (length, sum) = Self::head(*head);
            let covered = rest.get(..length).filter(|_| length >= FIXED)?;
            Self::read(covered, sum).filter(&holds)
        })
    }

    /// The record that is received at this moment, and never before it was appended: a clock that went back since makes
    /// no row available earlier.
    pub(super) fn into_record(self, received_at: Micros) -> Record {
        let Frame { offset, timestamp, key, value, begins: _, is_forgotten } = self;
        let received_at = received_at.max(timestamp);
        Record { partition: 0, offset, timestamp, received_at, key, value, trace: None, is_forgotten }
    }
}
