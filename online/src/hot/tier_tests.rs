//! The tier answers what the store would: it keeps the contract of all stores, a change reported while a row is
//! on its way wins, and while the store is not available only what is held is answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use feature::{EntityKey, Micros, Span, VersionId};
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{HotTier, TableOptions, TierOptions};
use crate::contract::{Sample, key, moment, read, wait_for, write};
use crate::contract_tests;
use crate::{
    Change, Changed, Embedded, Followed, OnlineError, Outcome, PackedRows, Read, Reader, RowWrite, Stats,
    Writer,
};

fn options() -> TierOptions {
    TierOptions { table: TableOptions::evicting(4 << 20), longest_outage: Span::MINUTE }
}

fn empty() -> (TempDir, HotTier<Embedded>) {
    let folder = TempDir::new().unwrap();
    let store = Embedded::open(folder.path()).unwrap();
    (folder, HotTier::new(store, options(), || moment(0)).unwrap())
}

/// The contract writes where it reads; the tier itself never writes.
impl<S: Writer> Writer for HotTier<S> {
    async fn replace(
        &self,
        view: &VersionId,
        rows: &[RowWrite<'_>],
        applied_at: Option<Micros>,
    ) -> Result<Vec<Outcome>, OnlineError> {
        self.store().replace(view, rows, applied_at).await
    }

    async fn drop_view(&self, view: &VersionId) -> Result<(), OnlineError> {
        self.store().drop_view(view).await
    }
}

mod contract {
    super::contract_tests!(super::empty());
}

#[test]
fn a_row_is_read_from_the_store_once_and_again_when_it_changed() {
    let (folder, tier) = empty();
    let sample = Sample::new();
    let view = &sample.view.id;
    // Another opening stands for another process: they share only the files.
    let writer = Embedded::open(folder.path()).unwrap();
    let rows = [1, 2].map(|version| sample.row(Some(version), &[]));
    wait_for(async {
        write(&writer, view, &key("a"), &rows[0]).await;
        for _ in 0..3 {
            assert_eq!(read(&tier, view, &key("a")).await, Some(rows[0].clone()));
            assert_eq!(read(&tier, view, &key("absent")).await, None);
        }
        let counts = tier.counts();
        assert_eq!((counts.hits, counts.misses, counts.entries), (4, 2, 2));
        write(&writer, view, &key("a"), &rows[1]).await;
        write(&writer, view, &key("absent"), &rows[1]).await;
        assert_eq!(read(&tier, view, &key("a")).await, Some(rows[1].clone()));
        assert_eq!(read(&tier, view, &key("absent")).await, Some(rows[1].clone()));
        writer.drop_view(view).await.unwrap();
        assert_eq!(read(&tier, view, &key("a")).await, None);
    });
}

#[test]
fn rows_and_applied_times_are_of_one_moment_while_another_writes() {
    let (folder, tier) = empty();
    let sample = Sample::new();
    let view = &sample.view.id;
    let writer = Embedded::open(folder.path()).unwrap();
    let keys: Vec<EntityKey> = (0..10).map(|n| key(&n.to_string())).collect();
    let write_all = |n: u64| {
        let row = sample.row(None, &[(0, n)]);
        let rows: Vec<RowWrite<'_>> = keys.iter().map(|key| RowWrite { key, bytes: &row }).collect();
        wait_for(writer.replace(view, &rows, Some(moment(n as i64)))).unwrap();
    };
    write_all(0);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers = [0; 2].map(|_| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let found = wait_for(tier.read(&[Read { view, keys: &keys }])).unwrap();
                    let applied_at = found[0].applied_at().unwrap();
                    let expected = sample.row(None, &[(0, applied_at.get() as u64)]);
                    assert!(found[0].rows().all(|row| row == Some(&expected[..])));
                }
            })
        });
        (1..150).for_each(write_all);
        done.store(true, Ordering::Relaxed);
        for reader in readers {
            reader.join().unwrap();
        }
    });
    assert!(tier.counts().hits > 0);
}

/// A store that only tells of changes, and that can be cut off: the embedded one, whose changes are passed
/// on as the test says.
struct Telling {
    store: Embedded,
    tell: UnboundedSender<Change>,
    reported: tokio::sync::Mutex<UnboundedReceiver<Change>>,
    is_down: AtomicBool,
    hangs: AtomicBool,
    /// Reported after the next read of the store, before its rows arrive.
    on_the_way: std::sync::Mutex<Option<Change>>,
}

