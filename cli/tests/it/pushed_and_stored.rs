//! Pushed rows on their way into both stores: through kills of the server, beside history and other views, and beyond
//! the bound of an entity.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::landings::{Landing, batch, landing, write_parquet};
use crate::project::{Project, says};
use crate::pushed::{LOG, clicks, micros_now, now, read, with};
use crate::served::Server;
use crate::stored;

/// Times that the server is killed.
const KILLS: u64 = 20;
/// Those who push at once.
const PUSHERS: usize = 4;

#[test]
fn a_server_that_is_killed_again_and_again_loses_no_row_that_it_acknowledged_and_doubles_none() {
    let project = clicks();
    let (acknowledged, sent) = (Mutex::new(BTreeSet::new()), AtomicU64::new(0));
    for kill in 0..KILLS {
        let server = Server::start(&project);
        let before = acknowledged.lock().unwrap().len();
        thread::scope(|scope| {
            for pusher in 0..PUSHERS {
                let (acknowledged, sent, server) = (&acknowledged, &sent, &server);
                let http = server.http.clone();
                scope.spawn(move || {
                    loop {
                        let id = sent.fetch_add(1, Ordering::Relaxed);
                        let row = json!({"visitor": id % 7, "at": now(), "id": id});
                        let wait = if pusher == 0 { json!("online") } else { Value::Null };
                        let body = json!({"source": "clicks", "rows": [row], "wait": wait}).to_string();
                        match send(&http, &body) {
                            Ok(200) => acknowledged.lock().unwrap().insert(id),
                            _ => return,
                        };
                    }
                });
            }
            // Killed after a few pushes, then after more of them.
            let began = Instant::now();
            while acknowledged.lock().unwrap().len() < before + 3 * (kill as usize + 1) {
                assert!(began.elapsed() < Duration::from_secs(30), "nothing is acknowledged");
                thread::yield_now();
            }
            server.kill();
        });
        server.ended();
    }
    let server = Server::start(&project);
    let last =
        json!({"source": "clicks", "rows": [{"visitor": 99, "at": now(), "id": -1}], "wait": "online"});
    assert_eq!(server.post("/v1/push", &last).0, 200);
    let counts = read(&server, &json!([0, 1, 2, 3, 4, 5, 6]))["clicks"]["values"].clone();
    assert_eq!(server.terminate().0, Some(0));
    let rows = log_rows(&project);
    let ids: Vec<u64> = rows.iter().filter_map(|row| row.parse().ok()).collect();
    let distinct: BTreeSet<u64> = ids.iter().copied().collect();
    let acknowledged = acknowledged.into_inner().unwrap();
    let lost: Vec<&u64> = acknowledged.difference(&distinct).collect();
    assert!(lost.is_empty(), "of {} acknowledged {lost:?} are lost", acknowledged.len());
    assert_eq!(ids.len(), distinct.len(), "rows are there twice");
    let online: u64 = counts.as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(online, ids.len() as u64, "the stores differ");
}

/// Pushes; gives the status.
fn send(http: &str, body: &str) -> std::io::Result<u16> {
    crate::served::send_to(http, "/v1/push", body).map(|(status, _)| status)
}

/// The column `id` of every row of the log, whose Delta log may have checkpoints.
fn log_rows(project: &Project) -> Vec<String> {
    stored::rows(&project.path(LOG)).into_iter().map(|row| row["id"].clone()).collect()
}

#[test]
fn a_server_that_only_takes_rows_leaves_them_to_a_stream() {
    let project = clicks();
    let server = Server::start_as(&project, "serve --no-streams");
    let (status, answer) =
        server.post("/v1/push", &json!({"source": "clicks", "rows": [{"visitor": 1, "at": now()}]}));
    assert_eq!(status, 200, "{answer}");
    // The server takes what another process pushes meanwhile.
    project.write("more.jsonl", json!({"visitor": 1, "at": now()}).to_string());
    assert_eq!(project.json("push clicks more.jsonl")["first_offset"], 1);
    assert_eq!(read(&server, &json!([1]))["clicks"]["statuses"], json!(["NOT_FOUND"]));
    project.ok("stream --until-caught-up");
    assert_eq!(read(&server, &json!([1]))["clicks"]["values"], json!([2]));
    assert_eq!(server.terminate().0, Some(0));
    project.ok("push clicks more.jsonl");
}

