//! What a caller sees when the server is gone, slow, full, emptied or not to be trusted.

use std::time::{Duration, Instant};

use super::*;
use crate::contract::{Sample, key, moment, read, write};
use test_support::BOUND;

fn is_unavailable<T: fmt::Debug>(result: Result<T, OnlineError>) -> bool {
    matches!(result, Err(OnlineError::Unavailable { .. }))
}

async fn row_of(store: &Redis, sample: &Sample) -> Result<Option<Vec<u8>>, OnlineError> {
    let keys = [key("a")];
    let found = store.read(&[Read { view: &sample.view.id, keys: &keys }]).await?;
    Ok(found[0].row(0).map(<[u8]>::to_vec))
}

#[test]
fn a_killed_server_is_unavailable_and_one_that_lost_its_data_is_empty() {
    let mut server = RedisServer::start(&[]);
    let store = opened(&server.url());
    let sample = Sample::new();
    let (id, row) = (&sample.view.id, sample.row(Some(1), &[]));
    let rows = [RowWrite { key: &key("a"), bytes: &row }];
    wait_for(store.replace(id, &rows, Some(moment(7)))).unwrap();

    wait_for(async {
        server.kill();
        assert!(is_unavailable(row_of(&store, &sample).await));
        assert!(is_unavailable(store.replace(id, &rows, None).await));
        assert!(is_unavailable(store.stats(id).await));
        assert!(is_unavailable(store.drop_view(id).await));
        assert!(is_unavailable(Redis::open(&RedisUrl::parse(&server.url()).unwrap(), "a").await));

        server.restart();
        assert_eq!(once_it_answers(&store, &sample).await, None);
        assert_eq!(store.stats(id).await.unwrap(), Stats::default());
        assert_eq!(store.replace(id, &rows, Some(moment(7))).await.unwrap(), [Outcome::Written]);
        assert_eq!(row_of(&store, &sample).await.unwrap(), Some(row.clone()));
    });
}

/// What a store has, once its server answers again.
async fn once_it_answers(store: &Redis, sample: &Sample) -> Option<Vec<u8>> {
    let began = Instant::now();
    loop {
        match row_of(store, sample).await {
            Ok(found) => return found,
            Err(OnlineError::Unavailable { .. }) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
        assert!(began.elapsed() < BOUND, "it never answers");
    }
}

#[test]
fn a_slow_server_is_left_alone_until_it_answers_again() {
    let server = RedisServer::start(&[]);
    let patience = Patience {
        read: Duration::from_millis(200),
        limits: breaker::Limits { failures: 2, open_for: Duration::from_millis(300) },
        ..Patience::default()
    };
    let url = RedisUrl::parse(&server.url()).unwrap();
    wait_for(async {
        let store = Redis::open_with(&url, "a", patience).await.unwrap();
        let sample = Sample::new();
        let row = sample.row(Some(1), &[]);
        write(&store, &sample.view.id, &key("a"), &row).await;
        server.says("CLIENT PAUSE 2000 ALL");
        for _ in 0..2 {
            assert!(is_unavailable(row_of(&store, &sample).await));
        }
        let began = Instant::now();
        let refusal = row_of(&store, &sample).await.unwrap_err();
        assert!(refusal.to_string().contains("left alone"), "{refusal}");
        assert!(began.elapsed() < patience.read, "nobody waits for a server that does not answer");
        assert_eq!(once_it_answers(&store, &sample).await, Some(row));
    });
}

#[test]
fn a_server_emptied_under_load_gives_whole_rows_or_none_and_is_filled_again() {
    let server = RedisServer::start(&[]);
    let store = opened(&server.url());
    let sample = Sample::new();
    let rows: Vec<Vec<u8>> = (0..200).map(|version| sample.row(Some(version), &[])).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let writer = async {
            for (version, row) in rows.iter().enumerate() {
                assert_eq!(write(&store, &sample.view.id, &key("a"), row).await, Outcome::Written);
                if version % 50 == 49 {
                    server.says("FLUSHALL");
                }
            }
            write(&store, &sample.view.id, &key("a"), &rows[199]).await
        };
        let reader = async {
            for _ in 0..500 {
                let found = row_of(&store, &sample).await.unwrap();
                assert!(found.is_none_or(|found| rows.contains(&found)));
            }
        };
        futures::join!(writer, reader);
        assert_eq!(row_of(&store, &sample).await.unwrap().as_ref(), rows.last());
    });
}

#[test]
fn a_server_that_would_drop_features_is_refused_by_the_setting_to_change() {
    let server = RedisServer::start(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]);
    let refusal = refused(&server.url()).to_string();
    assert!(refusal.contains("`allkeys-lru`") && refusal.contains("`noeviction`"), "{refusal}");
    server.says("CONFIG SET maxmemory-policy noeviction");
    opened(&server.url());
}

#[test]
fn a_full_server_says_so_and_keeps_what_it_has() {
    let server = RedisServer::start(&["--maxmemory", "16mb", "--maxmemory-policy", "noeviction"]);
    let store = opened(&server.url());
    let sample = Sample::new();
    let row = sample.row_with(None, &[(0, 0)], &"x".repeat(1 << 14));
    let (refusal, first) = wait_for(async {
        let mut refusal = None;
        for number in 0..100 {
            let key = key(&number.to_string());
            let rows = [RowWrite { key: &key, bytes: &row }];
            refusal = refusal.or(store.replace(&sample.view.id, &rows, None).await.err());
        }
        (refusal, read(&store, &sample.view.id, &key("0")).await)
    });
    assert!(matches!(refusal, Some(OnlineError::Full { .. })), "{refusal:?}");
    assert_eq!(first, Some(row));
}

#[test]
fn a_wrong_or_missing_password_is_one_sentence_without_it() {
    let server = RedisServer::start(&["--requirepass", "right"]);
    let address = server.address();
    opened(&format!("redis://:right@{address}"));
    for (login, says) in [(":wrong@", "refused the user or the password"), ("", "asks for a user")] {
        let refusal = refused(&format!("redis://{login}{address}"));
        let text = refusal.to_string();
        assert!(matches!(refusal, OnlineError::Unusable { .. }), "{refusal:?}");
        assert!(text.contains(says) && !text.contains("wrong") && !text.contains('\n'), "{text}");
    }
}

#[test]
fn a_damaged_row_in_the_servers_is_named_and_not_written_over() {
    let (server, store) = one();
    let sample = Sample::new();
    let row_key = store.inner.keys.row(&sample.view.id.to_string(), &key("a"));
    server.says(&format!("SET {} x", String::from_utf8(row_key).unwrap()));
    let row = sample.row(Some(1), &[]);
    let rows = [RowWrite { key: &key("a"), bytes: &row }];
    let refusal = wait_for(store.replace(&sample.view.id, &rows, None)).unwrap_err();
    assert!(matches!(refusal, OnlineError::Damaged { .. }), "{refusal}");
}
