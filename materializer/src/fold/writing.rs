//! Folded entities written online by compare-and-set, in the order of their keys, and folded further if another writer
//! changed their rows meanwhile.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use feature::{EntityKey, Micros, VersionId};
use offline::{BatchPoint, Log};
use online::{Layout, Outcome, Read, Reader, RowWrite, Writer};

use super::ahead::{Ahead, Reached};
use super::entities::{Entities, Folded};
use super::packed::Packed;
use super::packing::Packing;
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

/// The outcome of a write.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// How many rows changed.
    pub(crate) count: u64,
    /// Entities whose online rows have folded what this fold has not; they were left alone.
    pub(crate) conflicts: HashSet<EntityKey>,
}

impl Written {
    pub(crate) fn add(&mut self, other: Written) {
        self.count += other.count;
        self.conflicts.extend(other.conflicts);
    }
}

/// Writes the packed rows of all entities, or only some, as such a fold of the log.
pub(crate) async fn write<W: Reader + Writer>(
    entities: &Entities,
    view: &VersionId,
    online: &W,
    folded: Folded,
    only: Option<Arc<HashSet<EntityKey>>>,
) -> Result<Written, MaterializerError> {
    // Raised first: a reader may be refused too early, and never sees a row from its future.
    online.replace(view, &[], entities.applied_at()).await?;
    write_rows(entities, view, online, folded, only).await
}

/// The same, where the applied time of the view is not to be raised.
pub(crate) async fn write_rows<W: Reader + Writer>(
    entities: &Entities,
    view: &VersionId,
    online: &W,
    folded: Folded,
    only: Option<Arc<HashSet<EntityKey>>>,
) -> Result<Written, MaterializerError> {
    let mut written = Written::default();
    let mut packing = Packing::begin(entities, folded, only, Some(BatchPoint::HalfOnline)).await?;
    while let Some(packed) = packing.next().await? {
        written.add(replace(view, online, &packed).await?);
        if !packing.is_done() {
            BatchPoint::HalfOnline.pass();
        }
    }
    Ok(written)
}

async fn replace<W: Reader + Writer>(
    view: &VersionId,
    online: &W,
    packed: &[Packed],
) -> Result<Written, MaterializerError> {
    let rows = || packed.iter().flat_map(Packed::rows);
    let writes: Vec<RowWrite<'_>> = rows().map(|(key, bytes)| RowWrite { key, bytes }).collect();
    let outcomes = online.replace_many(view, &writes, None).await?;
    let mut written = Written::default();
    for (outcome, (key, _)) in outcomes.iter().zip(rows()) {
        match outcome {
            Outcome::Written => written.count += 1,
            Outcome::Unchanged => {}
            Outcome::Conflict { .. } => {
                written.conflicts.insert(key.clone());
            }
        }
    }
    Ok(written)
}
