//! A store whose reads can be counted, held up, and made to fail.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use feature::VersionId;
use online::{OnlineError, PackedRows, Read, Reader, Stats};
use tokio::sync::{Notify, Semaphore};

/// What the tests know and decide about the reads of a store.
pub struct Watch {
    /// For each read, the views and how many keys of each were read.
    pub reads: Mutex<Vec<Vec<(String, usize)>>>,
    /// Reported when a read has begun.
    pub begun: Notify,
    /// A read goes on once there is a permit.
    pub gate: Semaphore,
    /// Whether the store is out of reach.
    pub gone: AtomicBool,
    /// Whether a read panics.
    pub broken: AtomicBool,
    /// How many reads were given up before they had an answer.
    pub given_up: AtomicUsize,
}

/// Counts a read that is dropped before its end.
struct GivenUp<'a>(Option<&'a Watch>);

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        if let Some(watch) = self.0 {
            watch.given_up.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[derive(Clone)]
pub struct Watched<R> {
    store: R,
    pub watch: Arc<Watch>,
}

impl<R> Watched<R> {
    /// A store that lets this many reads pass before it holds them up.
    pub fn new(store: R, reads: usize) -> Self {
        let watch = Watch {
            reads: Mutex::default(),
            begun: Notify::new(),
            gate: Semaphore::new(reads),
            gone: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            given_up: AtomicUsize::new(0),
        };
        Self { store, watch: Arc::new(watch) }
    }
}

impl<R: Reader> Reader for Watched<R> {
    async fn read(&self, reads: &[Read<'_>]) -> Result<Vec<PackedRows>, OnlineError> {
        // The server probes for the key of nobody, whenever it likes.
        let is_probe = reads.iter().all(|read| read.keys.iter().all(|key| key.as_bytes().is_empty()));
        if !is_probe {
            let seen = reads.iter().map(|read| (read.view.to_string(), read.keys.len())).collect();
            self.watch.reads.lock().unwrap().push(seen);
            self.watch.begun.notify_one();
            let mut given_up = GivenUp(Some(&self.watch));
            self.watch.gate.acquire().await.unwrap().forget();
            given_up.0 = None;
        }
        if self.watch.gone.load(Ordering::Relaxed) {
            return Err(OnlineError::Unavailable { location: "here".into(), reason: "it is gone".into() });
        }
        assert!(is_probe || !self.watch.broken.load(Ordering::Relaxed), "the store is broken");
        self.store.read(reads).await
    }

    async fn stats(&self, view: &VersionId) -> Result<Stats, OnlineError> {
        self.store.stats(view).await
    }
}
