//! What a long call shows while it runs: counts that the library reports from its threads, shown by the thread that waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use pyo3::prelude::*;
use twinstore::{CancellationToken, Event, Progress, Run};

/// A call that is watched by a callable of Python, if by any: it takes how many rows are done, and how many there are, zero
/// where that is not known.
pub struct Watched {
    counts: Arc<Counts>,
    cancel: CancellationToken,
    callable: Option<Py<PyAny>>,
}

#[derive(Default)]
struct Counts {
    done: AtomicU64,
    total: AtomicU64,
    times_were_naive: AtomicBool,
}

impl Progress for Counts {
    fn report(&self, event: Event) {
        match event {
            Event::RowsRead { rows, .. } => drop(self.done.fetch_add(rows, Ordering::Relaxed)),
            Event::JoinBegins { log_rows } => self.total.store(log_rows, Ordering::Relaxed),
            Event::LogRowsRead { rows } => self.done.store(rows, Ordering::Relaxed),
            Event::TimesReadAsUtc { .. } => self.times_were_naive.store(true, Ordering::Relaxed),
            // What is said elsewhere, or of later libraries.
            _ => {}
        }
    }
}

impl Watched {
    pub fn by(callable: Option<Py<PyAny>>) -> Self {
        Self { counts: Arc::default(), cancel: CancellationToken::new(), callable }
    }

    /// Nobody watches.
    pub fn by_nobody() -> Self {
        Self::by(None)
    }

    pub fn run(&self) -> Run {
        Run::new(self.counts.clone(), self.cancel.clone())
    }

    pub fn cancel(&self) {
        self.cancel.cancel();
    }

    /// Whether label times had no zone, and were read as UTC.
    pub fn times_were_naive(&self) -> bool {
        self.counts.times_were_naive.load(Ordering::Relaxed)
    }

    /// Shows how far the call is.
    pub fn show(&self, py: Python<'_>) -> PyResult<()> {
        let Some(callable) = &self.callable else { return Ok(()) };
        let (done, total) = (&self.counts.done, &self.counts.total);
        callable.call1(py, (done.load(Ordering::Relaxed), total.load(Ordering::Relaxed))).map(drop)
    }
}
