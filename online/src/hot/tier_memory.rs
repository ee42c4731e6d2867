//! What a hot tier holds of its store: rows, the applied times of their views, and which changes came last. A row is
//! kept only if nothing was reported of it since it was read.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use feature::{EntityKey, Micros, VersionId};
use foldhash::fast::FixedState;

use super::table::{HotTable, TableOptions, TableStats};
use crate::store::{Change, PackedRows, Read};

/// Keys whose last change is noted together.
const STRIPES: usize = 4096;
/// No mark.
pub(super) const NO_MARK: u64 = u64::MAX;
/// No applied time.
const NO_TIME: i64 = i64::MIN;

/// Rows of a store that were read lately, and what is known of how current they are.
pub(super) struct TierMemory {
    table: HotTable,
    views: RwLock<HashMap<VersionId, Arc<ViewState>>>,
    next_number: AtomicU32,
    reported: Mutex<Reported>,
    /// The state of the store up to which its changes were taken in.
    mark: AtomicU64,
}

/// What is known of one view. A dropped view's rows are those of a number that nobody asks for again.
struct ViewState {
    number: u32,
    /// The last applied time that was read; at least that of every row that is held.
    applied_at: AtomicI64,
    /// Whether it is still that.
    is_known: AtomicBool,
    /// The number of the last change of it that was reported.
    changed: AtomicU64,
}

/// Which changes came last, by their order of arrival.
struct Reported {
    last: u64,
    everything: u64,
    rows: Box<[u64]>,
    stripes: FixedState,
}

impl Reported {
    fn stripe(&mut self, key: &EntityKey) -> &mut u64 {
        let at = self.stripes.hash_one(key) as usize % STRIPES;
        match self.rows.get_mut(at) {
            Some(stripe) => stripe,
            None => &mut self.everything,
        }
    }
}

/// What of one [`Read`] was found in memory.
pub(super) struct Gathered {
    state: Arc<ViewState>,
    pub(super) found: PackedRows,
    pub(super) missing: Vec<usize>,
    pub(super) is_known: bool,
    /// Whether a key's absence was found.
    pub(super) has_absent: bool,
}

/// Since when rows must not have changed to be kept.
#[derive(Clone, Copy)]
pub(super) enum Since {
    Mark(u64),
    Change(u64),
}

impl TierMemory {
    /// With nothing in it; `None` if its memory cannot be reserved.
    pub(super) fn new(options: TableOptions) -> Option<Self> {
        let reported = Reported {
            last: 0,
            everything: 0,
            rows: vec![0; STRIPES].into(),
            stripes: FixedState::default(),
        };
        Some(Self {
            table: HotTable::new(options)?,
            views: RwLock::new(HashMap::new()),
            next_number: AtomicU32::new(0),
            reported: Mutex::new(reported),
            mark: AtomicU64::new(NO_MARK),
        })
    }

    /// What the table of rows has done.
    pub(super) fn stats(&self) -> TableStats {
        self.table.stats()
    }

    /// Up to which state of the store its changes were taken in; [`NO_MARK`] if of none.
    pub(super) fn mark(&self) -> u64 {
        self.mark.load(Ordering::Acquire)
    }

    /// The number of the last change that was reported.
    pub(super) fn last_change(&self) -> u64 {
        self.reported().last
    }

    /// Takes in one change, then does the rest of what it means, before anything else is taken in or kept.
    pub(super) fn take_in(&self, change: &Change, then: impl FnOnce()) {
        let mut reported = self.reported();
        self.note(&mut reported, change);
        then();
    }

    /// Takes in changes up to a mark, unless another reader was faster.
    pub(super) fn take_in_up_to(&self, mark: u64, changes: &[Change]) {
        let mut reported = self.reported();
        let current = self.mark();
        if current == NO_MARK || current < mark || changes.contains(&Change::Everything) {
            changes.iter().for_each(|change| self.note(&mut reported, change));
            self.mark.store(mark, Ordering::Release);
        }
    }

