//! The folds that a stream keeps in memory: read back from the online row if an entity is not there, written by
//! compare-and-set, and evicted by least recent use once they take too much memory.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use feature::{EntityKey, Micros, Row, View};
use online::{
    Applied, Layout, MAX_ROW_BYTES, OnlineError, Outcome, Read, Reader, RowState, RowWrite, Writer,
};

use crate::error::MaterializerError;
use crate::rows::reason::RefusalReason;

/// Entities of one read or write.
const ENTITIES_AT_ONCE: usize = 4096;
/// How often a row is folded again in one write because other writers keep changing it.
const TRIES: usize = 20;
/// What a fold takes in memory for each byte of its packed row, and beside it.
const BYTES_A_PACKED_BYTE: usize = 4;
const BYTES_AN_ENTITY: usize = 256;

/// The folds in memory.
pub(crate) struct FoldCache {
    view: Arc<View>,
    layout: Arc<Layout>,
    folds: HashMap<EntityKey, Fold>,
    /// The entities by their last use, the oldest first.
    by_use: BTreeMap<u64, EntityKey>,
    uses: u64,
    bytes: usize,
    max_bytes: usize,
    /// Whether rows at or below the position that a fold has are skipped: a test may switch it off.
    skips_folded: bool,
    /// The store's statistics of the view when it was read or written last.
    seen: Seen,
}

struct Fold {
    state: RowState,
    used: u64,
    bytes: usize,
}

/// Statistics that never decrease in a store that lost nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    applied_at: Option<Micros>,
    rows: u64,
}

/// The rows of a flush by entity, each with its index in the flush, in the order of their positions.
#[derive(Default)]
pub(crate) struct RowsByEntity {
    entities: Vec<EntityRows>,
}

/// An entity, and its rows with their indexes in the flush.
type EntityRows = (EntityKey, Vec<(usize, Row)>);

impl RowsByEntity {
    /// The rows of a batch in the log's form.
    pub(crate) fn of(view: &View, batch: &RecordBatch) -> Result<Self, MaterializerError> {
        let mut indexes: HashMap<EntityKey, usize> = HashMap::new();
        let mut entities: Vec<EntityRows> = Vec::new();
        for (index, (key, row)) in offline::rows(view, batch)?.into_iter().enumerate() {
            let entity = *indexes.entry(key).or_insert_with_key(|key| {
                entities.push((key.clone(), Vec::new()));
                entities.len() - 1
            });
            if let Some((_, rows)) = entities.get_mut(entity) {
                rows.push((index, row));
            }
        }
        Ok(Self { entities })
    }

    /// Those of half of the entities.
    pub(crate) fn half(&self) -> Self {
        Self { entities: self.entities.iter().take(self.entities.len() / 2).cloned().collect() }
    }

    /// The entities that they are of.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &EntityKey> {
        self.entities.iter().map(|(key, _)| key)
    }

    /// How many entities they are of.
    pub(crate) fn len(&self) -> usize {
        self.entities.len()
    }
}

/// The outcome of a write.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Write {
    /// Every entity is acknowledged.
    Done {
        /// Rows that were written.
        written: usize,
        /// Rows that another writer had changed meanwhile, and that were folded again.
        folded_again: usize,
    },
    /// The rows with these indexes do not fit into their packed rows: they are refused first.
    Refused {
        /// Which rows.
        rows: BTreeSet<usize>,
        /// Why.
        why: DoesNotFit,
    },
}

/// The outcome of one compare-and-set.
#[derive(Default)]
struct Replaced {
    written: usize,
    /// The entities that another writer changed, each with its current row.
    conflicts: Vec<(usize, Vec<u8>)>,
    /// The rows of entities that outgrew what a store takes.
    too_large: BTreeSet<usize>,
}

/// Why a row does not fit into the packed row of its entity.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum DoesNotFit {
    /// As many rows as may wait in its packed row do so already.
    TooManyWaiting,
    /// Its packed row would be longer than any store takes.
    TooLarge,
}

impl DoesNotFit {
    /// The reason for which such a row is refused.
    pub(crate) const fn reason(self) -> RefusalReason {
        match self {
            DoesNotFit::TooManyWaiting => RefusalReason::TooManyWaiting,
            DoesNotFit::TooLarge => RefusalReason::RowTooLarge,
        }
    }
}

impl fmt::Display for DoesNotFit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DoesNotFit::TooManyWaiting => {
                write!(f, "{} rows of its entity wait to become visible already", online::PENDING_BOUND)
            }
            DoesNotFit::TooLarge => {
                write!(f, "the packed row of its entity would be longer than {MAX_ROW_BYTES} bytes")
            }
        }
    }
}

impl FoldCache {
    /// An empty cache for this many bytes of folds.
    pub(crate) fn new(view: &Arc<View>, max_bytes: usize, skips_folded: bool) -> Self {
        Self {
            view: view.clone(),
            layout: Arc::new(Layout::new(view)),
            folds: HashMap::new(),
            by_use: BTreeMap::new(),
            uses: 0,
            bytes: 0,
            max_bytes,
            skips_folded,
            seen: Seen::default(),
        }
    }

