//! The online store as a view of the log: every entity's rows at one version of it, folded anew.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use feature::{EntityKey, Micros, View};
use futures::StreamExt;
use offline::{Added, BatchPoint, Log, row_columns, rows};
use online::{Applied, Layout, Mender, Outcome, Read, Reader, Replacement, RowState, Writer};

use crate::ahead::Ahead;
use crate::error::MaterializerError;
use crate::rebuild;

/// Rows of the log that are folded in memory at a time: entities beyond them take another pass.
pub(crate) const ROWS_A_PASS: u64 = 8_000_000;
/// Packed rows of one write.
pub(crate) const ROWS_A_WRITE: usize = 4096;
/// How often entities are folded further because another writer changed their rows meanwhile, and how long it is
/// given each time to commit what it wrote: a stream writes a row before its commit.
pub(crate) const TRIES: usize = 3000;
const REST: Duration = Duration::from_millis(10);

/// An entity's key and its packed row.
pub(crate) type PackedEntity = (EntityKey, Vec<u8>);

/// What a fold has of the log, as the position of history in packed rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Folded {
    /// The log at a version.
    Committed(u64),
    /// The log at a version, and rows that are to be committed after it. Only the load whose turn it is at that
    /// version writes such a fold, and whoever has the next turn commits that first, so no two are alike.
    Ahead(u64),
}

impl Folded {
    /// The number by which packed rows are compared. A fold that is ahead has more than its version and less than
    /// any later one: what is taken as unchanged was folded from commits that exist.
    pub(crate) fn position(self) -> u64 {
        match self {
            Folded::Committed(version) => 2 * version,
            Folded::Ahead(version) => 2 * version + 1,
        }
    }
}

/// The fold of the log at one version, for some or all entities.
pub(crate) struct Entities {
    layout: Arc<Layout>,
    states: HashMap<EntityKey, RowState>,
}

/// Writes every entity's fold of the log at its newest version. Gives how many were written.
pub(crate) async fn sync<W: Reader + Writer>(
    log: &mut Log,
    online: &W,
    clock: impl Fn() -> Micros,
) -> Result<u64, MaterializerError> {
    Ok(sync_all(log, online, clock).await?.0)
}

/// The same after a load that was cut off: entities that the log does not have are taken back. Where there are
/// some, all rows are written again in their place, and readers see no gap.
pub(crate) async fn sync_and_take_back<W: Mender>(
    log: &mut Log,
    online: &W,
    clock: fn() -> Micros,
) -> Result<u64, MaterializerError> {
    let (written, entities) = sync_all(log, online, clock).await?;
    let view = log.view().id.clone();
    if online.stats(&view).await?.rows <= entities {
        return Ok(written);
    }
    tracing::warn!(
        "{view}: a load that was cut off left entities online that the log does not have; writing all rows again"
    );
    rebuild::rebuild(log, online, clock).await
}

/// Gives how many entities were written, and how many the log has.
async fn sync_all<W: Reader + Writer>(
    log: &mut Log,
    online: &W,
    clock: impl Fn() -> Micros,
) -> Result<(u64, u64), MaterializerError> {
    log.refresh().await?;
    let Some(version) = log.version() else { return Ok((0, 0)) };
    let mut held = 0;
    let view = log.view().clone();
    let passes = log.row_count().div_ceil(ROWS_A_PASS).max(1);
    let mut all = Written::default();
    for pass in 0..passes {
        let mut entities = Entities::new(&view);
        entities.fold_log(log, clock(), |key| hash(key) % passes == pass).await?;
        held += entities.states.len() as u64;
        all.add(entities.write(&view, online, Folded::Committed(version), None).await?);
    }
    if all.conflicts.is_empty() {
        return Ok((all.count, held));
    }
    let mut entities = Entities::new(&view);
    log.refresh().await?;
    entities.fold_log(log, clock(), |key| all.conflicts.contains(key)).await?;
    let fold = Fold { online, clock, reads: &[], of: Folded::Committed };
    Ok((all.count + fold.write(&mut entities, log, Some(all.conflicts)).await?.0, held))
}

/// How a fold that keeps up with the log is written.
pub(crate) struct Fold<'a, W, C> {
    pub(crate) online: &'a W,
    pub(crate) clock: C,
    /// The counters that no other may move meanwhile.
    pub(crate) reads: &'a [&'a str],
    pub(crate) of: fn(u64) -> Folded,
}

