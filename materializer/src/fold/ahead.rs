//! What an online row has folded that the log does not have: a stream writes a row before it commits what it folded.

use std::collections::HashMap;

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

/// What one snapshot of a log has of its stream. Each partition's offset is read from the log once.
pub(crate) struct Reached<'a> {
    log: &'a Log,
    layout: &'a Layout,
    /// The first offset of a partition that the log does not have; `None` if it has nothing of the partition.
    next: HashMap<u32, Option<u64>>,
}

impl<'a> Reached<'a> {
    pub(crate) fn by(log: &'a Log, layout: &'a Layout) -> Self {
        Self { log, layout, next: HashMap::new() }
    }

    /// What a row, as the online store has it, has folded beyond the log.
    pub(crate) async fn ahead(&mut self, row: &[u8]) -> Result<Ahead, MaterializerError> {
        let positions = PackedRow::new(self.layout, row).and_then(|row| row.positions());
        let Ok(positions) = positions else { return Ok(Ahead::No) };
        for (partition, offset) in positions.partitions() {
            if self.next(*partition).await?.is_none_or(|next| *offset >= next) {
                return Ok(Ahead::OfStream);
            }
        }
        let newest = self.log.version().map(|version| Folded::Committed(version).position());
        Ok(if positions.history() > newest { Ahead::OfHistory } else { Ahead::No })
    }

    async fn next(&mut self, partition: u32) -> Result<Option<u64>, MaterializerError> {
        if let Some(next) = self.next.get(&partition) {
            return Ok(*next);
        }
        let next = markers::read_number(self.log, &markers::next_offset(partition)).await?;
        self.next.insert(partition, next);
        Ok(next)
    }
}
