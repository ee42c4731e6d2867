//! What a store may know of a packed row without its view's definition: that it is whole, of which definition it is, and
//! which positions it has folded.

use feature::VersionId;

use super::scan::{u32_at, u64_at};
use super::tail::{PARTITION, in_tail};
use super::{CHECKSUM, LAYOUT_VERSION, MAGIC, Tail, at};
use crate::error::OnlineError;
use crate::positions::Positions;

/// What a store compares before it replaces a row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RowIdentity {
    /// The definition that the row is of.
    pub schema_id: u64,
    /// What the row has folded.
    pub positions: Positions,
}

impl RowIdentity {
    /// Of a whole packed row of this view; its checksum is checked.
    pub fn of(view: &VersionId, bytes: &[u8]) -> Result<Self, OnlineError> {
        let identity = Self::of_whole(view, bytes)?;
        let what = "its checksum does not match";
        check_sum(bytes).map(|()| identity).ok_or_else(|| OnlineError::Damaged { view: view.clone(), what })
    }

    /// The same of a row whose checksum was checked before.
    pub(crate) fn of_whole(view: &VersionId, bytes: &[u8]) -> Result<Self, OnlineError> {
        let damaged = |what| OnlineError::Damaged { view: view.clone(), what };
        check_head(view, bytes)?;
        let read = || {
            let schema_id = u64_at(bytes, at::SCHEMA)?;
            let tail = u32_at(bytes, at::TAIL)? as usize;
            let positions = Tail::read_positions(bytes.get(tail..)?)?;
            Some(Self { schema_id, positions })
        };
        read().ok_or_else(|| damaged("its positions are not valid"))
    }
}

/// The bytes of a row's identity: its definition, and its positions as they lie in its tail. Two rows of one entity with
/// the same bytes here have folded the same. The script in `redis/script.rs` takes the same bytes from a row.
pub(crate) fn identity_bytes(bytes: &[u8]) -> Option<Vec<u8>> {
    let tail = u32_at(bytes, at::TAIL)? as usize;
    let count = u32_at(bytes, tail + in_tail::PARTITION_COUNT)? as usize;
    let partitions = tail + in_tail::PARTITIONS;
    let parts = [
        at::SCHEMA..at::EVENT_TIME,
        tail + in_tail::HAS_HISTORY..tail + in_tail::PENDING_COUNT,
        partitions..partitions + PARTITION * count,
    ];
    let parts: Option<Vec<&[u8]>> = parts.into_iter().map(|part| bytes.get(part)).collect();
    Some(parts?.concat())
}

/// Checks what is the same in the rows of all views: how a row begins, its version, its length.
pub(super) fn check_head(view: &VersionId, bytes: &[u8]) -> Result<(), OnlineError> {
    let damaged = |what| Err(OnlineError::Damaged { view: view.clone(), what });
    let (Some(magic), Some(version)) = (bytes.get(..at::VERSION), bytes.get(at::VERSION)) else {
        return damaged("it is shorter than a header");
    };
    if magic != MAGIC {
        return damaged("it does not begin as a packed row");
    }
    if *version > LAYOUT_VERSION {
        return Err(OnlineError::Newer {
            what: format!("a packed row of {view}"),
            found: (*version).into(),
            known: LAYOUT_VERSION.into(),
        });
    }
    if *version < LAYOUT_VERSION {
        return damaged("its layout version was never in use");
    }
    if u32_at(bytes, at::LENGTH).map(|length| length as usize) != Some(bytes.len()) {
        return damaged("its length is not the one that it names");
    }
    Ok(())
}

/// Checks a row against the checksum that ends it.
pub(crate) fn check_sum(bytes: &[u8]) -> Option<()> {
    let end = bytes.len().checked_sub(CHECKSUM)?;
    (crc32fast::hash(bytes.get(..end)?) == u32_at(bytes, end)?).then_some(())
}