#[test]
fn a_view_that_is_applied_while_the_server_runs_is_followed_from_the_first_row_on() {
    let project = clicks();
    let server = Server::start(&project);
    let push = json!({"source": "clicks", "rows": [{"visitor": 1, "at": now()}], "wait": "online"});
    assert_eq!(server.post("/v1/push", &push).0, 200);
    let second = "
kind: feature_view
name: visits
version: 2
entity: visitor
source: clicks
features: {clicks: {aggregate: count}}
---
kind: feature_service
name: second
version: 1
features: [{from: visits@2}]
";
    project.write("features/second.yaml", second);
    project.ok("apply");
    let body = json!({"service": "second", "entities": {"visitor": [1]}});
    server.waits_for(&body, |_, answer| answer["columns"]["clicks"]["values"] == json!([1]));
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn rows_of_history_and_pushed_rows_of_one_view_end_in_both_stores_once() {
    let project = with(
        "
kind: entity
name: airport
keys: {airport: string}
---
kind: source
name: landings
schema: {flight_id: int64, landed_at: timestamp, dest: string}
event_time: landed_at
batch: {path: data/landings}
stream: {topic: landings, format: json, from: 2014-01-01}
---
kind: feature_view
name: arrivals
version: 1
entity: airport
source: landings
keys: {airport: dest}
features: {count: {aggregate: count}, last: {latest: flight_id}}
---
kind: feature_service
name: visit
version: 1
features: [{from: arrivals@1, on: {airport: visitor}}]
",
    );
    let file = |n: i64| {
        let rows: Vec<Landing> = (0..5).map(|row| landing(5 * n + row, 60 * n + row, 1.0)).collect();
        write_parquet(&project.path(&format!("data/landings/{n}.parquet")), &batch(&rows));
    };
    file(0);
    project.ok("backfill --all");
    let server = Server::start(&project);
    let push = |id: i64| {
        let rows = json!([{"flight_id": id, "landed_at": now(), "dest": "LAX"}]);
        let (status, answer) =
            server.post("/v1/push", &json!({"source": "landings", "rows": rows, "wait": "online"}));
        assert_eq!(status, 200, "{answer}");
    };
    // Each load comes while others push.
    push(1_000);
    thread::scope(|scope| {
        let pushes = scope.spawn(|| (1_001..1_030).for_each(push));
        for n in 1..4 {
            file(n);
            project.ok("materialize");
        }
        pushes.join().unwrap();
    });
    project.ok("materialize");
    let columns = read(&server, &json!(["LAX"]));
    assert_eq!((&columns["count"]["values"], &columns["last"]["values"]), (&json!([50]), &json!([1_029])));
    let rows = stored::rows(&project.path(".twinstore/offline/log/arrivals/v1"));
    let flights: BTreeSet<&str> = rows.iter().map(|row| row["flight_id"].as_str()).collect();
    assert_eq!((rows.len(), flights.len()), (50, 50));
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn rows_beyond_the_bound_of_their_entity_are_replayed_once_they_fit() {
    let project = clicks();
    let server = Server::start(&project);
    // Ahead of now, so they wait in the row, which has slots for 256 of them.
    let ahead = feature::Micros::new(micros_now() + 3_000_000).unwrap().to_string();
    let rows: Vec<Value> = (0..300).map(|id| json!({"visitor": 1, "at": ahead, "id": id})).collect();
    let (status, answer) =
        server.post("/v1/push", &json!({"source": "clicks", "rows": rows, "wait": "online"}));
    assert_eq!(status, 200, "{answer}");
    let listed = || project.json("dead-letter list")["dead_letters"].as_array().unwrap().len();
    assert_eq!(listed(), 44);
    let began = Instant::now();
    loop {
        // While they are ahead of now they still do not fit.
        let done = project.run("dead-letter replay --format json");
        if done.code == Some(0) {
            let report: Value = serde_json::from_str(&done.stdout).unwrap();
            assert_eq!(report["views"][0]["replayed"], 44, "{report}");
            break;
        }
        says(&done.stderr, &["more than 256 rows that are not visible yet"]);
        assert!(began.elapsed() < Duration::from_secs(30), "{}", done.stderr);
    }
    assert_eq!(listed(), 0);
    assert_eq!(read(&server, &json!([1]))["clicks"]["values"], json!([300]));
    assert_eq!(stored::positions(&stored::rows(&project.path(LOG))).len(), 300);
    // The stream goes on from what the replay left.
    let push = json!({"source": "clicks", "rows": [{"visitor": 1, "at": now()}], "wait": "online"});
    assert_eq!(server.post("/v1/push", &push).0, 200);
    assert_eq!(read(&server, &json!([1]))["clicks"]["values"], json!([301]));
    assert_eq!(server.terminate().0, Some(0));
}
