//! The hot tier: rows of a store that were read lately, in memory in front of it. What it answers is what
//! the store would: rows go when the store tells of a change, and none is kept that changed while it was
//! on its way here.
//!
//! A store that can be polled for its changes is polled at each read, and rows and applied times are those
//! of the moment of its answer: such a tier is never behind. A store that only tells is followed; a row
//! may then be as old as its message takes, and the applied time is at least that of every row. While
//! nobody follows it the tier lets every read through. Where the store is not available, rows that are
//! held are answered for as long as their views allow, and what is not held is an error, never absent.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use feature::{EntityKey, Micros, Span, VersionId, View};

use super::outage::{Outage, allowed_outage};
use super::table::TableOptions;
use super::tier_memory::{Gathered, NO_MARK, Since, TierMemory};
use crate::error::OnlineError;
use crate::store::{Followed, PackedRows, Read, Reader, Stats};

/// How often a read begins again because the store changed meanwhile, before all is read from the store.
const ATTEMPTS: usize = 3;
/// How long a store in an outage is waited for by who asks for nothing but what is held.
const PATIENCE: Duration = Duration::from_millis(20);
/// How often changes are taken in of a store that can be polled, so that no reader finds too many.
const CATCHING_UP: Duration = Duration::from_millis(10);

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
    memory: TierMemory,
    outage: Outage,
    now: Clock,
    /// Whether the store tells of its changes now.
    followed: AtomicBool,
    hits: AtomicU64,
    misses: AtomicU64,
    outages: AtomicU64,
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
        Some(Self {
            store,
            memory: TierMemory::new(options.table)?,
            outage: Outage::new(options.longest_outage),
            now: Box::new(now),
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

    /// From now on these views allow what `outage.rs` says of them; the others
    /// allow the longest outage, which none exceeds.
    pub fn allow<'v>(&self, views: impl IntoIterator<Item = &'v View>) {
        let allowed = |view: &View| Some((view.id.clone(), allowed_outage(view)?));
        self.outage.allow(views.into_iter().filter_map(allowed).collect());
    }

    /// Whether what is held is answered for now, by the store or, within the longest outage, without it.
    pub fn stands_in(&self) -> bool {
        self.outage.since().is_none() || self.outage.is_allowed(std::iter::empty(), (self.now)())
    }

    /// What it has done so far.
    pub fn counts(&self) -> TierStats {
        let table = self.memory.stats();
        TierStats {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            evictions: table.evictions,
            entries: table.entries,
            bytes: table.bytes,
            outages: self.outages.load(Ordering::Relaxed),
            is_followed: self.followed.load(Ordering::Relaxed) || self.memory.mark() != NO_MARK,
            lost_since: self.outage.since(),
        }
    }

    /// Up to which state of the store its changes were taken in.
    #[cfg(test)]
    pub(super) fn mark(&self) -> u64 {
        self.memory.mark()
    }

    /// What is held of these reads, where all of it is and may be answered without the store.
    fn cached(&self, reads: &[Read<'_>]) -> Option<Vec<PackedRows>> {
        if !self.outage.is_allowed(reads.iter().map(|read| read.view), (self.now)()) {
            return None;
        }
        let gathered = self.memory.gather(reads);
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
                self.memory.take_in(&change, || {
                    if !self.followed.swap(true, Ordering::AcqRel) {
                        // Nothing is held from before.
                        self.outage.end();
                    }
                });
            })
            .await
    }

    /// Takes in what has changed in a store that can be polled, and gives the mark of that moment.
    fn catch_up(&self) -> Option<Result<u64, OnlineError>> {
        let since = Some(self.memory.mark()).filter(|mark| *mark != NO_MARK);
        let changed = match self.store.changed(since)? {
            Ok(changed) => changed,
            Err(error) => return Some(Err(error)),
        };
        if since != Some(changed.mark) {
            self.memory.take_in_up_to(changed.mark, &changed.changes);
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
            let since = mark.map_or_else(|| Since::Change(self.memory.last_change()), Since::Mark);
            let mut gathered = self.memory.gather(reads);
            if mark.is_some_and(|mark| self.memory.mark() != mark) {
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
            self.memory.keep(read, gathered, found, since);
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
