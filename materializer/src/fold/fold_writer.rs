//! Entities that are kept up with the log while they are written online: they are folded further if another writer changed
//! their rows meanwhile.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use feature::{EntityKey, Micros};
use offline::Log;
use online::{Layout, Read, Reader, Writer};

use super::ahead::{Ahead, Reached};
use super::entities::{Entities, Folded};
use super::writing::write;
use crate::error::MaterializerError;

/// How long entities are folded further because another writer changed their rows meanwhile, at least so often, and how
/// long that one is given each time to commit what it wrote: a stream writes a row before its commit.
const PATIENCE: Duration = Duration::from_secs(20);
const LEAST_TRIES: usize = 20;
const REST: Duration = Duration::from_millis(10);

/// Writes entities that are kept up with the log.
pub(crate) struct FoldWriter<'a, W, C> {
    pub(crate) online: &'a W,
    pub(crate) clock: C,
    /// The markers that no other writer may move meanwhile.
    pub(crate) reads: &'a [&'a str],
    pub(crate) of: fn(u64) -> Folded,
}

impl<W: Reader + Writer, C: Fn() -> Micros> FoldWriter<'_, W, C> {
    /// Writes some entities or all, folded from the snapshot of the log. Those whose online rows have folded what the
    /// log did not have yet are folded further with what was committed since, and written again. Returns how many
    /// rows were written, and whether the log is still at the version that all were folded from.
    pub(crate) async fn write(
        &self,
        entities: &mut Entities,
        log: &mut Log,
        only: Option<HashSet<EntityKey>>,
    ) -> Result<(u64, bool), MaterializerError> {
        let view = log.view().clone();
        let began = log.version();
        let mut only = only.map(Arc::new);
        let (mut count, started) = (0, Instant::now());
        let mut tries = 0;
        loop {
            tries += 1;
            let version = log.version().ok_or_else(|| {
                MaterializerError::invariant(&view.id, "entities were folded from a log without a version")
            })?;
            let folded = (self.of)(version);
            let written = write(entities, &view.id, self.online, folded, only.clone()).await?;
            count += written.count;
            if written.conflicts.is_empty() {
                return Ok((count, log.version() == began));
            }
            if tries >= LEAST_TRIES && started.elapsed() >= PATIENCE {
                return Err(self.conflict(entities.layout(), log, &written.conflicts).await?);
            }
            only = Some(Arc::new(written.conflicts));
            tokio::time::sleep(REST).await;
            let added = log.advance(self.reads).await?;
            entities.follow(log, &added, (self.clock)()).await?;
        }
    }

    /// Why the rows of these entities cannot be written.
    async fn conflict(
        &self,
        layout: &Layout,
        log: &Log,
        conflicts: &HashSet<EntityKey>,
    ) -> Result<MaterializerError, MaterializerError> {
        let view = log.view().id.clone();
        let keys: Vec<EntityKey> = conflicts.iter().cloned().collect();
        let (mut ahead, mut reached) = (0, Reached::by(log, layout));
        for found in self.online.read(&[Read { view: &view, keys: &keys }]).await? {
            for row in found.rows().flatten() {
                ahead += usize::from(reached.ahead(row).await? == Ahead::OfStream);
            }
        }
        Ok(match ahead {
            0 => MaterializerError::OnlineConflict { view },
            entities => MaterializerError::AheadOfLog { view, entities },
        })
    }
}
