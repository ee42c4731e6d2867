//! What an online row has folded that the log does not have: a stream writes a row before it commits what it folded.

use offline::Log;
use online::{Layout, PackedRow};

use super::entities::Folded;
use crate::error::MaterializerError;
use crate::markers;

/// What an online row has folded beyond the snapshot of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ahead {
    /// Nothing: it is damaged, or the log contradicts it.
    No,
    /// A version that the log does not have.
    OfHistory,
    /// Offsets that the log has not reached.
    OfStream,
}

impl Ahead {
    /// Of a row's bytes, as the online store has them.
    pub(crate) async fn of(log: &Log, layout: &Layout, row: &[u8]) -> Result<Self, MaterializerError> {
        let positions = PackedRow::new(layout, row).and_then(|row| row.positions());
        let Ok(positions) = positions else { return Ok(Ahead::No) };
        for (partition, offset) in positions.partitions() {
            let next: Option<u64> = markers::read_number(log, &markers::next_offset(*partition)).await?;
            if next.is_none_or(|next| *offset >= next) {
                return Ok(Ahead::OfStream);
            }
        }
        let newest = log.version().map(|version| Folded::Committed(version).position());
        Ok(if positions.history() > newest { Ahead::OfHistory } else { Ahead::No })
    }
}
