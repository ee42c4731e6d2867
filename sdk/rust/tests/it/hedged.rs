//! A slow server: without hedging it is waited for, with it another one answers.

use std::time::{Duration, Instant};

use test_support::{Proxy, Way};
use twinstore_client::{Client, ClientBuilder, Hedging, RetryBudget, Statistics};

use crate::served::{Project, Server, flights, is_right, patient};

const SLOW: Duration = Duration::from_millis(1_500);
const DELAY: Duration = Duration::from_millis(60);
const WIDE: RetryBudget = RetryBudget { percent: 100, burst: 100 };

/// One server, reached directly and by a way that can be slow.
struct TwoWays {
    server: Server,
    slow: Proxy,
}

impl TwoWays {
    fn start(project: &Project) -> Self {
        let server = Server::start(project);
        let slow = Proxy::before(server.port());
        Self { server, slow }
    }

    fn client(&self) -> ClientBuilder {
        let slow = format!("127.0.0.1:{}", self.slow.port);
        patient([slow, self.server.grpc.clone()]).retry_budget(WIDE)
    }
}

/// Reads one after the other until that is seen. Gives how long the longest took. A way on which a read was given up is left
/// alone for a second, so that this takes some.
async fn slowest(client: &Client, is_done: impl Fn(Statistics, Duration) -> bool) -> Duration {
    let (began, mut slowest) = (Instant::now(), Duration::ZERO);
    while !is_done(client.statistics(), slowest) {
        assert!(began.elapsed() < Duration::from_secs(30), "never: {:?}", client.statistics());
        let reading = Instant::now();
        assert!(is_right(&flights(client).read().await.unwrap()));
        slowest = slowest.max(reading.elapsed());
    }
    slowest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_on_a_slow_way_is_answered_on_another_one() {
    let project = Project::loaded();
    let ways = TwoWays::start(&project);
    let plain = ways.client().connect().await.unwrap();
    let hedged = ways.client().hedging(Hedging::After(DELAY)).connect().await.unwrap();
    // Both ways have a connection by now.
    for client in [&plain, &hedged] {
        for _ in 0..20 {
            flights(client).read().await.unwrap();
        }
    }
    ways.slow.set(Way::Slow(SLOW));
    let without = slowest(&plain, |_, slowest| slowest >= SLOW).await;
    let with = slowest(&hedged, |statistics, _| statistics.hedges_won >= 3).await;
    println!("on a slow way a read took {without:?}, hedged {with:?}: {:?}", hedged.statistics());
    assert!(with >= DELAY && with < SLOW, "{with:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_delay_may_be_measured() {
    let project = Project::loaded();
    let ways = TwoWays::start(&project);
    let measured = Hedging::AfterP95 { at_least: Duration::from_millis(20) };
    let client = ways.client().hedging(measured).connect().await.unwrap();
    for _ in 0..64 {
        flights(&client).read().await.unwrap();
    }
    ways.slow.set(Way::Slow(SLOW));
    let with = slowest(&client, |statistics, _| statistics.hedges_won >= 1).await;
    assert!(with < SLOW, "{with:?}");
}
