//! Users, TLS, Sentinels and clusters that change.

use super::*;
use crate::contract::{Sample, key, read, write};
use test_support::{WatchedRedis, eventually};

#[test]
fn a_user_needs_no_more_than_what_is_documented() {
    let server = RedisServer::start(&[]);
    server.says(
        "ACL SETUSER twin on >pa@ss ~tw:* resetchannels -@all +@read +@write +@scripting +@connection +info",
    );
    let store = opened(&format!("redis://twin:pa%40ss@{}", server.address()));
    let sample = Sample::new();
    let row = sample.row(Some(1), &[]);
    wait_for(write(&store, &sample.view.id, &key("a"), &row));
    assert_eq!(wait_for(read(&store, &sample.view.id, &key("a"))), Some(row));
    wait_for(store.drop_view(&sample.view.id)).unwrap();
    assert_eq!(wait_for(store.stats(&sample.view.id)).unwrap(), Stats::default());
    assert!(!format!("{store:?}").contains("pa@ss"));

    server.says("ACL SETUSER twin -set -msetnx");
    let rows = [RowWrite { key: &key("b"), bytes: &sample.row(Some(1), &[]) }];
    let refusal = wait_for(store.replace(&sample.view.id, &rows, None)).unwrap_err();
    assert!(matches!(refusal, OnlineError::Unusable { .. }), "{refusal}");
}

#[test]
fn a_server_with_tls_is_trusted_by_its_authority_alone() {
    let (server, ca) = RedisServer::start_with_tls();
    let url = format!("rediss://{}", server.address());
    let store = opened(&format!("{url}?ca={}", ca.display()));
    let sample = Sample::new();
    let row = sample.row(Some(1), &[]);
    wait_for(write(&store, &sample.view.id, &key("a"), &row));
    assert_eq!(wait_for(read(&store, &sample.view.id, &key("a"))), Some(row));
    let refusal = refused(&url).to_string();
    assert!(refusal.contains("certificate"), "{refusal}");
    let refusal = refused(&format!("{url}?ca=/nowhere/ca.pem")).to_string();
    assert!(refusal.contains("`ca`"), "{refusal}");
}

#[test]
fn the_replica_that_sentinels_promote_is_written_and_read() {
    let mut watched = WatchedRedis::start();
    let store = opened(&watched.url());
    let sample = Sample::new();
    let row = sample.row(Some(1), &[]);
    wait_for(write(&store, &sample.view.id, &key("a"), &row));
    eventually("the replica has it", || !watched.replica.says("DBSIZE").starts_with(":0"));
    watched.master.kill();
    let later = sample.row(Some(2), &[]);
    let rows = [RowWrite { key: &key("a"), bytes: &later }];
    eventually("the replica takes over", || match wait_for(store.replace(&sample.view.id, &rows, None)) {
        Ok(outcomes) => outcomes == [Outcome::Written] || outcomes == [Outcome::Unchanged],
        Err(OnlineError::Unavailable { .. }) => false,
        Err(error) => panic!("{error}"),
    });
    assert_eq!(wait_for(read(&store, &sample.view.id, &key("a"))), Some(later));
}

#[test]
fn a_master_that_sentinels_do_not_know_is_named() {
    let watched = WatchedRedis::start();
    let refusal = refused(&watched.url().replace("/main", "/other")).to_string();
    assert!(refusal.contains("`other`"), "{refusal}");
}

#[test]
fn a_cluster_and_one_server_are_not_taken_for_each_other() {
    let (cluster, _) = cluster();
    let refusal = refused(&cluster.servers[0].url()).to_string();
    assert!(refusal.contains("redis+cluster://"), "{refusal}");
    let (server, _) = one();
    let refusal = refused(&format!("redis+cluster://{}", server.address())).to_string();
    assert!(refusal.contains("redis://"), "{refusal}");
}

#[test]
fn rows_of_a_slot_that_moves_are_found_while_it_moves_and_after() {
    let cluster = RedisCluster::start();
    let store = opened(&cluster.url());
    let sample = Sample::new();
    let (id, row) = (&sample.view.id, sample.row(Some(1), &[]));
    wait_for(write(&store, id, &key("a"), &row));
    let row_key = String::from_utf8(store.inner.keys.row(&id.to_string(), &key("a"))).unwrap();
    let slot = keys::slot(row_key.as_bytes());
    let has =
        |server: &RedisServer| server.says(&format!("CLUSTER COUNTKEYSINSLOT {slot}")).starts_with(":1");
    let name = |server: &RedisServer| server.says("CLUSTER MYID").lines().nth(1).unwrap().to_owned();
    let from = cluster.servers.iter().find(|server| has(server)).unwrap();
    let to = cluster.servers.iter().find(|server| !has(server)).unwrap();
    to.says(&format!("CLUSTER SETSLOT {slot} IMPORTING {}", name(from)));
    from.says(&format!("CLUSTER SETSLOT {slot} MIGRATING {}", name(to)));
    from.says(&format!("MIGRATE 127.0.0.1 {} {row_key} 0 5000", to.port));
    assert_eq!(wait_for(read(&store, id, &key("a"))), Some(row.clone()));
    let later = sample.row(Some(2), &[]);
    assert_eq!(wait_for(write(&store, id, &key("a"), &later)), Outcome::Written);
    for server in [to, from] {
        server.says(&format!("CLUSTER SETSLOT {slot} NODE {}", name(to)));
    }
    assert_eq!(wait_for(read(&store, id, &key("a"))), Some(later));
}

#[test]
fn a_cluster_that_lost_a_server_is_unavailable_and_not_empty() {
    let mut cluster = RedisCluster::start();
    let store = opened(&cluster.url());
    let keys: Vec<EntityKey> = (0..100).map(|number| key(&number.to_string())).collect();
    cluster.servers[1].kill();
    let view = "generated@1".parse().unwrap();
    let found = wait_for(store.read(&[Read { view: &view, keys: &keys }]));
    assert!(matches!(found, Err(OnlineError::Unavailable { .. })), "{found:?}");
}
