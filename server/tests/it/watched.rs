//! A store whose reads can be counted, held up, and made to fail.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use feature::VersionId;
use online::{Found, OnlineError, Read, Reader, Stats};
use tokio::sync::{Notify, Semaphore};

/// What the tests know and decide about the reads of a store.
pub struct Watch {
    /// For each read, the views and how many keys each was asked for.
    pub reads: Mutex<Vec<Vec<(String, usize)>>>,
    /// Told when a read has begun.
    pub begun: Notify,
    /// A read goes on once there is a permit.
    pub gate: Semaphore,
    /// Whether the store is out of reach.
    pub gone: AtomicBool,
    /// Whether a read panics.
    pub broken: AtomicBool,
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
        };
        Self { store, watch: Arc::new(watch) }
    }
}

impl<R: Reader> Reader for Watched<R> {
    async fn read(&self, reads: &[Read<'_>]) -> Result<Vec<Found>, OnlineError> {
        let seen = reads.iter().map(|read| (read.view.to_string(), read.keys.len())).collect();
        self.watch.reads.lock().unwrap().push(seen);
        self.watch.begun.notify_one();
        self.watch.gate.acquire().await.unwrap().forget();
        if self.watch.gone.load(Ordering::Relaxed) {
            return Err(OnlineError::Unavailable { place: "here".into(), reason: "it is gone".into() });
        }
        assert!(!self.watch.broken.load(Ordering::Relaxed), "the store is broken");
        self.store.read(reads).await
    }

    async fn stats(&self, view: &VersionId) -> Result<Stats, OnlineError> {
        self.store.stats(view).await
    }
}
