//! Redis behind the hot tier: the contract of all stores, once what was written was reported; and how old a row
//! may be that the tier answers, whatever happens to the connection that tells.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::*;
use crate::contract::{Sample, key, moment, read, write};
use crate::{Change, Followed, HotTier, TableOptions, TierOptions};
use test_support::Proxy;

/// How old a row may be: a silent connection is checked every second, and given two to answer.
const STALENESS: Duration = Duration::from_secs(3);
/// What a machine that does other things may add.
const SLACK: Duration = Duration::from_secs(2);

/// A Redis that knows what the tier before it has taken in.
struct Heard {
    redis: Redis,
    everything: AtomicU64,
    views: Mutex<HashMap<VersionId, u64>>,
}

impl Heard {
    /// How often the tier was notified of a view's applied time, or of everything.
    fn times(&self, view: &VersionId) -> u64 {
        let of_view = self.views.lock().unwrap().get(view).copied().unwrap_or(0);
        of_view + self.everything.load(Ordering::Acquire)
    }
}

impl Reader for Heard {
    async fn read(&self, reads: &[Read<'_>]) -> Result<Vec<PackedRows>, OnlineError> {
        self.redis.read(reads).await
    }

    async fn stats(&self, view: &VersionId) -> Result<Stats, OnlineError> {
        self.redis.stats(view).await
    }
}

impl Followed for Heard {
    async fn follow(&self, tell: &(dyn Fn(Change) + Send + Sync)) -> OnlineError {
        let heard = |change: Change| {
            tell(change.clone());
            match change {
                Change::View(view) => *self.views.lock().unwrap().entry(view).or_default() += 1,
                Change::Everything => _ = self.everything.fetch_add(1, Ordering::AcqRel),
                Change::Row { .. } | Change::Rows(_) | Change::Dropped(_) => (),
            }
        };
        self.redis.follow(&heard).await
    }
}

/// A tier that a thread of its own follows, again and again.
struct Behind {
    tier: Arc<HotTier<Heard>>,
    markers: Vec<VersionId>,
    marked: AtomicI64,
    _stop: oneshot::Sender<()>,
}

impl Behind {
    fn new(redis: Redis) -> Behind {
        let options = TierOptions { table: TableOptions::evicting(8 << 20), longest_outage: Span::MINUTE };
        let markers = markers(&redis);
        let store = Heard { redis, everything: AtomicU64::new(0), views: Mutex::default() };
        let tier = Arc::new(HotTier::new(store, options, || moment(0)).unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let followed = tier.clone();
        std::thread::spawn(move || {
            wait_for(async {
                let again = async {
                    loop {
                        followed.follow().await;
                        tokio::task::yield_now().await;
                    }
                };
                tokio::select! {
                    _ = stopped => {}
                    () = again => {}
                }
            });
        });
        test_support::eventually("the tier follows", || tier.counts().is_followed);
        Behind { tier, markers, marked: Default::default(), _stop: stop }
    }

    /// Waits until the tier was notified of everything that was written so far: of a mark that is written
    /// after it at each server, since each tells in order.
    async fn is_reported(&self) -> Result<(), OnlineError> {
        let mark = moment(1 + self.marked.fetch_add(1, Ordering::Relaxed));
        let heard = self.tier.store();
        for marker in &self.markers {
            let before = heard.times(marker);
            heard.redis.replace(marker, &[], Some(mark)).await?;
            let began = Instant::now();
            while heard.times(marker) == before {
                assert!(began.elapsed() < test_support::BOUND, "never reported");
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }
}

/// Views whose applied times lie one on each server.
fn markers(store: &Redis) -> Vec<VersionId> {
    let third = |id: &VersionId| keys::slot(&store.inner.keys.applied(&id.to_string())) / 5462;
    let ids = (0..100).map(|n| format!("marker_{n}@1").parse().unwrap());
    let mut markers: Vec<VersionId> = ids.collect();
    markers.sort_by_key(third);
    markers.dedup_by_key(|id| third(id));
    markers
}

impl Reader for Behind {
    async fn read(&self, reads: &[Read<'_>]) -> Result<Vec<PackedRows>, OnlineError> {
        self.tier.read(reads).await
    }

    async fn stats(&self, view: &VersionId) -> Result<Stats, OnlineError> {
        self.tier.stats(view).await
    }
}

impl Writer for Behind {
    async fn replace(
        &self,
        view: &VersionId,
        rows: &[RowWrite<'_>],
        applied_at: Option<Micros>,
    ) -> Result<Vec<Outcome>, OnlineError> {
        let outcomes = self.tier.store().redis.replace(view, rows, applied_at).await?;
        self.is_reported().await?;
        Ok(outcomes)
    }

    async fn drop_view(&self, view: &VersionId) -> Result<(), OnlineError> {
        self.tier.store().redis.drop_view(view).await?;
        self.is_reported().await
    }
}

mod one_server_behind_the_tier {
    crate::contract_tests!({
        let (server, store) = super::one();
        (server, super::Behind::new(store))
    });
}

mod a_cluster_behind_the_tier {
    crate::contract_tests!({
        let (cluster, store) = super::cluster();
        (cluster, super::Behind::new(store))
    });
}

/// A project that is read through the tier and written by another connection, whose row is held.
struct Shared {
    behind: Behind,
    writer: Redis,
    sample: Sample,
    version: u64,
}

impl Shared {
    fn new(read_at: &str, written_at: &str) -> Shared {
        let project = project();
        let open = |url: &str| wait_for(Redis::open(&RedisUrl::parse(url).unwrap(), &project)).unwrap();
        let behind = Behind::new(open(read_at));
        let mut shared = Shared { behind, writer: open(written_at), sample: Sample::new(), version: 0 };
        wait_for(shared.is_seen_after(&|| {}));
        shared
    }

    fn row(&self) -> Vec<u8> {
        self.sample.row(Some(self.version), &[])
    }

    /// Does something, then writes; gives how long the old row was read after the new one was acknowledged.
    async fn is_seen_after(&mut self, fault: &dyn Fn()) -> Duration {
        let view = self.sample.view.id.clone();
        // It is held, unless nobody follows.
        for _ in 0..2 {
            let _ = self.behind.read(&[Read { view: &view, keys: &[key("a")] }]).await;
        }
        fault();
        self.version += 1;
        let new = self.row();
        write(&self.writer, &view, &key("a"), &new).await;
        let acknowledged = Instant::now();
        while read(&*self.behind.tier, &view, &key("a")).await.as_ref() != Some(&new) {
            assert!(acknowledged.elapsed() < test_support::BOUND, "never seen");
            tokio::task::yield_now().await;
        }
        acknowledged.elapsed()
    }
}

/// Cuts the connections that tell of changes, as the server sees them.
fn cut_tracking(server: &RedisServer) {
    let clients = server.says("CLIENT LIST");
    let tracking = clients.lines().filter(|line| {
        line.split(' ').any(|field| field.strip_prefix("flags=").is_some_and(|flags| flags.contains('t')))
    });
    let ids: Vec<&str> =
        tracking.filter_map(|line| line.split(' ').find_map(|field| field.strip_prefix("id="))).collect();
    assert!(!ids.is_empty(), "nobody follows\n{clients}");
    for id in ids {
        server.says(&format!("CLIENT KILL ID {id}"));
    }
}

#[test]
fn what_another_wrote_is_seen_as_soon_as_it_is_reported() {
    let server = RedisServer::start(&[]);
    let mut shared = Shared::new(&server.url(), &server.url());
    let longest = wait_for(async {
        let mut longest = Duration::ZERO;
        for _ in 0..500 {
            longest = longest.max(shared.is_seen_after(&|| {}).await);
        }
        longest
    });
    assert!(longest < STALENESS, "{longest:?}");
    assert!(shared.behind.tier.counts().hits > 500);
}

#[test]
fn what_another_wrote_is_seen_in_time_although_the_connection_that_tells_is_cut() {
    let server = RedisServer::start(&[]);
    let mut shared = Shared::new(&server.url(), &server.url());
    wait_for(async {
        for _ in 0..20 {
            test_support::eventually("it follows again", || {
                shared.behind.tier.counts().is_followed && server.says("CLIENT LIST").contains("flags=t")
            });
            let took = shared.is_seen_after(&|| cut_tracking(&server)).await;
            assert!(took < STALENESS, "{took:?}");
        }
    });
}

#[test]
fn what_another_wrote_is_seen_in_time_although_the_connection_that_tells_falls_silent() {
    let server = RedisServer::start(&[]);
    let proxy = Proxy::marking(server.port, b"TRACKING");
    let mut shared = Shared::new(&format!("redis://127.0.0.1:{}", proxy.port), &server.url());
    let took = wait_for(shared.is_seen_after(&|| proxy.silence_marked()));
    assert!(took < STALENESS + SLACK, "{took:?}");
    assert!(took > Duration::from_millis(500), "it fell silent after all of it was reported: {took:?}");
}

#[test]
fn what_another_wrote_is_seen_in_time_after_a_server_stood_still() {
    let server = RedisServer::start(&[]);
    let mut shared = Shared::new(&server.url(), &server.url());
    let view = shared.sample.view.id.clone();
    let old = shared.row();
    // What was reported of it is over: it is read once more, and held.
    wait_for(shared.behind.is_reported()).unwrap();
    wait_for(read(&*shared.behind.tier, &view, &key("a")));
    server.signal("STOP");
    // Nobody can write; what is held is what the store holds.
    assert_eq!(wait_for(read(&*shared.behind.tier, &view, &key("a"))), Some(old.clone()));
    test_support::eventually("its silence is noticed", || !shared.behind.tier.counts().is_followed);
    let absent = wait_for(shared.behind.read(&[Read { view: &view, keys: &[key("absent")] }]));
    assert!(matches!(absent, Err(OnlineError::Unavailable { .. })), "{absent:?}");
    server.signal("CONT");
    test_support::eventually("it is followed again", || shared.behind.tier.counts().is_followed);
    let took = wait_for(shared.is_seen_after(&|| {}));
    assert!(took < STALENESS, "{took:?}");
}
