//! The hot tier before a store, followed for as long as it is held; and a way to know that it was notified of
//! all that was written.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use feature::{Micros, Span, VersionId};
use online::{HotTier, Read, Reader, Store, TableOptions, TierOptions, Writer};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long what was written may take to be reported.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Tier {
    pub(super) hot: Arc<HotTier<Store>>,
    follows: JoinHandle<()>,
    marks: AtomicI64,
}

impl Drop for Tier {
    fn drop(&mut self) {
        self.follows.abort();
    }
}

impl Tier {
    pub(super) fn new(store: Store) -> Tier {
        let options = TierOptions { table: TableOptions::evicting(64 << 20), longest_outage: Span::MINUTE };
        let hot = Arc::new(HotTier::new(store, options, || Micros::MIN).unwrap());
        let followed = hot.clone();
        let follows = tokio::spawn(async move {
            let ended = followed.follow().await;
            eprintln!("{ended}");
        });
        Tier { hot, follows, marks: AtomicI64::new(1) }
    }

    /// Waits until the tier was notified of a mark that is written after everything else.
    pub(super) async fn is_reported(&self, store: &Store) {
        let view: VersionId = "mark@1".parse().unwrap();
        let mark = Micros::new(self.marks.fetch_add(1, Ordering::Relaxed)).unwrap();
        store.replace(&view, &[], Some(mark)).await.unwrap();
        let reported = async {
            let reads = [Read { view: &view, keys: &[] }];
            while !self.hot.counts().is_followed
                || self.hot.read(&reads).await.unwrap()[0].applied_at() < Some(mark)
            {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, reported).await.unwrap();
    }
}
