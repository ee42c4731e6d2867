//! What a store may know of a packed row without its view's definition: that it is whole, and which
//! positions it has folded.

use feature::VersionId;

use super::scan::{u32_at, u64_at};
use super::{CHECKSUM, LAYOUT_VERSION, MAGIC, Tail, at};
use crate::error::OnlineError;
use crate::positions::Positions;

/// What a store compares before it replaces a row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Held {
    /// The definition that the row is of.
    pub(crate) schema_id: u64,
    pub(crate) positions: Positions,
}

impl Held {
    /// Of a whole packed row of this view; its checksum is checked.
    pub(crate) fn of(view: &VersionId, bytes: &[u8]) -> Result<Held, OnlineError> {
        let held = Self::of_whole(view, bytes)?;
        let what = "its checksum does not match";
        check_sum(bytes).map(|()| held).ok_or_else(|| OnlineError::Damaged { view: view.clone(), what })
    }

    /// The same of a row whose checksum was checked before.
    pub(crate) fn of_whole(view: &VersionId, bytes: &[u8]) -> Result<Held, OnlineError> {
        let damaged = |what| OnlineError::Damaged { view: view.clone(), what };
        check_head(view, bytes)?;
        let read = || {
            let schema_id = u64_at(bytes, at::SCHEMA)?;
            let tail = u32_at(bytes, at::TAIL)? as usize;
            let positions = Tail::read_positions(bytes.get(tail..)?)?;
            Some(Held { schema_id, positions })
        };
        read().ok_or_else(|| damaged("its positions are none"))
    }
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
