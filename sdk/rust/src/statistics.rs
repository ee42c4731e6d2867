//! What a client did since it was built.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a client did since it was built. Counts only grow.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct Statistics {
    /// Calls that went to a server; those that the cache answered are not among them.
    pub calls: u64,
    /// Requests that were sent for them: first ones, repeated ones and hedges.
    pub attempts: u64,
    /// Requests that were repeated after a failure.
    pub retries: u64,
    /// Requests that were sent beside one that had no answer yet.
    pub hedges: u64,
    /// Hedges that answered first.
    pub hedges_won: u64,
    /// Retries and hedges that were not sent, since the budget was spent.
    pub over_budget: u64,
    /// Reads that the cache answered.
    pub cache_hits: u64,
    /// Reads that the cache could not answer.
    pub cache_misses: u64,
}

/// The same while they are counted.
#[derive(Default, Debug)]
pub(crate) struct Counters {
    pub calls: Counter,
    pub attempts: Counter,
    pub retries: Counter,
    pub hedges: Counter,
    pub hedges_won: Counter,
    pub over_budget: Counter,
    pub cache_hits: Counter,
    pub cache_misses: Counter,
}

/// One of them.
#[derive(Default, Debug)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    pub fn read(&self) -> Statistics {
        Statistics {
            calls: self.calls.get(),
            attempts: self.attempts.get(),
            retries: self.retries.get(),
            hedges: self.hedges.get(),
            hedges_won: self.hedges_won.get(),
            over_budget: self.over_budget.get(),
            cache_hits: self.cache_hits.get(),
            cache_misses: self.cache_misses.get(),
        }
    }
}
