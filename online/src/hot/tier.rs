//! The hot tier: rows of a store that were read lately, in memory in front of it. What it answers is what
//! the store would: rows go when the store tells of a change, and none is kept that changed while it was
//! on its way here.
//!
//! A store that can be polled for its changes is polled at each read, and rows and applied times are those
//! of the moment of its answer: such a tier is never behind. A store that only tells is followed; a row
//! may then be as old as its message takes, and the applied time is at least that of every row. While
//! nobody follows it the tier lets every read through. Where the store is not available, rows that are
//! held are answered for as long as their views allow, and what is not held is an error, never absent.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use feature::{EntityKey, Micros, Span, VersionId};
use foldhash::fast::FixedState;

use super::outage::Outage;
use super::table::{HotTable, TableOptions};
use crate::error::OnlineError;
use crate::store::{Change, Followed, PackedRows, Read, Reader, Stats};

/// Keys whose last change is noted together.
const STRIPES: usize = 4096;
/// How often a read begins again because the store changed meanwhile, before all is read from the store.
const ATTEMPTS: usize = 3;
/// How long a store in an outage is waited for by who asks for nothing but what is held.
const PATIENCE: Duration = Duration::from_millis(20);
/// How often changes are taken in of a store that can be polled, so that no reader finds too many.
const CATCHING_UP: Duration = Duration::from_millis(10);
/// No mark, or no applied time.
const NO_MARK: u64 = u64::MAX;
const NO_TIME: i64 = i64::MIN;

/// How a tier works.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TierOptions {
    /// How much memory it may take.
    pub table: TableOptions,
    /// How long it answers what it holds while the store is not available, or tells nothing; a view may
    /// allow less.
    pub longest_outage: Span,
}

/// What a tier has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TierStats {
    /// Keys whose row, or whose absence, was in memory.
    pub hits: u64,
    /// Keys that were read from the store.
    pub misses: u64,
    /// Rows that were let go for others.
    pub evictions: u64,
    /// Rows, and keys without one, in memory.
    pub entries: u64,
    /// Bytes of memory.
    pub bytes: u64,
    /// Reads that were answered without the store, which was not available.
    pub outages: u64,
    /// Whether the store tells of its changes, or was polled for them at the last read.
    pub is_followed: bool,
    /// Since when the store has not vouched for what is held; none while it does.
    pub lost_since: Option<Micros>,
}

/// The moment, when a tier asks for it.
type Clock = Box<dyn Fn() -> Micros + Send + Sync>;

/// Rows of a store that were read lately, in front of it.
pub struct HotTier<S> {
    store: S,
    table: HotTable,
    outage: Outage,
    now: Clock,
    views: RwLock<HashMap<VersionId, Arc<ViewState>>>,
    next_number: AtomicU32,
    reported: Mutex<Reported>,
    /// The state of the store up to which its changes were taken in.
    mark: AtomicU64,
    /// Whether the store tells of its changes now.
    followed: AtomicBool,
    hits: AtomicU64,
    misses: AtomicU64,
    outages: AtomicU64,
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
struct Gathered {
    state: Arc<ViewState>,
    found: PackedRows,
    missing: Vec<usize>,
    is_known: bool,
    /// Whether a key's absence was found.
    has_absent: bool,
}

impl<S> std::fmt::Debug for HotTier<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HotTier").field("stats", &self.counts()).finish_non_exhaustive()
    }
}

impl<S> HotTier<S> {
    /// A tier in front of a store, with nothing in it; none where its memory cannot be reserved. `now` is
    /// only called when the store is lost, and while it is.
    pub fn new(
        store: S,
        options: TierOptions,
        now: impl Fn() -> Micros + Send + Sync + 'static,
    ) -> Option<Self> {
        let reported = Reported {
            last: 0,
            everything: 0,
            rows: vec![0; STRIPES].into(),
            stripes: FixedState::default(),
        };
        Some(Self {
            store,
            table: HotTable::new(options.table)?,
            outage: Outage::new(options.longest_outage),
            now: Box::new(now),
            views: RwLock::new(HashMap::new()),
            next_number: AtomicU32::new(0),
            reported: Mutex::new(reported),
            mark: AtomicU64::new(NO_MARK),
            followed: AtomicBool::new(false),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            outages: AtomicU64::new(0),
        })
    }

