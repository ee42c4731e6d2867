//! What a client never does more of: requests beyond its budget, and time beyond a deadline.

use std::time::{Duration, Instant};

use test_support::{Proxy, Way};
use tokio::task::JoinSet;
use twinstore_client::{Advice, Error, Hedging, RetryBudget};

use crate::served::{Project, Server, connected, flights, is_right, patient};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_all_servers_are_slow_the_budget_bounds_what_they_get() {
    const CALLS: u64 = 200;
    const BUDGET: RetryBudget = RetryBudget { percent: 10, burst: 5 };
    let project = Project::loaded();
    let server = Server::start(&project);
    let proxies = [Proxy::before(server.port()), Proxy::before(server.port())];
    let client = patient(proxies.each_ref().map(|proxy| format!("127.0.0.1:{}", proxy.port)))
        .hedging(Hedging::After(Duration::from_millis(1)))
        .retry_budget(BUDGET)
        .connect()
        .await
        .unwrap();
    proxies.iter().for_each(|proxy| proxy.set(Way::Slow(Duration::from_millis(20))));
    let mut readers = JoinSet::new();
    for _ in 0..4 {
        let client = client.clone();
        readers.spawn(async move {
            for _ in 0..CALLS / 4 {
                match flights(&client).read().await {
                    Ok(features) => assert!(is_right(&features)),
                    // A busy machine: what the budget does not allow is not sent again.
                    Err(error) => assert_eq!(error.advice(), Advice::Retry, "{error}"),
                }
            }
        });
    }
    while let Some(reader) = readers.join_next().await {
        reader.unwrap();
    }
    let statistics = client.statistics();
    let requests = tokio::task::spawn_blocking(move || server.requests()).await.unwrap();
    println!("bounded: the server ended {requests} requests of {CALLS} calls; {statistics:?}");
    let most = CALLS + u64::from(BUDGET.burst) + CALLS * u64::from(BUDGET.percent) / 100;
    assert!(requests <= most, "{requests} are more than {most}");
    assert!(statistics.calls == CALLS && statistics.attempts <= most, "{statistics:?}");
    assert!(statistics.hedges > 5 && statistics.over_budget > 0, "{statistics:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_is_kept_whatever_the_server_does() {
    let project = Project::loaded();
    let server = Server::start(&project);
    let proxy = Proxy::before(server.port());
    let client = connected(&format!("127.0.0.1:{}", proxy.port)).await;
    assert!(is_right(&flights(&client).read().await.unwrap()));
    proxy.set(Way::Swallow);
    let deadline = Duration::from_millis(150);
    let began = Instant::now();
    let error = flights(&client).deadline(deadline).read().await.unwrap_err();
    let took = began.elapsed();
    println!("a deadline of {deadline:?} ended after {took:?}: {error}");
    assert!(matches!(error, Error::Late { attempts: 1, .. }), "{error}");
    assert_eq!(error.advice(), Advice::Retry);
    assert!(took >= deadline && took < deadline + Duration::from_secs(2), "{took:?}");
    // A call that is dropped is given up, too, and the connection stays good.
    let dropped = tokio::time::timeout(Duration::from_millis(20), flights(&client).read()).await;
    assert!(dropped.is_err());
    proxy.set(Way::Open);
    assert!(is_right(&flights(&client).read().await.unwrap()));
}
