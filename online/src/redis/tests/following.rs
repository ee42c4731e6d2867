//! What those who hold copies are notified of.

use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::contract::{Sample, key, moment, write};

/// Follows a store while something is done; gives how following ended, if it did.
async fn following(
    store: &Redis,
    done: impl AsyncFnOnce(&mut UnboundedReceiver<Change>),
) -> Option<OnlineError> {
    let (sender, mut reported) = unbounded_channel();
    let tell = move |change| {
        let _ = sender.send(change);
    };
    tokio::select! {
        ended = store.follow(&tell) => Some(ended),
        () = done(&mut reported) => None,
    }
}

async fn next(reported: &mut UnboundedReceiver<Change>) -> Change {
    tokio::time::timeout(test_support::BOUND, reported.recv()).await.unwrap().unwrap()
}

async fn tells_of_rows_and_views(store: &Redis) {
    let sample = Sample::new();
    let id = sample.view.id.clone();
    let ended = following(store, async |reported| {
        assert_eq!(next(reported).await, Change::Everything);
        let other = "other@2".parse().unwrap();
        for text in ["a", "", "}~{"] {
            let row = sample.row(Some(1), &[]);
            write(store, &id, &key(text), &row).await;
            assert_eq!(next(reported).await, Change::Row { view: id.clone(), key: key(text) });
        }
        store.replace(&other, &[], Some(moment(1))).await.unwrap();
        assert_eq!(next(reported).await, Change::View(other));
        store.drop_view(&id).await.unwrap();
        for _ in 0..3 {
            assert!(matches!(next(reported).await, Change::Row { .. }));
        }
    });
    assert!(ended.await.is_none());
}

#[test]
fn every_row_and_applied_time_that_changes_is_reported_of() {
    let (_server, store) = one();
    wait_for(tells_of_rows_and_views(&store));
}

#[test]
fn every_server_of_a_cluster_tells() {
    let (_cluster, store) = cluster();
    wait_for(tells_of_rows_and_views(&store));
}

#[test]
fn an_emptied_server_tells_that_everything_changed_and_a_lost_one_ends_it() {
    let mut server = RedisServer::start(&[]);
    let store = opened(&server.url());
    let ended = wait_for(following(&store, async |reported| {
        assert_eq!(next(reported).await, Change::Everything);
        server.says("FLUSHALL");
        assert_eq!(next(reported).await, Change::Everything);
        server.kill();
        std::future::pending().await
    }));
    assert!(matches!(ended, Some(OnlineError::Unavailable { .. })), "{ended:?}");
    let refused = wait_for(following(&store, async |_| std::future::pending().await));
    assert!(matches!(refused, Some(OnlineError::Unavailable { .. })), "{refused:?}");
}

#[test]
fn a_server_that_stops_answering_is_noticed() {
    let server = RedisServer::start(&[]);
    let patience = Patience { connect: Duration::from_millis(300), ..Patience::default() };
    let ended = wait_for(async {
        let url = RedisUrl::parse(&server.url()).unwrap();
        let store = Redis::open_with(&url, "a", patience).await.unwrap();
        following(&store, async |reported| {
            assert_eq!(next(reported).await, Change::Everything);
            server.says("CLIENT PAUSE 10000 ALL");
            std::future::pending().await
        })
        .await
    });
    assert!(matches!(ended, Some(OnlineError::Unavailable { .. })), "{ended:?}");
}
