//! The online store as a view of the log: every entity's rows at one version of it, folded anew.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use arrow::array::RecordBatch;
use feature::{EntityKey, Micros, View};
use futures::StreamExt;
use offline::{Log, row_columns, rows};
use online::{Applied, Layout, Outcome, Reader, Replacement, RowState, Writer};

use crate::error::MaterializerError;

/// Rows of the log that are folded in memory at a time: entities beyond them take another pass.
const ROWS_A_PASS: u64 = 8_000_000;
/// Packed rows of one write.
const ROWS_A_WRITE: usize = 4096;
/// How often entities are folded anew because another writer changed their rows meanwhile. A stream
/// writes a row before its commit, so an entity that it writes all the time is met by chance.
pub(crate) const TRIES: usize = 100;

/// The fold of the log at one version, for some or all entities.
pub(crate) struct Entities {
    layout: Arc<Layout>,
    states: HashMap<EntityKey, RowState>,
}

/// Writes every entity's fold of the log at its newest version. Gives how many were written.
pub(crate) async fn sync<W: Reader + Writer>(
    log: &mut Log,
    online: &W,
    now: Micros,
) -> Result<u64, MaterializerError> {
    log.refresh().await?;
    let Some(version) = log.version() else { return Ok(0) };
    let passes = log.row_count().div_ceil(ROWS_A_PASS).max(1);
    let mut all = Written::default();
    for pass in 0..passes {
        let mut entities = Entities::new(log.view());
        entities.fold_log(log, now, |key| hash(key) % passes == pass).await?;
        all.add(entities.write(log.view(), online, version).await?);
    }
    for _ in 0..TRIES {
        if all.conflicts.is_empty() {
            return Ok(all.count);
        }
        log.refresh().await?;
        let Some(version) = log.version() else { return Ok(all.count) };
        let keys = std::mem::take(&mut all.conflicts);
        let mut entities = Entities::new(log.view());
        entities.fold_log(log, now, |key| keys.contains(key)).await?;
        all.add(entities.write(log.view(), online, version).await?);
    }
    Err(MaterializerError::OnlineConflict { view: log.view().id.clone() })
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

fn hash(key: &EntityKey) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

impl Entities {
    pub(crate) fn new(view: &View) -> Self {
        Self { layout: Arc::new(Layout::new(view)), states: HashMap::new() }
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

    /// Writes every state as the fold of the log at this version.
    pub(crate) async fn write<W: Reader + Writer>(
        mut self,
        view: &View,
        online: &W,
        version: u64,
    ) -> Result<Written, MaterializerError> {
        // Raised first: a reader may be refused too early, and never sees a row from its future.
        let applied_at = self.states.values().filter_map(RowState::applied_at).max();
        online.replace(&view.id, &[], applied_at).await?;
        let mut packed = Vec::with_capacity(ROWS_A_WRITE);
        let mut written = Written::default();
        for (key, mut state) in self.states.drain() {
            state.set_history(version);
            let mut bytes = Vec::new();
            state.encode(&mut bytes)?;
            packed.push((key, bytes));
            if packed.len() == ROWS_A_WRITE {
                written.add(replace(view, online, &packed).await?);
                packed.clear();
            }
        }
        written.add(replace(view, online, &packed).await?);
        Ok(written)
    }
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