    /// The store behind it.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// From now on these views allow that what is held of them is answered for so long while the store is
    /// not available; the others allow the longest outage, which none exceeds.
    pub fn allow(&self, outages: impl IntoIterator<Item = (VersionId, Span)>) {
        self.outage.allow(outages.into_iter().collect());
    }

    /// Whether what is held is answered for now, by the store or, within the longest outage, without it.
    pub fn stands_in(&self) -> bool {
        self.outage.since().is_none() || self.outage.is_allowed(std::iter::empty(), (self.now)())
    }

    /// What it has done so far.
    pub fn counts(&self) -> TierStats {
        let table = self.table.stats();
        TierStats {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            evictions: table.evictions,
            entries: table.entries,
            bytes: table.bytes,
            outages: self.outages.load(Ordering::Relaxed),
            is_followed: self.followed.load(Ordering::Relaxed)
                || self.mark.load(Ordering::Relaxed) != NO_MARK,
            lost_since: self.outage.since(),
        }
    }

    /// Up to which state of the store its changes were taken in.
    #[cfg(test)]
    pub(super) fn mark(&self) -> u64 {
        self.mark.load(Ordering::Acquire)
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
    fn gather(&self, reads: &[Read<'_>]) -> Vec<Gathered> {
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
    fn keep(&self, read: &Read<'_>, gathered: &Gathered, found: &PackedRows, since: Since) {
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

    /// What is held of these reads, where all of it is and may be answered without the store.
    fn cached(&self, reads: &[Read<'_>]) -> Option<Vec<PackedRows>> {
        if !self.outage.is_allowed(reads.iter().map(|read| read.view), (self.now)()) {
            return None;
        }
        let gathered = self.gather(reads);
        let is_complete = |gathered: &Gathered| {
            gathered.missing.is_empty() && !gathered.has_absent && gathered.found.applied_at().is_some()
        };
        gathered
            .iter()
            .all(is_complete)
            .then(|| gathered.into_iter().map(|gathered| gathered.found).collect())
    }

    fn hits(&self, reads: &[Read<'_>], missing: usize) {
        let all: usize = reads.iter().map(|read| read.keys.len()).sum();
        self.misses.fetch_add(missing as u64, Ordering::Relaxed);
        self.hits.fetch_add((all - missing) as u64, Ordering::Relaxed);
    }
}

/// While this lives the store is followed; what is reported last is not noted any more after it.
struct Following<'a, S>(&'a HotTier<S>);

impl<S> Drop for Following<'_, S> {
    fn drop(&mut self) {
        let HotTier { followed, outage, now, .. } = self.0;
        if followed.swap(false, Ordering::AcqRel) {
            outage.begin(now());
        }
    }
}

/// Since when rows must not have changed to be kept.
#[derive(Clone, Copy)]
enum Since {
    Mark(u64),
    Change(u64),
}

impl<S: Followed> HotTier<S> {
    /// Follows the store until it cannot be followed any more, and gives the reason: for a task that calls
    /// it again and again. Of a store that can be polled for its changes it takes them in now and then.
    pub async fn follow(&self) -> OnlineError {
        while let Some(caught_up) = self.catch_up() {
            if let Err(error) = caught_up {
                return error;
            }
            tokio::time::sleep(CATCHING_UP).await;
        }
        // Also when whoever follows is stopped.
        let _ends = Following(self);
        self.store
            .follow(&|change| {
                let mut reported = self.reported();
                self.note(&mut reported, &change);
                if !self.followed.swap(true, Ordering::AcqRel) {
                    // Nothing is held from before.
                    self.outage.end();
                }
            })
            .await
    }

    /// Takes in what has changed in a store that can be polled, and gives the mark of that moment.
    fn catch_up(&self) -> Option<Result<u64, OnlineError>> {
        let since = Some(self.mark.load(Ordering::Acquire)).filter(|mark| *mark != NO_MARK);
        let changed = match self.store.changed(since)? {
            Ok(changed) => changed,
            Err(error) => return Some(Err(error)),
        };
        if since != Some(changed.mark) {
            let mut reported = self.reported();
            let mark = self.mark.load(Ordering::Acquire);
            // Another reader may have been faster.
            if mark == NO_MARK || mark < changed.mark || changed.changes.contains(&Change::Everything) {
                changed.changes.iter().for_each(|change| self.note(&mut reported, change));
                self.mark.store(changed.mark, Ordering::Release);
            }
        }
        Some(Ok(changed.mark))
    }

    /// Reads what is held, and the rest from the store.
    async fn read_through(&self, reads: &[Read<'_>]) -> Result<Vec<PackedRows>, OnlineError> {
        for _ in 0..ATTEMPTS {
            let mark = match self.catch_up() {
                Some(Ok(mark)) => Some(mark),
                Some(Err(error)) => return Err(error),
                None if self.followed.load(Ordering::Acquire) => None,
                None => break,
            };
            let since = mark.map_or_else(|| Since::Change(self.reported().last), Since::Mark);
            let mut gathered = self.gather(reads);
            let is_of_the_mark =
                |mark: Option<u64>| mark.is_none_or(|mark| self.mark.load(Ordering::Acquire) == mark);
            if !is_of_the_mark(mark) {
                continue;
            }
            if !self.complete(reads, &mut gathered, mark, since).await? {
                continue;
            }
            self.hits(reads, gathered.iter().map(|gathered| gathered.missing.len()).sum());
            return Ok(gathered.into_iter().map(|gathered| gathered.found).collect());
        }
        self.hits(reads, reads.iter().map(|read| read.keys.len()).sum());
        self.store.read(reads).await
    }

    /// The same while the store is in an outage, for who could do without it.
    async fn read_or_else(
        &self,
        reads: &[Read<'_>],
        cached: Vec<PackedRows>,
    ) -> Result<Vec<PackedRows>, OnlineError> {
        match tokio::time::timeout(PATIENCE, self.read_through(reads)).await {
            Ok(Err(refusal)) if !matches!(refusal, OnlineError::Unavailable { .. }) => Err(refusal),
            Ok(Ok(found)) => Ok(found),
            Ok(Err(_)) | Err(_) => {
                self.outages.fetch_add(1, Ordering::Relaxed);
                Ok(cached)
            }
        }
    }

    /// Reads what is missing, of all views at once; whether it is of the same moment as the rest.
    async fn complete(
        &self,
        reads: &[Read<'_>],
        gathered: &mut [Gathered],
        mark: Option<u64>,
        since: Since,
    ) -> Result<bool, OnlineError> {
        let lacking: Vec<usize> = gathered
            .iter()
            .enumerate()
            .filter(|(_, gathered)| !gathered.missing.is_empty() || !gathered.is_known)
            .map(|(index, _)| index)
            .collect();
        if lacking.is_empty() {
            return Ok(true);
        }
        let keys: Vec<Vec<EntityKey>> = lacking
            .iter()
            .filter_map(|index| Some((reads.get(*index)?, gathered.get(*index)?)))
            .map(|(read, gathered)| {
                gathered.missing.iter().filter_map(|index| read.keys.get(*index).cloned()).collect()
            })
            .collect();
        let missing: Vec<Read<'_>> = lacking
            .iter()
            .zip(&keys)
            .filter_map(|(index, keys)| Some(Read { view: reads.get(*index)?.view, keys }))
            .collect();
        let (of, founds) = self.store.read_marked(&missing).await?;
        // While nobody follows, what is held stays what it was when the store was lost.
        if mark.is_some() || self.followed.load(Ordering::Acquire) {
            self.outage.end();
        }
        if mark.is_some() && of != mark {
            return Ok(false);
        }
        for (index, found) in lacking.into_iter().zip(&founds) {
            let (Some(read), Some(gathered)) = (reads.get(index), gathered.get_mut(index)) else { continue };
            self.keep(read, gathered, found, since);
            for (row, index) in found.rows().zip(&gathered.missing) {
                if let Some(row) = row {
                    gathered.found.set(*index, row);
                }
            }
            gathered.found.set_applied_at(gathered.found.applied_at().max(found.applied_at()));
        }
        Ok(true)
    }
}

impl<S: Followed> Reader for HotTier<S> {
    async fn read(&self, reads: &[Read<'_>]) -> Result<Vec<PackedRows>, OnlineError> {
        if self.outage.since().is_some()
            && let Some(cached) = self.cached(reads)
        {
            return self.read_or_else(reads, cached).await;
        }
        let refusal = match self.read_through(reads).await {
            Err(refusal @ OnlineError::Unavailable { .. }) => refusal,
            answer => return answer,
        };
        self.outage.begin((self.now)());
        let Some(cached) = self.cached(reads) else { return Err(refusal) };
        self.outages.fetch_add(1, Ordering::Relaxed);
        Ok(cached)
    }

    async fn stats(&self, view: &VersionId) -> Result<Stats, OnlineError> {
        self.store.stats(view).await
    }
}
