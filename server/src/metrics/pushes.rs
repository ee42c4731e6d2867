//! What is counted of rows that are pushed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use exposition::{Histogram, Page};

use super::{NANOS, SECONDS};

/// Rows that were pushed, and what making them durable took.
#[derive(Debug)]
pub(crate) struct PushCounts {
    taken: AtomicU64,
    refused: AtomicU64,
    /// By view and reason: there are no more than registered views times the kinds of reasons.
    reasons: Mutex<BTreeMap<(String, String), u64>>,
    sync_nanos: Histogram,
}

impl Default for PushCounts {
    fn default() -> Self {
        Self {
            taken: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            reasons: Mutex::default(),
            sync_nanos: Histogram::new(SECONDS),
        }
    }
}

impl PushCounts {
    /// Rows that are durable, and how long their write and sync took.
    pub fn taken(&self, rows: usize, sync_nanos: u64) {
        self.taken.fetch_add(rows as u64, Ordering::Relaxed);
        self.sync_nanos.observe(sync_nanos);
    }

    /// Rows that could not be taken.
    pub fn refused(&self, rows: u64) {
        self.refused.fetch_add(rows, Ordering::Relaxed);
    }

    /// Rows that this view refuses for this kind of reason; no view where none can read them.
    pub fn refused_for(&self, view: &str, reason: &str, rows: u64) {
        if rows > 0 {
            let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
            *reasons.entry((view.to_owned(), reason.to_owned())).or_default() += rows;
        }
    }

    /// Writes all of it.
    pub fn expose(&self, page: &mut Page) {
        let rows = "twinstore_push_rows_total";
        page.family(rows, "counter", "Rows that were pushed, by outcome");
        for (outcome, count) in [("taken", &self.taken), ("refused", &self.refused)] {
            page.sample(rows, &[("outcome", outcome)], count.load(Ordering::Relaxed) as f64);
        }
        let reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = "twinstore_push_refused_total";
        page.family(refused, "counter", "Pushed rows that were refused, by view and kind of reason");
        for ((view, reason), count) in reasons.iter() {
            page.sample(refused, &[("view", view), ("reason", reason)], *count as f64);
        }
        let seconds = "twinstore_push_sync_seconds";
        page.family(seconds, "histogram", "The write and the sync of the rows of a push, shared with others");
        page.histogram(seconds, &[], &self.sync_nanos, NANOS);
    }
}