impl<W: Reader + Writer, C: Fn() -> Micros> Fold<'_, W, C> {
    /// Writes the fold of the snapshot's log, for some entities or all. Those whose rows have what the log had not
    /// yet are folded further with what was committed since, and written again. Gives how many rows were written, and
    /// whether all at the version that the log then stands at.
    pub(crate) async fn write(
        &self,
        entities: &mut Entities,
        log: &mut Log,
        mut only: Option<HashSet<EntityKey>>,
    ) -> Result<(u64, bool), MaterializerError> {
        let view = log.view().clone();
        let began = log.version();
        let mut count = 0;
        for _ in 0..TRIES {
            let folded = (self.of)(log.version().unwrap_or(0));
            let written = entities.write(&view, self.online, folded, only.as_ref()).await?;
            count += written.count;
            if written.conflicts.is_empty() {
                return Ok((count, log.version() == began));
            }
            only = Some(written.conflicts);
            tokio::time::sleep(REST).await;
            let added = log.advance(self.reads).await?;
            entities.follow(log, &added, (self.clock)()).await?;
        }
        Err(self.conflict(entities, log, only.unwrap_or_default()).await?)
    }

    /// Why the rows of these entities cannot be written.
    async fn conflict(
        &self,
        entities: &Entities,
        log: &Log,
        conflicts: HashSet<EntityKey>,
    ) -> Result<MaterializerError, MaterializerError> {
        let view = log.view().id.clone();
        let keys: Vec<EntityKey> = conflicts.into_iter().collect();
        let mut ahead = 0;
        for found in self.online.read(&[Read { view: &view, keys: &keys }]).await? {
            for row in found.rows().flatten() {
                ahead += usize::from(Ahead::of(log, &entities.layout, row).await? == Ahead::OfStream);
            }
        }
        Ok(match ahead {
            0 => MaterializerError::OnlineConflict { view },
            entities => MaterializerError::AheadOfLog { view, entities },
        })
    }
}

/// What became of entities that were written.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// How many rows changed.
    pub(crate) count: u64,
    /// Those for which another writer's row has folded what this fold has not; they were left alone.
    pub(crate) conflicts: HashSet<EntityKey>,
}

impl Written {
    pub(crate) fn add(&mut self, other: Written) {
        self.count += other.count;
        self.conflicts.extend(other.conflicts);
    }
}

pub(crate) fn hash(key: &EntityKey) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

impl Entities {
    pub(crate) fn new(view: &View) -> Self {
        Self { layout: Arc::new(Layout::new(view)), states: HashMap::new() }
    }

