//! How rows lie in Redis, beyond what every store promises.

use redis::{Client, Connection};

use super::*;
use crate::contract::{Sample, key, moment, read, write};
use test_support::eventually;

fn connection(server: &RedisServer) -> Connection {
    Client::open(server.url()).unwrap().get_connection().unwrap()
}

#[test]
fn projects_share_one_redis_and_see_nothing_of_each_other() {
    let ((server, one), (_, two)) = (one(), one());
    let sample = Sample::new();
    let row = sample.row(Some(1), &[]);
    wait_for(write(&one, &sample.view.id, &key("a"), &row));
    assert_eq!(wait_for(read(&two, &sample.view.id, &key("a"))), None);
    wait_for(two.drop_view(&sample.view.id)).unwrap();
    assert_eq!(wait_for(read(&one, &sample.view.id, &key("a"))), Some(row));
    drop(server);
}

#[test]
fn a_store_of_a_newer_format_is_refused() {
    let (server, store) = one();
    let sample = Sample::new();
    wait_for(write(&store, &sample.view.id, &key("a"), &sample.row(Some(1), &[])));
    let project = store.inner.keys.prefix().split(':').nth(2).unwrap().to_owned();
    let format: u32 = cmd("GET").arg(store.inner.keys.format()).query(&mut connection(&server)).unwrap();
    assert_eq!(format, FORMAT);
    let newer = cmd("SET").arg(store.inner.keys.format()).arg(FORMAT + 1).exec(&mut connection(&server));
    newer.unwrap();
    let url = RedisUrl::parse(&server.url()).unwrap();
    let refusal = wait_for(Redis::open(&url, &project)).unwrap_err();
    assert!(matches!(refusal, OnlineError::Newer { found: 2, known: 1, .. }), "{refusal}");
}

#[test]
fn a_project_whose_name_cannot_be_part_of_a_key_is_refused() {
    let (server, _) = one();
    let url = RedisUrl::parse(&server.url()).unwrap();
    let refusal = wait_for(Redis::open(&url, "a{b}")).unwrap_err();
    assert!(refusal.to_string().contains("name the project"), "{refusal}");
}

#[test]
fn a_server_that_forgets_the_scripts_is_sent_them_again() {
    let (server, store) = one();
    let sample = Sample::new();
    for version in 0..3 {
        let row = sample.row(Some(version), &[]);
        assert_eq!(wait_for(write(&store, &sample.view.id, &key("a"), &row)), Outcome::Written);
        server.says("SCRIPT FLUSH");
    }
}

#[test]
fn a_view_whose_rows_were_all_lost_is_empty_and_counts_none() {
    let (server, store) = one();
    let (sample, other) = (Sample::new(), Sample::named("other@1"));
    let id = &sample.view.id;
    wait_for(write(&store, &other.view.id, &key("a"), &other.row(Some(1), &[])));
    let keys = ["a", "b"].map(key);
    for key in &keys {
        wait_for(write(&store, id, key, &sample.row(Some(1), &[])));
    }
    for (left, key) in [1, 0].into_iter().zip(&keys) {
        assert!(!wait_for(store.is_empty(id)).unwrap());
        assert_eq!(wait_for(store.stats(id)).unwrap().rows, 2);
        let row_key = store.inner.keys.row(&id.to_string(), key);
        cmd("DEL").arg(row_key).exec(&mut connection(&server)).unwrap();
        assert_eq!(wait_for(store.is_empty(id)).unwrap(), left == 0);
    }
    let counted = wait_for(store.stats(id)).unwrap();
    assert_eq!((counted.rows, counted.bytes), (0, 0));
    assert_eq!(wait_for(store.stats(&other.view.id)).unwrap().rows, 1);
}

#[test]
fn a_row_expires_once_nothing_in_it_is_kept_and_is_not_counted_then() {
    let (server, store) = one();
    let sample = Sample::new();
    let id = &sample.view.id;
    // The events are of 1970: one store keeps them for longer than since then, one does not.
    let century = Span::of(100 * 365, Span::of(24, Span::HOUR).unwrap()).unwrap();
    store.expire(id, century);
    wait_for(write(&store, id, &key("kept"), &sample.row(None, &[(0, 1)])));
    let row_key = store.inner.keys.row(&id.to_string(), &key("kept"));
    let expires: i64 = cmd("PEXPIRETIME").arg(row_key).query(&mut connection(&server)).unwrap();
    assert_eq!(expires, century.micros() / 1000 + 1);

    store.expire(id, Span::HOUR);
    let (gone, row) = (key("gone"), sample.row(None, &[(0, 1)]));
    assert_eq!(wait_for(write(&store, id, &gone, &row)), Outcome::Written);
    eventually("it expires", || wait_for(read(&store, id, &key("gone"))).is_none());
    assert_eq!(wait_for(store.stats(id)).unwrap().rows, 1);
}

#[test]
fn a_row_without_events_or_with_rows_that_wait_does_not_expire() {
    let sample = Sample::new();
    let (nothing, waits) = (sample.row(Some(1), &[]), sample.waiting_row());
    assert_eq!(writing::expires(&nothing, 0), None);
    assert_eq!(writing::expires(&waits, 0), None);
    assert_eq!(writing::expires(&sample.row(None, &[(0, 1)]), 2_000).unwrap(), "3");
}

#[test]
fn a_batch_larger_than_a_command_and_a_pipeline_is_read_and_written_whole() {
    let ((_server, one), (_cluster, cluster)) = (one(), cluster());
    for store in [one, cluster] {
        let sample = Sample::new();
        let row = sample.row(Some(1), &[]);
        let keys: Vec<EntityKey> = (0..20_000).map(|number| key(&format!("{number}"))).collect();
        let rows: Vec<RowWrite<'_>> = keys.iter().map(|key| RowWrite { key, bytes: &row }).collect();
        let outcomes = wait_for(store.replace(&sample.view.id, &rows, Some(moment(1)))).unwrap();
        assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Written));
        assert_eq!(wait_for(store.stats(&sample.view.id)).unwrap().rows, 20_000);
        let found = wait_for(store.read(&[Read { view: &sample.view.id, keys: &keys }])).unwrap();
        assert!(found[0].rows().all(|found| found == Some(&row)));
        assert_eq!(found[0].applied_at(), Some(moment(1)));
        wait_for(store.drop_view(&sample.view.id)).unwrap();
        let found = wait_for(store.read(&[Read { view: &sample.view.id, keys: &keys }])).unwrap();
        assert!(found[0].rows().all(|found| found.is_none()));
    }
}

#[test]
fn all_views_of_an_entity_lie_on_one_server_of_a_cluster() {
    let (_cluster, store) = cluster();
    let slots =
        ["one@1", "two@1", "three@12"].map(|view| keys::slot(&store.inner.keys.row(view, &key("a}b"))));
    assert!(slots.iter().all(|slot| *slot == slots[0]));
}
