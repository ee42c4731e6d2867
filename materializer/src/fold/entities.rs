//! Entities folded from the log in memory, by several threads: every row that the log has of them, at one version of it.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use feature::{EntityKey, Micros, View};
use offline::{Added, Log, OfflineError, fold_batches, fold_rows, threads};
use online::Layout;

use super::folding::{Folding, Shards, entity_key};
use super::selection::Selection;
use crate::blocking;
use crate::error::MaterializerError;

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

    /// The version of the log that has all rows of a fold with this position.
    pub(crate) fn version_of(position: u64) -> u64 {
        position.div_ceil(2)
    }
}

/// The fold of the log at one version, for some or all entities. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Entities {
    pub(super) view: Arc<View>,
    pub(super) shards: Arc<Shards>,
}

impl Entities {
    pub(crate) fn new(view: &Arc<View>) -> Self {
        Self { view: view.clone(), shards: Arc::new(Shards::new(view)) }
    }

    /// Visits the key of each entity.
    pub(crate) fn for_each_key(&self, mut visit: impl FnMut(&EntityKey)) {
        for shard in self.shards.each() {
            (0..shard.len() as u32).for_each(|number| visit(&entity_key(shard.key(number))));
        }
    }

    /// Whether an entity is here.
    pub(crate) fn has(&self, key: &EntityKey) -> bool {
        let hash = self.shards.hash(key.as_bytes());
        self.shards.shard(Shards::number_of(hash)).find(key.as_bytes(), hash).is_some()
    }

    /// The layout of their packed rows.
    pub(crate) fn layout(&self) -> &Layout {
        &self.shards.layout
    }

    /// How many entities there are.
    pub(crate) fn len(&self) -> usize {
        self.shards.each().map(|shard| shard.len()).sum()
    }

    /// The applied time that their packed rows need.
    pub(crate) fn applied_at(&self) -> Option<Micros> {
        self.shards.each().filter_map(|shard| shard.applied_at()).max()
    }

    /// Folds all rows that the log has of the selected entities.
    pub(crate) async fn fold_log(
        &mut self,
        log: &Log,
        now: Micros,
        selection: Selection,
    ) -> Result<(), MaterializerError> {
        self.fold(log, None, now, selection).await
    }

    /// Folds the rows of the selected entities that were visible at a moment, as if no other had come: those of the whole log,
    /// or of what was added to it.
    pub(crate) async fn fold_as_of(
        &mut self,
        log: &Log,
        added: Option<Added>,
        at: Micros,
        selection: Selection,
    ) -> Result<(), MaterializerError> {
        let folding = || self.folding(selection.clone(), at).leaving_out_later();
        let folds: Vec<Folding> = (0..threads()).map(|_| folding()).collect();
        let log = log.clone();
        blocking::run(move || fold_rows(&log, added.as_ref(), folds).map(drop)).await??;
        self.check()
    }

    /// Drops the entities that are no longer wanted.
    pub(crate) fn keep(&mut self, wants: impl Fn(&EntityKey) -> bool) {
        for mut shard in self.shards.each() {
            shard.keep(&wants, |key| self.shards.hash(key));
        }
    }

    /// Folds what was added to the log since, of the entities that are here.
    pub(crate) async fn follow(
        &mut self,
        log: &Log,
        added: &Added,
        now: Micros,
    ) -> Result<(), MaterializerError> {
        self.fold_added(log, added, now, Selection::Present).await
    }

    /// Folds what was added to the log since, of the selected entities. Of a selected entity that is not here,
    /// `added` has all rows that the log has.
    pub(crate) async fn fold_added(
        &mut self,
        log: &Log,
        added: &Added,
        now: Micros,
        selection: Selection,
    ) -> Result<(), MaterializerError> {
        self.fold(log, Some(added.clone()), now, selection).await
    }

    async fn fold(
        &mut self,
        log: &Log,
        added: Option<Added>,
        now: Micros,
        selection: Selection,
    ) -> Result<(), MaterializerError> {
        let folds: Vec<Folding> = (0..threads()).map(|_| self.folding(selection.clone(), now)).collect();
        let log = log.clone();
        blocking::run(move || fold_rows(&log, added.as_ref(), folds).map(drop)).await??;
        self.check()
    }

    /// Folds rows in the form that the log holds them in.
    pub(crate) async fn fold_batches(
        &mut self,
        batches: &[RecordBatch],
        now: Micros,
        selection: Selection,
    ) -> Result<(), MaterializerError> {
        let (view, batches) = (self.view.clone(), batches.to_vec());
        let folding = self.folding(selection, now);
        blocking::run(move || fold_batches(&view, &batches, folding)).await??;
        self.check()
    }

    /// What folds the rows of selected entities into these.
    pub(super) fn folding(&self, selection: Selection, now: Micros) -> Folding {
        Folding::new(self.shards.clone(), selection, now)
    }

    fn check(&self) -> Result<(), MaterializerError> {
        match self.shards.each().any(|shard| shard.is_refused()) {
            true => Err(MaterializerError::TooManyPending { view: self.view.id.clone() }),
            false => Ok(()),
        }
    }
}

/// The keys of the entities that rows in the log's form belong to.
pub(crate) fn keys(view: &View, batches: &[RecordBatch]) -> Result<HashSet<EntityKey>, OfflineError> {
    let mut keys: HashSet<EntityKey> = HashSet::new();
    for batch in batches {
        let of_batch = offline::EncodedKeys::of(view, batch)?;
        for row in 0..of_batch.len() {
            let key = of_batch.key(row);
            if !keys.contains(key) {
                keys.insert(entity_key(key));
            }
        }
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