    /// The entities.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &EntityKey> {
        self.states.keys()
    }

    /// Whether an entity is here.
    pub(crate) fn has(&self, key: &EntityKey) -> bool {
        self.states.contains_key(key)
    }

    /// The packed rows of some entities as such a fold of the log, and the applied time that they need.
    pub(crate) fn packed(
        &mut self,
        folded: Folded,
        due: &HashSet<EntityKey>,
    ) -> Result<(Option<Micros>, Vec<PackedEntity>), MaterializerError> {
        let applied_at = self.states.values().filter_map(RowState::applied_at).max();
        let mut packed = Vec::new();
        for (key, state) in self.states.iter_mut().filter(|(key, _)| due.contains(*key)) {
            state.set_history(folded.position());
            let mut bytes = Vec::new();
            state.encode(&mut bytes)?;
            packed.push((key.clone(), bytes));
        }
        Ok((applied_at, packed))
    }

    /// Folds all rows that the log has of the entities that are taken.
    pub(crate) async fn fold_log(
        &mut self,
        log: &Log,
        now: Micros,
        takes: impl Fn(&EntityKey) -> bool,
    ) -> Result<(), MaterializerError> {
        let mut stream = log.scan(&row_columns(log.view()))?;
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(offline::OfflineError::from)?;
            self.fold_batch(log.view(), &batch, now, &takes)?;
        }
        Ok(())
    }

    /// Takes those of others that are wanted.
    pub(crate) fn take(&mut self, others: Entities, wants: impl Fn(&EntityKey) -> bool) {
        self.states.extend(others.states.into_iter().filter(|(key, _)| wants(key)));
    }

    /// Forgets those that are not wanted any more.
    pub(crate) fn keep(&mut self, wants: impl Fn(&EntityKey) -> bool) {
        self.states.retain(|key, _| wants(key));
    }

    /// Folds what was added to the log since, of the entities that are here.
    pub(crate) async fn follow(
        &mut self,
        log: &Log,
        added: &Added,
        now: Micros,
    ) -> Result<(), MaterializerError> {
        let held: HashSet<EntityKey> = self.states.keys().cloned().collect();
        self.fold_added(log, added, now, |key| held.contains(key)).await
    }

    /// Folds what was added to the log since, of the entities that are taken: of others than those that are
    /// here it has all rows that the log has.
    pub(crate) async fn fold_added(
        &mut self,
        log: &Log,
        added: &Added,
        now: Micros,
        takes: impl Fn(&EntityKey) -> bool,
    ) -> Result<(), MaterializerError> {
        let mut stream = log.scan_added(added, &row_columns(log.view()))?;
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(offline::OfflineError::from)?;
            self.fold_batch(log.view(), &batch, now, &takes)?;
        }
        Ok(())
    }

    /// Folds rows in the form that the log holds them in.
    pub(crate) fn fold_batch(
        &mut self,
        view: &View,
        batch: &RecordBatch,
        now: Micros,
        takes: impl Fn(&EntityKey) -> bool,
    ) -> Result<(), MaterializerError> {
        for (key, row) in rows(view, batch)? {
            if !takes(&key) {
                continue;
            }
            let state = self.states.entry(key).or_insert_with(|| RowState::new(&self.layout));
            if state.fold(&row, now) == Applied::Refused {
                return Err(MaterializerError::TooManyPending { view: view.id.clone() });
            }
        }
        Ok(())
    }

    /// Writes every state, or only some, as such a fold of the log.
    pub(crate) async fn write<W: Reader + Writer>(
        &mut self,
        view: &View,
        online: &W,
        folded: Folded,
        only: Option<&HashSet<EntityKey>>,
    ) -> Result<Written, MaterializerError> {
        // Raised first: a reader may be refused too early, and never sees a row from its future.
        let applied_at = self.states.values().filter_map(RowState::applied_at).max();
        online.replace(&view.id, &[], applied_at).await?;
        let mut packed = Vec::with_capacity(ROWS_A_WRITE);
        let mut written = Written::default();
        let due = self.states.iter_mut().filter(|(key, _)| only.is_none_or(|only| only.contains(*key)));
        for (key, state) in due {
            state.set_history(folded.position());
            let mut bytes = Vec::new();
            state.encode(&mut bytes)?;
            packed.push((key.clone(), bytes));
            if packed.len() == rows_a_write() {
                written.add(replace(view, online, &packed).await?);
                packed.clear();
                BatchPoint::HalfOnline.pass();
            }
        }
        written.add(replace(view, online, &packed).await?);
        Ok(written)
    }
}

/// Few where a test is to find a write in its middle.
fn rows_a_write() -> usize {
    if BatchPoint::HalfOnline.is_awaited() { 4 } else { ROWS_A_WRITE }
}

async fn replace<W: Reader + Writer>(
    view: &View,
    online: &W,
    packed: &[(EntityKey, Vec<u8>)],
) -> Result<Written, MaterializerError> {
    let rows: Vec<Replacement<'_>> = packed.iter().map(|(key, bytes)| Replacement { key, bytes }).collect();
    let outcomes = online.replace(&view.id, &rows, None).await?;
    let mut written = Written::default();
    for (outcome, (key, _)) in outcomes.iter().zip(packed) {
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

/// The keys of the entities that rows in the log's form belong to.
pub(crate) fn keys(view: &View, batches: &[RecordBatch]) -> Result<HashSet<EntityKey>, MaterializerError> {
    let mut keys = HashSet::new();
    for batch in batches {
        keys.extend(rows(view, batch)?.into_iter().map(|(key, _)| key));
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fold_that_is_ahead_has_more_than_its_version_and_less_than_any_later_one() {
        for version in [0, 1, 7] {
            let ahead = Folded::Ahead(version).position();
            assert!(Folded::Committed(version).position() < ahead);
            assert!(ahead < Folded::Committed(version + 1).position());
        }
    }
}