    /// Drops all folds.
    pub(crate) fn clear(&mut self) {
        self.folds.clear();
        self.by_use.clear();
        self.bytes = 0;
    }

    /// Entities in memory.
    pub(crate) fn entities(&self) -> usize {
        self.folds.len()
    }

    /// Takes the statistics of the store as those of one that has lost nothing. `applied_at` is the newest stamp
    /// that the log records.
    pub(crate) async fn observe<W: Reader>(
        &mut self,
        online: &W,
        applied_at: Option<Micros>,
    ) -> Result<(), MaterializerError> {
        let stats = online.stats(&self.view.id).await?;
        self.seen = Seen { applied_at: stats.applied_at.max(applied_at), rows: stats.rows };
        Ok(())
    }

    /// Whether the store has lost rows since it was observed: its statistics have decreased.
    pub(crate) async fn has_lost<W: Reader>(&mut self, online: &W) -> Result<bool, MaterializerError> {
        let stats = online.stats(&self.view.id).await?;
        let lost = stats.applied_at < self.seen.applied_at || stats.rows < self.seen.rows;
        if !lost {
            self.seen = Seen { applied_at: stats.applied_at, rows: stats.rows };
        }
        Ok(lost)
    }

    /// Folds rows at `now` in memory. Returns the indexes of those that are refused; `None` if the store has lost
    /// rows.
    pub(crate) async fn fold<W: Reader>(
        &mut self,
        online: &W,
        by_entity: &RowsByEntity,
        now: Micros,
    ) -> Result<Option<BTreeSet<usize>>, MaterializerError> {
        let Some(_) = self.read_missing(online, by_entity).await? else { return Ok(None) };
        self.apply_to(by_entity.entities.iter(), now).map(Some)
    }

    /// The same for entities of a flush whose folds are not in memory any more. A write that failed may have dropped
    /// some, and is tried again: what it wrote is passed over by its positions.
    pub(crate) async fn fold_dropped<W: Reader>(
        &mut self,
        online: &W,
        by_entity: &RowsByEntity,
        now: Micros,
    ) -> Result<Option<BTreeSet<usize>>, MaterializerError> {
        let Some(missing) = self.read_missing(online, by_entity).await? else { return Ok(None) };
        let missing: HashSet<EntityKey> = missing.into_iter().collect();
        self.apply_to(by_entity.entities.iter().filter(|(key, _)| missing.contains(key)), now).map(Some)
    }

    /// Reads the entities of a flush whose folds are not in memory, and gives them; `None` if the store has lost rows.
    async fn read_missing<W: Reader>(
        &mut self,
        online: &W,
        by_entity: &RowsByEntity,
    ) -> Result<Option<Vec<EntityKey>>, MaterializerError> {
        let missing: Vec<EntityKey> =
            by_entity.keys().filter(|key| !self.folds.contains_key(*key)).cloned().collect();
        for keys in missing.chunks(ENTITIES_AT_ONCE) {
            if !self.read_back(online, keys).await? {
                return Ok(None);
            }
        }
        Ok(Some(missing))
    }