impl Telling {
    fn new(folder: &TempDir) -> Telling {
        let (tell, reported) = unbounded_channel();
        Telling {
            store: Embedded::open(folder.path()).unwrap(),
            tell,
            reported: tokio::sync::Mutex::new(reported),
            is_down: AtomicBool::new(false),
            hangs: AtomicBool::new(false),
            on_the_way: std::sync::Mutex::new(None),
        }
    }
}

impl Reader for Telling {
    async fn read(&self, reads: &[Read<'_>]) -> Result<Vec<PackedRows>, OnlineError> {
        if self.is_down.load(Ordering::Relaxed) {
            return Err(OnlineError::Unavailable {
                location: "here".to_owned(),
                reason: "cut off".to_owned(),
            });
        }
        if self.hangs.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        let found = self.store.read(reads).await?;
        let on_the_way = self.on_the_way.lock().unwrap().take();
        if let Some(change) = on_the_way {
            self.tell.send(change).unwrap();
            // The follower runs beside this in one task.
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
        }
        Ok(found)
    }

    async fn stats(&self, view: &VersionId) -> Result<Stats, OnlineError> {
        self.store.stats(view).await
    }
}

impl Followed for Telling {
    async fn follow(&self, tell: &(dyn Fn(Change) + Send + Sync)) -> OnlineError {
        tell(Change::Everything);
        while let Some(change) = self.reported.lock().await.recv().await {
            tell(change);
        }
        OnlineError::Unavailable { location: "here".to_owned(), reason: "ended".to_owned() }
    }

