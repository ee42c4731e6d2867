//! Servers that end, and ways to them that are cut and open again, under reads.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use test_support::{Proxy, Way};
use tokio::task::JoinSet;
use twinstore_client::{Client, Statistics};

use crate::served::{Project, Server, flights, is_right, patient};

/// How soon a server that is there again has to be used.
const SOON: Duration = Duration::from_secs(30);

/// Reads side by side, until so many were answered by this server, or without it.
async fn read_until(client: &Client, is_done: impl Fn(&str) -> bool) {
    let began = Instant::now();
    loop {
        let features = flights(client).read().await.unwrap();
        assert!(is_right(&features));
        if is_done(features.endpoint()) {
            return;
        }
        assert!(began.elapsed() < SOON, "it is never used");
    }
}

/// Ends one of two servers under reads, none of which may fail. Gives what the client did.
async fn survives(end: fn(&mut Server)) -> Statistics {
    let project = Project::loaded();
    let (mut first, second) = (Server::start(&project), Server::start(&project));
    let client = patient([&first.grpc, &second.grpc]).connect().await.unwrap();
    read_until(&client, |endpoint| endpoint == first.grpc).await;
    read_until(&client, |endpoint| endpoint == second.grpc).await;

    let read = Arc::new(AtomicU64::new(0));
    let mut readers = JoinSet::new();
    for _ in 0..6 {
        let (client, read) = (client.clone(), Arc::clone(&read));
        readers.spawn(async move {
            let mut endpoints = HashSet::new();
            while read.fetch_add(1, Ordering::Relaxed) < 3_000 {
                let features = flights(&client).read().await.expect("no read fails");
                assert!(is_right(&features));
                endpoints.insert(features.endpoint().to_owned());
            }
            endpoints
        });
    }
    while read.load(Ordering::Relaxed) < 500 {
        tokio::task::yield_now().await;
    }
    let first = tokio::task::spawn_blocking(move || {
        end(&mut first);
        first
    });
    let first = first.await.unwrap();
    let mut endpoints = HashSet::new();
    while let Some(reader) = readers.join_next().await {
        endpoints.extend(reader.unwrap());
    }
    assert_eq!(endpoints.len(), 2, "both answered while both were there");
    let features = flights(&client).read().await.unwrap();
    assert_ne!(features.endpoint(), first.grpc);
    let statistics = client.statistics();
    assert_eq!(statistics.over_budget, 0, "{statistics:?}");
    statistics
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_under_reads_costs_none_of_them() {
    let statistics = survives(Server::kill).await;
    println!("killed under reads: {statistics:?}");
    assert!(statistics.attempts > statistics.calls, "{statistics:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_stopped_under_reads_costs_none_of_them() {
    let statistics = survives(Server::terminate).await;
    println!("stopped under reads: {statistics:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_way_is_cut_is_left_alone_and_used_again_once_it_is_open() {
    let project = Project::loaded();
    let server = Server::start(&project);
    let proxies = [Proxy::before(server.port()), Proxy::before(server.port())];
    let ways = [0, 1].map(|index: usize| format!("127.0.0.1:{}", proxies[index].port));
    let client = patient(ways.clone()).connect().await.unwrap();
    read_until(&client, |endpoint| endpoint == ways[0]).await;
    proxies[0].set(Way::Cut);
    for _ in 0..50 {
        assert_eq!(flights(&client).read().await.unwrap().endpoint(), ways[1]);
    }
    proxies[0].set(Way::Open);
    read_until(&client, |endpoint| endpoint == ways[0]).await;
    // What breaks both ways at once is an error, and the client is as good as new after it.
    proxies.iter().for_each(|proxy| proxy.set(Way::Cut));
    assert!(flights(&client).read().await.is_err());
    proxies.iter().for_each(|proxy| proxy.set(Way::Open));
    let began = Instant::now();
    while flights(&client).read().await.is_err() {
        assert!(began.elapsed() < SOON, "it never recovers");
    }
}
