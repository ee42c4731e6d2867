//! Entities folded from the log in memory: every row that the log has of them, at one version of it.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use arrow::array::RecordBatch;
use feature::{EntityKey, Micros, View};
use futures::StreamExt;
use offline::{Added, Log, OfflineError, row_columns, rows};
use online::{Applied, Layout, RowState};

use crate::error::MaterializerError;

/// Rows of the log that are folded in memory at a time: the entities beyond them take another pass.
pub(crate) const ROWS_A_PASS: u64 = 8_000_000;

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
    /// any later one: a row that counts as unchanged was folded from commits that exist.
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
    /// Whether a derived view's: no stream writes its rows, whatever their positions.
    is_derived: bool,
    states: HashMap<EntityKey, RowState>,
}

/// The keys of the entities that rows in the log's form belong to.
pub(crate) fn keys(view: &View, batches: &[RecordBatch]) -> Result<HashSet<EntityKey>, MaterializerError> {
    let mut keys = HashSet::new();
    for batch in batches {
        keys.extend(rows(view, batch)?.into_iter().map(|(key, _)| key));
    }
    Ok(keys)
}

pub(crate) fn hash(key: &EntityKey) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

impl Entities {
    pub(crate) fn new(view: &View) -> Self {
        Self { layout: Arc::new(Layout::new(view)), is_derived: view.is_derived(), states: HashMap::new() }
    }

    /// The entities.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &EntityKey> {
        self.states.keys()
    }

    /// Whether an entity is here.
    pub(crate) fn has(&self, key: &EntityKey) -> bool {
        self.states.contains_key(key)
    }

    /// The layout of their packed rows.
    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// How many entities there are.
    pub(crate) fn len(&self) -> usize {
        self.states.len()
    }

    /// The applied time that their packed rows need.
    pub(crate) fn applied_at(&self) -> Option<Micros> {
        self.states.values().filter_map(RowState::applied_at).max()
    }

    /// The packed rows of some entities as such a fold of the log.
    pub(crate) fn packed<'a>(
        &'a mut self,
        folded: Folded,
        is_due: impl Fn(&EntityKey) -> bool + 'a,
    ) -> impl Iterator<Item = Result<PackedEntity, MaterializerError>> + 'a {
        let is_derived = self.is_derived;
        let due = self.states.iter_mut().filter(move |(key, _)| is_due(key));
        due.map(move |(key, state)| {
            if is_derived {
                state.forget_partitions();
            }
            state.set_history(folded.position());
            let mut bytes = Vec::new();
            state.encode(&mut bytes)?;
            Ok((key.clone(), bytes))
        })
    }

    /// Folds all rows that the log has of the selected entities.
    pub(crate) async fn fold_log(
        &mut self,
        log: &Log,
        now: Micros,
        selects: impl Fn(&EntityKey) -> bool,
    ) -> Result<(), MaterializerError> {
        let mut stream = log.scan(&row_columns(log.view()))?;
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(OfflineError::from)?;
            self.fold_batch(log.view(), &batch, now, &selects)?;
        }
        Ok(())
    }

    /// Moves some entities of others here.
    pub(crate) fn take(&mut self, others: Entities, wants: impl Fn(&EntityKey) -> bool) {
        self.states.extend(others.states.into_iter().filter(|(key, _)| wants(key)));
    }

    /// Drops the entities that are no longer wanted.
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
        let own: HashSet<EntityKey> = self.states.keys().cloned().collect();
        self.fold_added(log, added, now, |key| own.contains(key)).await
    }

    /// Folds what was added to the log since, of the selected entities. Of a selected entity that is not here,
    /// `added` has all rows that the log has.
    pub(crate) async fn fold_added(
        &mut self,
        log: &Log,
        added: &Added,
        now: Micros,
        selects: impl Fn(&EntityKey) -> bool,
    ) -> Result<(), MaterializerError> {
        let mut stream = log.scan_added(added, &row_columns(log.view()))?;
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(OfflineError::from)?;
            self.fold_batch(log.view(), &batch, now, &selects)?;
        }
        Ok(())
    }

    /// Folds rows in the form that the log holds them in.
    pub(crate) fn fold_batch(
        &mut self,
        view: &View,
        batch: &RecordBatch,
        now: Micros,
        selects: impl Fn(&EntityKey) -> bool,
    ) -> Result<(), MaterializerError> {
        for (key, row) in rows(view, batch)? {
            if !selects(&key) {
                continue;
            }
            let state = self.states.entry(key).or_insert_with(|| RowState::new(&self.layout));
            if state.fold(&row, now) == Applied::Refused {
                return Err(MaterializerError::TooManyPending { view: view.id.clone() });
            }
        }
        Ok(())
    }
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