    fn changed(&self, _: Option<u64>) -> Option<Result<Changed, OnlineError>> {
        None
    }
}

/// Runs a test beside a follower.
fn followed(tier: &HotTier<Telling>, test: impl Future<Output = ()>) {
    wait_for(async {
        tokio::select! {
            biased;
            _ = tier.follow() => panic!("it followed to the end"),
            () = test => {}
        }
    });
}

fn telling(now: impl Fn() -> Micros + Send + Sync + 'static) -> (TempDir, HotTier<Telling>) {
    let folder = TempDir::new().unwrap();
    let store = Telling::new(&folder);
    (folder, HotTier::new(store, options(), now).unwrap())
}

#[test]
fn a_change_reported_while_its_row_is_on_the_way_wins() {
    let (_folder, tier) = telling(|| moment(0));
    let sample = Sample::new();
    let view = &sample.view.id;
    let (a, b) = (key("a"), key("b"));
    let rows = [1, 2].map(|version| sample.row(Some(version), &[]));
    followed(&tier, async {
        let store = tier.store();
        write(&store.store, view, &a, &rows[0]).await;
        write(&store.store, view, &b, &rows[0]).await;
        *store.on_the_way.lock().unwrap() = Some(Change::Row { view: view.clone(), key: a.clone() });
        let keys = [a.clone(), b.clone()];
        tier.read(&[Read { view, keys: &keys }]).await.unwrap();
        assert_eq!(tier.counts().entries, 1, "only the row that did not change is kept");
        write(&store.store, view, &a, &rows[1]).await;
        assert_eq!(read(&tier, view, &a).await, Some(rows[1].clone()));
        for change in [Change::Everything, Change::Dropped(view.clone()), Change::View(view.clone())] {
            let is_view = matches!(change, Change::View(_));
            read(&tier, view, &b).await;
            store.tell.send(Change::Dropped(view.clone())).unwrap();
            tokio::task::yield_now().await;
            *store.on_the_way.lock().unwrap() = Some(change);
            read(&tier, view, &b).await;
            let misses = tier.counts().misses;
            read(&tier, view, &b).await;
            assert_eq!(tier.counts().misses, misses + u64::from(!is_view));
        }
    });
}

#[test]
fn nothing_is_kept_while_nobody_follows() {
    let (_folder, tier) = telling(|| moment(0));
    let sample = Sample::new();
    let view = &sample.view.id;
    wait_for(write(&tier.store().store, view, &key("a"), &sample.row(Some(1), &[])));
    wait_for(async {
        for _ in 0..3 {
            assert!(read(&tier, view, &key("a")).await.is_some());
        }
    });
    assert_eq!((tier.counts().hits, tier.counts().misses), (0, 3));
}

#[test]
fn while_the_store_is_not_available_only_what_is_cached_is_answered_and_not_for_ever() {
    let now = Arc::new(AtomicI64::new(0));
    let clock = Arc::clone(&now);
    let (_folder, tier) = telling(move || moment(clock.load(Ordering::Relaxed)));
    let sample = Sample::new();
    let view = &sample.view.id;
    let row = sample.row(Some(1), &[]);
    let rows = [RowWrite { key: &key("a"), bytes: &row }];
    followed(&tier, async {
        let store = tier.store();
        store.store.replace(view, &rows, Some(moment(5))).await.unwrap();
        read(&tier, view, &key("a")).await;
        read(&tier, view, &key("absent")).await;
        store.is_down.store(true, Ordering::Relaxed);
    });
    let ask = |name: &str| {
        let keys = [key(name)];
        wait_for(tier.read(&[Read { view, keys: &keys }]))
    };
    let answer = ask("a").unwrap();
    assert_eq!(answer[0].row(0), Some(&row[..]));
    assert_eq!(answer[0].applied_at(), Some(moment(5)));
    for unknown in ["never read", "absent"] {
        assert!(matches!(ask(unknown), Err(OnlineError::Unavailable { .. })), "{unknown}");
    }
    now.store(60_000_000, Ordering::Relaxed);
    assert!(ask("a").is_ok());
    now.store(60_000_001, Ordering::Relaxed);
    assert!(matches!(ask("a"), Err(OnlineError::Unavailable { .. })) && !tier.stands_in());
    // That the store answers says nothing of what was held before: it may have changed unheard.
    tier.store().is_down.store(false, Ordering::Relaxed);
    assert!(ask("a").is_ok());
    tier.store().is_down.store(true, Ordering::Relaxed);
    assert!(matches!(ask("a"), Err(OnlineError::Unavailable { .. })));
    // Once it was followed again, the next outage begins again.
    followed(&tier, async {
        tier.store().is_down.store(false, Ordering::Relaxed);
        read(&tier, view, &key("a")).await;
        assert_eq!(tier.counts().lost_since, None);
        tier.store().is_down.store(true, Ordering::Relaxed);
    });
    assert!(ask("a").is_ok() && tier.stands_in());
    assert_eq!((tier.counts().outages, tier.counts().lost_since), (3, Some(moment(60_000_001))));
    // A view may allow less than the tier.
    now.store(61_000_001, Ordering::Relaxed);
    tier.allow([(view.clone(), Span::SECOND)]);
    assert!(ask("a").is_ok());
    now.store(61_000_002, Ordering::Relaxed);
    assert!(matches!(ask("a"), Err(OnlineError::Unavailable { .. })) && tier.stands_in());
}

#[test]
fn who_could_do_without_a_store_that_hangs_does_not_wait_for_it() {
    let (_folder, tier) = telling(|| moment(0));
    let sample = Sample::new();
    let view = &sample.view.id;
    let row = sample.row(Some(1), &[]);
    followed(&tier, async {
        let rows = [RowWrite { key: &key("a"), bytes: &row }];
        tier.store().store.replace(view, &rows, Some(moment(5))).await.unwrap();
        read(&tier, view, &key("a")).await;
    });
    tier.store().hangs.store(true, Ordering::Relaxed);
    assert_eq!(wait_for(read(&tier, view, &key("a"))), Some(row));
    assert_eq!(tier.counts().outages, 1);
}

#[test]
fn changes_of_a_store_that_can_be_polled_are_taken_in_while_nobody_reads() {
    let (folder, tier) = empty();
    let sample = Sample::new();
    let writer = Embedded::open(folder.path()).unwrap();
    wait_for(async {
        let read_and_change = async {
            read(&tier, &sample.view.id, &key("a")).await;
            let before = tier.mark();
            write(&writer, &sample.view.id, &key("a"), &sample.row(Some(1), &[])).await;
            while tier.mark() == before {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            ended = tier.follow() => panic!("{ended}"),
            ended = tokio::time::timeout(std::time::Duration::from_secs(60), read_and_change) => ended.unwrap(),
        }
    });
}