    fn reported(&self) -> MutexGuard<'_, Reported> {
        self.reported.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what the store tells.
    fn note(&self, reported: &mut Reported, change: &Change) {
        reported.last += 1;
        let last = reported.last;
        match change {
            Change::Row { view, key } => {
                *reported.stripe(key) = last;
                if let Some(state) = self.known_view(view) {
                    self.table.write().remove(state.number, key.as_bytes());
                }
            }
            Change::View(view) => {
                if let Some(state) = self.known_view(view) {
                    state.is_known.store(false, Ordering::Release);
                    state.changed.store(last, Ordering::Release);
                }
            }
            Change::Rows(view) | Change::Dropped(view) => {
                let mut views = self.views.write().unwrap_or_else(PoisonError::into_inner);
                views.remove(view);
            }
            Change::Everything => {
                reported.everything = last;
                self.views.write().unwrap_or_else(PoisonError::into_inner).clear();
            }
        }
    }

    fn known_view(&self, view: &VersionId) -> Option<Arc<ViewState>> {
        self.views.read().unwrap_or_else(PoisonError::into_inner).get(view).cloned()
    }

    fn view(&self, view: &VersionId) -> Arc<ViewState> {
        if let Some(state) = self.known_view(view) {
            return state;
        }
        let mut views = self.views.write().unwrap_or_else(PoisonError::into_inner);
        let state = views.entry(view.clone()).or_insert_with(|| {
            Arc::new(ViewState {
                number: self.next_number.fetch_add(1, Ordering::Relaxed),
                applied_at: AtomicI64::new(NO_TIME),
                is_known: AtomicBool::new(false),
                changed: AtomicU64::new(0),
            })
        });
        Arc::clone(state)
    }

    /// What is in memory of these reads.
    pub(super) fn gather(&self, reads: &[Read<'_>]) -> Vec<Gathered> {
        reads.iter().map(|read| self.gather_one(read)).collect()
    }

    fn gather_one(&self, read: &Read<'_>) -> Gathered {
        let state = self.view(read.view);
        let (mut found, mut missing, mut has_absent) =
            (PackedRows::new(None, read.keys.len()), Vec::new(), false);
        self.table.read().each(state.number, read.keys, |index, row| match row {
            // A row has bytes: none stand for a key that has no row.
            Some([]) => {
                has_absent = true;
                found.push(None);
            }
            Some(row) => found.push(Some(row)),
            None => {
                missing.push(index);
                found.push(None);
            }
        });
        // After the rows: it is raised before a row of its moment is kept.
        let is_known = state.is_known.load(Ordering::Acquire);
        found.set_applied_at(Micros::new(state.applied_at.load(Ordering::Acquire)).ok());
        Gathered { state, found, missing, is_known, has_absent }
    }

    /// Keeps what was read from the store, unless it changed since: since the mark that the rows are of,
    /// or, of a store without marks, since the change that was the last before they were read.
    pub(super) fn keep(&self, read: &Read<'_>, gathered: &Gathered, found: &PackedRows, since: Since) {
        let Gathered { state, missing, .. } = gathered;
        let mut reported = self.reported();
        let is_current = match since {
            Since::Mark(mark) => self.mark.load(Ordering::Acquire) == mark,
            Since::Change(change) => reported.everything <= change,
        };
        if !is_current {
            return;
        }
        let unchanged = |last: u64| match since {
            Since::Mark(_) => true,
            Since::Change(change) => last <= change,
        };
        let applied_at = found.applied_at().map_or(NO_TIME, Micros::get);
        state.applied_at.fetch_max(applied_at, Ordering::AcqRel);
        if unchanged(state.changed.load(Ordering::Acquire)) {
            state.is_known.store(true, Ordering::Release);
        }
        let mut writes = self.table.write();
        for (row, index) in found.rows().zip(missing) {
            if let Some(key) = read.keys.get(*index)
                && unchanged(*reported.stripe(key))
            {
                // Where a row does not fit the store is read again: no answer depends on it.
                let _ = writes.put(state.number, key.as_bytes(), row.unwrap_or_default());
            }
        }
    }
}
