//! Rows that are written again from the log while others read and write: what may be written over, and
//! what is left to whoever wrote it.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use feature::{EntityKey, Micros, VersionId};

use crate::error::OnlineError;
use crate::folded_commit::FoldedCommit;
use crate::store::{Outcome, Reader, Writer};

/// A packed row that the log gives.
#[derive(Clone, Copy, Debug)]
pub struct Mending<'a> {
    /// The entity.
    pub key: &'a EntityKey,
    /// Its packed row, whole.
    pub bytes: &'a [u8],
    /// The row that is written over although it has folded what this one has not, where it is still there.
    pub over: Option<&'a [u8]>,
}

/// Entities, by their hashes, which take less memory than their keys.
#[derive(Clone, Debug, Default)]
pub struct Entities(HashSet<u64>);

impl Entities {
    /// Adds one.
    pub fn insert(&mut self, key: &EntityKey) {
        self.0.insert(hash(key));
    }

    /// Whether it is among them.
    pub fn contains(&self, key: &EntityKey) -> bool {
        self.0.contains(&hash(key))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn hash(key: &EntityKey) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

/// Writes a view's rows again from the log. Readers see at each moment the row that was there or the new
/// one. Nothing here needs what is there to be readable.
pub trait Mender: Reader + Writer {
    /// Writes each row, unless a sound row of the same definition is there that has folded what this one
    /// has not: that one is a conflict. `applied_at` raises the view's applied time, and never lowers it.
    fn mend(
        &self,
        view: &VersionId,
        rows: &[Mending<'_>],
        applied_at: Option<Micros>,
    ) -> impl Future<Output = Result<Vec<Outcome>, OnlineError>> + Send;

    /// Drops what there is of a view by its counts and notes. A store that has nothing of it is not written.
    fn drop_held(&self, view: &VersionId) -> impl Future<Output = Result<(), OnlineError>> + Send {
        async move {
            let stats = self.stats(view).await?;
            let has_some = stats.rows > 0 || stats.applied_at.is_some();
            if has_some || self.folded_commit(view).await?.is_some() {
                self.drop_view(view).await?;
            }
            Ok(())
        }
    }

    /// Whether the view is known to have no row, by looking for one; its counts say so then too. A store where that
    /// saves nothing says `false`.
    fn is_empty(&self, view: &VersionId) -> impl Future<Output = Result<bool, OnlineError>> + Send;

    /// The rows of entities that are not among these.
    fn strays(
        &self,
        view: &VersionId,
        known: &Entities,
    ) -> impl Future<Output = Result<Vec<(EntityKey, Vec<u8>)>, OnlineError>> + Send;

    /// Removes each row where it is still the one given. Gives how many were removed.
    fn remove(
        &self,
        view: &VersionId,
        rows: &[(EntityKey, Vec<u8>)],
    ) -> impl Future<Output = Result<u64, OnlineError>> + Send;

    /// The view versions of which anything is there, in order: rows, or what is noted of them. It may look at every key of
    /// the store.
    fn versions(&self) -> impl Future<Output = Result<Vec<VersionId>, OnlineError>> + Send;

    /// Counts the view's rows and their bytes again, where the counts are kept apart from them.
    fn recount(&self, view: &VersionId) -> impl Future<Output = Result<(), OnlineError>> + Send;

    /// The commit of the view's log up to which its rows were said to be folded; `None` if that was never said, as in
    /// a store of an earlier release, or what is noted cannot be read.
    fn folded_commit(
        &self,
        view: &VersionId,
    ) -> impl Future<Output = Result<Option<FoldedCommit>, OnlineError>> + Send;

    /// Notes the commit up to which the view's rows are folded, whatever was noted before. It goes with the view.
    fn note_folded_commit(
        &self,
        view: &VersionId,
        commit: FoldedCommit,
    ) -> impl Future<Output = Result<(), OnlineError>> + Send;
}