    fn apply_to<'e>(
        &mut self,
        entities: impl Iterator<Item = &'e EntityRows>,
        now: Micros,
    ) -> Result<BTreeSet<usize>, MaterializerError> {
        let mut refused = BTreeSet::new();
        for (key, rows) in entities {
            let Some(fold) = self.folds.get_mut(key) else {
                return Err(self.broken("an entity was read and is not in the cache"));
            };
            apply(&mut fold.state, rows, now, self.skips_folded, &mut refused);
        }
        Ok(refused)
    }

    async fn read_back<W: Reader>(
        &mut self,
        online: &W,
        keys: &[EntityKey],
    ) -> Result<bool, MaterializerError> {
        let found = online.read(&[Read { view: &self.view.id, keys }]).await?;
        let Some(found) = found.first() else {
            return Err(self.broken("the online store gave no answer to a read of one view"));
        };
        if found.applied_at() < self.seen.applied_at {
            return Ok(false);
        }
        for (index, key) in keys.iter().enumerate() {
            let (state, bytes) = match found.row(index) {
                Some(bytes) => (RowState::decode(&self.layout, bytes)?, bytes.len()),
                None => (RowState::new(&self.layout), 0),
            };
            self.put(key.clone(), state, bytes);
        }
        Ok(true)
    }

    /// Writes the folds of these entities, once all their rows were folded at `now`.
    pub(crate) async fn write<W: Reader + Writer>(
        &mut self,
        online: &W,
        by_entity: &RowsByEntity,
        now: Micros,
    ) -> Result<Write, MaterializerError> {
        let mut waiting: Vec<usize> = (0..by_entity.entities.len()).collect();
        let (mut written, mut folded_again) = (0, 0);
        for _ in 0..TRIES {
            let mut conflicts = Vec::new();
            let mut too_large = BTreeSet::new();
            for indexes in waiting.chunks(ENTITIES_AT_ONCE) {
                let replaced = self.replace(online, by_entity, indexes).await?;
                written += replaced.written;
                conflicts.extend(replaced.conflicts);
                too_large.extend(replaced.too_large);
            }
            if !too_large.is_empty() {
                return Ok(Write::Refused { rows: too_large, why: DoesNotFit::TooLarge });
            }
            if conflicts.is_empty() {
                self.evict();
                return Ok(Write::Done { written, folded_again });
            }
            folded_again += conflicts.len();
            let mut refused = BTreeSet::new();
            waiting.clear();
            for (entity, current) in conflicts {
                let (key, rows) = self.entity(by_entity, entity)?;
                let mut state = RowState::decode(&self.layout, &current)?;
                apply(&mut state, rows, now, self.skips_folded, &mut refused);
                self.put(key.clone(), state, current.len());
                waiting.push(entity);
            }
            if !refused.is_empty() {
                return Ok(Write::Refused { rows: refused, why: DoesNotFit::TooManyWaiting });
            }
        }
        Err(MaterializerError::OnlineConflict { view: self.view.id.clone() })
    }

    /// Compares and sets the rows of the entities with these indexes.
    async fn replace<W: Writer>(
        &mut self,
        online: &W,
        by_entity: &RowsByEntity,
        indexes: &[usize],
    ) -> Result<Replaced, MaterializerError> {
        let mut replaced = Replaced::default();
        let mut outgrown = Vec::new();
        let mut packed: Vec<(usize, &EntityKey, Vec<u8>)> = Vec::with_capacity(indexes.len());
        let mut applied_at = None;
        for index in indexes {
            let (key, rows) = self.entity(by_entity, *index)?;
            let Some(fold) = self.folds.get(key) else {
                return Err(self.broken("an entity is written that was not folded"));
            };
            let mut bytes = Vec::new();
            match fold.state.encode(&mut bytes) {
                Ok(()) => {}
                Err(OnlineError::TooLarge { .. }) => {
                    replaced.too_large.extend(rows.iter().map(|(row, _)| *row));
                    outgrown.push(key);
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
            applied_at = applied_at.max(fold.state.applied_at());
            packed.push((*index, key, bytes));
        }
        let rows: Vec<RowWrite<'_>> = packed.iter().map(|(_, key, bytes)| RowWrite { key, bytes }).collect();
        let outcomes = online.replace(&self.view.id, &rows, applied_at).await?;
        // It is read back later, without the rows that made it too long.
        outgrown.into_iter().for_each(|key| self.drop_fold(key));
        for ((index, key, bytes), outcome) in packed.iter().zip(outcomes) {
            match outcome {
                Outcome::Written => {
                    replaced.written += 1;
                    self.weigh(key, bytes.len());
                }
                // Another writer may be further: its row is read back when it is needed.
                Outcome::Unchanged => self.drop_fold(key),
                Outcome::Conflict { current } => replaced.conflicts.push((*index, current)),
            }
        }
        Ok(replaced)
    }

    /// An entity of a flush, with its rows.
    fn entity<'a>(&self, rows: &'a RowsByEntity, index: usize) -> Result<&'a EntityRows, MaterializerError> {
        rows.entities.get(index).ok_or_else(|| self.broken("a write is of an entity that its flush lacks"))
    }

    fn broken(&self, what: &'static str) -> MaterializerError {
        MaterializerError::invariant(&self.view.id, what)
    }

    fn put(&mut self, key: EntityKey, state: RowState, packed: usize) {
        self.drop_fold(&key);
        self.uses += 1;
        self.by_use.insert(self.uses, key.clone());
        let bytes = weight(packed, &key);
        self.bytes += bytes;
        self.folds.insert(key, Fold { state, used: self.uses, bytes });
    }

    fn weigh(&mut self, key: &EntityKey, packed: usize) {
        let Some(fold) = self.folds.get_mut(key) else { return };
        self.uses += 1;
        if let Some(key) = self.by_use.remove(&fold.used) {
            self.by_use.insert(self.uses, key);
        }
        let bytes = weight(packed, key);
        self.bytes = self.bytes - fold.bytes + bytes;
        (fold.used, fold.bytes) = (self.uses, bytes);
    }

    fn drop_fold(&mut self, key: &EntityKey) {
        if let Some(fold) = self.folds.remove(key) {
            self.bytes -= fold.bytes;
            self.by_use.remove(&fold.used);
        }
    }

    fn evict(&mut self) {
        while self.bytes > self.max_bytes {
            let Some((_, key)) = self.by_use.pop_first() else { break };
            if let Some(fold) = self.folds.remove(&key) {
                self.bytes -= fold.bytes;
            }
        }
    }
}

fn weight(packed: usize, key: &EntityKey) -> usize {
    packed * BYTES_A_PACKED_BYTE + 2 * key.as_bytes().len() + BYTES_AN_ENTITY
}

fn apply(
    state: &mut RowState,
    rows: &[(usize, Row)],
    now: Micros,
    skips_folded: bool,
    refused: &mut BTreeSet<usize>,
) {
    for (index, row) in rows {
        let applied = if skips_folded { state.apply(row, now) } else { state.fold(row, now) };
        if applied == Applied::Refused {
            refused.insert(*index);
        }
    }
}

#[cfg(test)]
mod cache_tests;
