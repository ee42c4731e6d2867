//! Folded entities written online by compare-and-set, in the order of their keys and as many at a time as one write takes:
//! the packed rows of the next are made while those before are written.

use std::collections::HashSet;
use std::sync::{Arc, MutexGuard};
use std::thread;

use feature::{EntityKey, VersionId};
use offline::{BatchPoint, threads};
use online::{OnlineError, Outcome, Reader, RowWrite, Writer};
use tokio::task::JoinHandle;

use super::entities::{Entities, Folded};
use super::folding::{Shard, entity_key};
use crate::blocking;
use crate::error::MaterializerError;

/// Rows of one write.
const ROWS_A_WRITE: usize = 32_768;
/// Bytes of the rows of one write, as far as can be seen from those before.
const BYTES_A_WRITE: usize = 8 << 20;
/// Rows of the first write, of which it is not known how large they are, and of each where a test waits for the middle.
const FIRST_ROWS: usize = 1024;
const ROWS_OF_A_TEST: usize = 4;

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

/// Rows on their way to a store.
pub(super) struct Packing {
    entities: Entities,
    folded: Folded,
    in_order: Vec<Entity>,
    begun: usize,
    rows: usize,
    /// Whether all writes have the same number of rows.
    is_fixed: bool,
    next: Option<JoinHandle<Result<Vec<Packed>, OnlineError>>>,
}

impl Packing {
    /// The rows of all entities or only some, as such a fold of the log. They are few at a time where a test waits for
    /// a point between two writes.
    pub(super) async fn begin(
        entities: &Entities,
        folded: Folded,
        only: Option<Arc<HashSet<EntityKey>>>,
        between: Option<BatchPoint>,
    ) -> Result<Self, MaterializerError> {
        let is_fixed = between.is_some_and(BatchPoint::is_awaited);
        let sorted = entities.clone();
        let mut packing = Self {
            in_order: blocking::run(move || sorted.in_order(only.as_deref())).await?,
            entities: entities.clone(),
            folded,
            begun: 0,
            rows: if is_fixed { ROWS_OF_A_TEST } else { FIRST_ROWS },
            is_fixed,
            next: None,
        };
        packing.begin_next();
        Ok(packing)
    }

    /// Whether all rows were given.
    pub(super) fn is_done(&self) -> bool {
        self.next.is_none()
    }

    /// The rows of the next write; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Packed>>, MaterializerError> {
        let Some(next) = self.next.take() else { return Ok(None) };
        let packed = blocking::ended(next).await??;
        let bytes: usize = packed.iter().map(Packed::bytes).sum();
        if !self.is_fixed {
            let of_each = bytes.div_ceil(self.rows).max(1);
            self.rows = (BYTES_A_WRITE / of_each).clamp(1, ROWS_A_WRITE);
        }
        self.begin_next();
        Ok(Some(packed))
    }

    fn begin_next(&mut self) {
        let rows = self.in_order.get(self.begun..).unwrap_or_default();
        let rows: Vec<Entity> = rows.iter().take(self.rows).copied().collect();
        if rows.is_empty() {
            return;
        }
        self.begun += rows.len();
        let (entities, folded) = (self.entities.clone(), self.folded);
        self.next = Some(blocking::start(move || entities.packed(&rows, folded)));
    }
}

/// One entity of a fold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entity {
    /// The first bytes of its key, by which most are in order.
    prefix: u64,
    shard: u32,
    number: u32,
}

impl Entities {
    /// All entities or only some, in the order of their keys.
    pub(crate) fn in_order(&self, only: Option<&HashSet<EntityKey>>) -> Vec<Entity> {
        let shards: Vec<MutexGuard<'_, Shard>> = self.shards.each().collect();
        let mut entities = Vec::new();
        for (shard, held) in (0..).zip(&shards) {
            for number in 0..held.len() as u32 {
                let key = held.key(number);
                if only.is_none_or(|only| only.contains(key)) {
                    entities.push(Entity { prefix: prefix(key), shard, number });
                }
            }
        }
        let key = |entity: &Entity| shards.get(entity.shard as usize).map(|shard| shard.key(entity.number));
        entities.sort_unstable_by(|a, b| a.prefix.cmp(&b.prefix).then_with(|| key(a).cmp(&key(b))));
        entities
    }

    /// The packed rows of some entities as such a fold of the log, by several threads. Blocks.
    pub(crate) fn packed(&self, entities: &[Entity], folded: Folded) -> Result<Vec<Packed>, OnlineError> {
        let part = entities.len().div_ceil(threads()).max(1);
        // No stream writes the rows of a derived view, whatever their positions.
        let is_derived = self.view.is_derived();
        let pack = |entities: &[Entity]| {
            let mut packed = Packed::with_capacity(entities.len());
            for entity in entities {
                let mut shard = self.shards.shard(entity.shard as usize);
                let key = entity_key(shard.key(entity.number));
                packed.push(key, |out| {
                    if is_derived {
                        shard.forget_partitions(entity.number);
                    }
                    shard.encode(entity.number, folded.position(), out)
                })?;
            }
            Ok(packed)
        };
        thread::scope(|scope| {
            let parts: Vec<_> = entities.chunks(part).map(|part| scope.spawn(move || pack(part))).collect();
            let packed = parts.into_iter().map(|part| match part.join() {
                Ok(packed) => packed,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            packed.collect()
        })
    }
}

/// A number that is in the order of keys, as far as their first bytes say.
fn prefix(key: &[u8]) -> u64 {
    let mut first = [0; 8];
    first.iter_mut().zip(key).for_each(|(first, byte)| *first = *byte);
    u64::from_be_bytes(first)
}

/// Entities with their packed rows, all in one buffer.
#[derive(Debug, Default)]
pub(crate) struct Packed {
    keys: Vec<EntityKey>,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Packed {
    pub(super) fn with_capacity(entities: usize) -> Self {
        Self { keys: Vec::with_capacity(entities), bytes: Vec::new(), ends: Vec::with_capacity(entities) }
    }

    /// Adds an entity, whose packed row is appended to what is there.
    pub(super) fn push(
        &mut self,
        key: EntityKey,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<(), OnlineError>,
    ) -> Result<(), OnlineError> {
        encode(&mut self.bytes)?;
        self.keys.push(key);
        self.ends.push(self.bytes.len());
        Ok(())
    }

    /// How many bytes the rows take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Each entity with its packed row.
    pub(super) fn rows(&self) -> impl Iterator<Item = (&EntityKey, &[u8])> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let rows = starts.zip(&self.ends).filter_map(|(start, end)| self.bytes.get(start..*end));
        self.keys.iter().zip(rows)
    }
}
