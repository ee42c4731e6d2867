//! What a reader has seen in the servers, and what is gone therefore was lost: a server that was restarted without its data
//! answers, and knows nobody.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use feature::VersionId;

/// The notes that were there before: whose the rows are, and the applied times of views.
pub(super) struct SeenBefore {
    owner: AtomicBool,
    applied: RwLock<HashSet<VersionId>>,
}

impl SeenBefore {
    /// That the store was filled, if it was, and which views were loaded.
    pub(super) fn new(was_filled: bool, loaded: Vec<VersionId>) -> Self {
        Self { owner: AtomicBool::new(was_filled), applied: RwLock::new(loaded.into_iter().collect()) }
    }

    /// Whether the note of whose the rows are was there before and is gone.
    pub(super) fn has_lost_owner(&self, is_there: bool) -> bool {
        if is_there {
            self.owner.store(true, Ordering::Relaxed);
        }
        !is_there && self.owner.load(Ordering::Relaxed)
    }

    /// Whether the applied time of a view was there before and is gone. The rows of a last good moment are removed with the
    /// opening that they are kept for.
    pub(super) fn has_lost_applied(&self, view: &VersionId, is_there: bool) -> bool {
        if view.version > VersionId::MOST_VERSIONS {
            return false;
        }
        let was_there = self.applied.read().unwrap_or_else(PoisonError::into_inner).contains(view);
        if is_there && !was_there {
            self.applied.write().unwrap_or_else(PoisonError::into_inner).insert(view.clone());
        }
        !is_there && was_there
    }
}
