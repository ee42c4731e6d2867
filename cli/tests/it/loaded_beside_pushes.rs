//! A materialize, and a rebuild, beside a server that takes pushes of the same entities all the time.

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, TimestampMicrosecondArray};
use serde_json::{Value, json};

use crate::damaged_online::flip_rows;
use crate::landings::write_parquet;
use crate::project::Project;
use crate::pushed::{now, with};
use crate::served::Server;
use test_support::{RedisServer as Redis, eventually, visitor_clicks};

const SOURCE: &str = "
schema: {visitor: int64, at: timestamp, ms: float64}
event_time: at
batch: {path: data/clicks}
stream: {topic: clicks, format: json, from: 2020-01-01T00:00:00Z}
";
const VISITORS: i64 = 200;
const PUSHES_A_SECOND: u32 = 10;
/// It takes a second or so in a debug build; where every push made it begin again, it took twenty.
const BOUND: Duration = Duration::from_secs(15);

/// A project whose one view counts the clicks of each visitor.
fn clicks() -> Project {
    with(&visitor_clicks(SOURCE, "features: {clicks: {aggregate: count}}\n"))
}

fn add(project: &Project, file: i64) {
    let rows = VISITORS as usize;
    let at = 1_500_000_000_000_000 + file;
    let columns: [(&str, ArrayRef); 3] = [
        ("visitor", Arc::new(Int64Array::from_iter_values(0..VISITORS))),
        ("at", Arc::new(TimestampMicrosecondArray::from(vec![at; rows]).with_timezone("UTC"))),
        ("ms", Arc::new(Float64Array::from(vec![1.0; rows]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    write_parquet(&project.path(&format!("data/clicks/{file}.parquet")), &batch);
}

/// Pushes rows of the same few visitors until it is stopped. Gives how many.
fn push(server: &Arc<Server>, stop: &Arc<AtomicBool>) -> JoinHandle<i64> {
    let (server, stop) = (server.clone(), stop.clone());
    thread::spawn(move || {
        let mut pushed = 0;
        while !stop.load(Ordering::Relaxed) {
            let rows = json!([{"visitor": pushed % 5, "at": now(), "ms": 5.0}]);
            let (status, answer) = server.post("/v1/push", &json!({"source": "clicks", "rows": rows}));
            assert_eq!(status, 200, "{answer}");
            pushed += 1;
            thread::sleep(Duration::from_secs(1) / PUSHES_A_SECOND);
        }
        pushed
    })
}

#[test]
fn a_materialize_beside_pushes_ends_and_loses_none_of_either() {
    let project = clicks();
    add(&project, 0);
    project.ok("backfill visits@1");
    let server = Arc::new(Server::start(&project));
    let stop = Arc::new(AtomicBool::new(false));
    let pushing = push(&server, &stop);
    let mut longest = Duration::ZERO;
    for file in 1..4 {
        add(&project, file);
        let began = Instant::now();
        project.ok("materialize visits@1");
        longest = longest.max(began.elapsed());
    }
    stop.store(true, Ordering::Relaxed);
    let pushed: i64 = pushing.join().unwrap();
    // What was acknowledged may be seen a moment later.
    server.waits_for(&everyone(), |_, answer| counts_of(answer).iter().sum::<i64>() == pushed + 8 * 4);
    assert_eq!(Arc::into_inner(server).unwrap().terminate().0, Some(0));
    println!("{VISITORS} rows beside {pushed} pushes: at most {longest:?}");
    assert!(longest < BOUND, "{longest:?}");
    let counts = || -> Vec<i64> {
        let read = |visitor| project.json(&format!("get visit visitor={visitor}"));
        (0..8).map(|visitor| read(visitor)["features"]["clicks"]["value"].as_i64().unwrap()).collect()
    };
    let online = counts();
    assert_eq!(online.iter().sum::<i64>(), pushed + 8 * 4, "{online:?}");
    project.ok("online rebuild visits@1");
    assert_eq!(online, counts());
}

#[test]
fn a_rebuild_beside_pushes_ends_and_no_reader_ever_sees_less_than_before() {
    rebuilds_beside_pushes("serve.hot_bytes = 0\n");
}

#[test]
fn a_rebuild_in_redis_beside_pushes_ends_and_no_reader_ever_sees_less_than_before() {
    let redis = Redis::start(&[]);
    let url = redis.url();
    rebuilds_beside_pushes(&format!("project = \"clicks\"\nonline.url = \"{url}\"\nserve.hot_bytes = 0\n"));
}

/// Asks for those who are pushed, and for some who are not.
fn everyone() -> Value {
    json!({"service": "visit", "entities": {"visitor": (0..8).collect::<Vec<i64>>()}})
}

fn counts_of(answer: &Value) -> Vec<i64> {
    let values = answer["columns"]["clicks"]["values"].as_array().unwrap();
    values.iter().map(|value| value.as_i64().unwrap_or(0)).collect()
}

fn rebuilds_beside_pushes(settings: &str) {
    let project = clicks();
    project.write("twinstore.toml", settings);
    add(&project, 0);
    project.ok("backfill visits@1");
    let server = Arc::new(Server::start(&project));
    let (stop, enough) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let pushing = push(&server, &stop);
    let body = everyone();
    let reading = thread::spawn({
        let (server, enough, body) = (server.clone(), enough.clone(), body.clone());
        move || {
            let mut seen = vec![1; 8];
            let mut reads = 0;
            while !enough.load(Ordering::Relaxed) {
                let (status, answer) = server.post("/v1/features", &body);
                assert_eq!(status, 200, "{answer}");
                let counts = counts_of(&answer);
                let is_less = counts.iter().zip(&seen).any(|(now, before)| now < before);
                assert!(!is_less && counts.len() == seen.len(), "{counts:?} after {seen:?}");
                (seen, reads) = (counts, reads + 1);
            }
            (seen, reads)
        }
    });
    for _ in 0..3 {
        project.ok("online rebuild visits@1");
    }
    stop.store(true, Ordering::Relaxed);
    let pushed = pushing.join().unwrap();
    // None of them is lost, whatever was written over meanwhile.
    server.waits_for(&body, |_, answer| counts_of(answer).iter().sum::<i64>() == pushed + 8);
    enough.store(true, Ordering::Relaxed);
    let (seen, reads): (Vec<i64>, u64) = reading.join().unwrap();
    assert!(reads > 3 && pushed > 3, "{reads} reads beside {pushed} pushes");
    assert!(seen.iter().sum::<i64>() > 8, "{seen:?}");
    assert_eq!(Arc::into_inner(server).unwrap().terminate().0, Some(0));
    let read = |visitor| project.json(&format!("get visit visitor={visitor}"));
    let counts: Vec<i64> =
        (0..8).map(|visitor| read(visitor)["features"]["clicks"]["value"].as_i64().unwrap()).collect();
    assert_eq!(counts.iter().sum::<i64>(), pushed + 8, "{counts:?}");
}

#[test]
fn what_a_stream_commits_after_a_rebuild_of_its_damaged_rows_is_online() {
    let project = clicks();
    add(&project, 0);
    project.ok("backfill visits@1");
    let rows = (0..5).map(|visitor| json!({"visitor": visitor, "at": now(), "ms": 5.0}).to_string());
    project.write("rows.jsonl", rows.collect::<Vec<_>>().join("\n"));
    project.ok("push clicks rows.jsonl");
    // Its rows are online, and not yet in the log.
    let mut stream = project.command("stream visits@1 --until-caught-up");
    let mut stream = stream.env("TWINSTORE_TRIAL_SLEEP", "stamped").spawn().unwrap();
    let status = format!("/proc/{}/status", stream.id());
    eventually("it is suspended", || {
        fs::read_to_string(&status).is_ok_and(|status| status.contains("State:\tT"))
    });
    let count = |visitor: i64| -> i64 {
        let read = project.json(&format!("get visit visitor={visitor}"));
        read["features"]["clicks"]["value"].as_i64().unwrap()
    };
    assert_eq!(count(0), 2);
    assert!(flip_rows(&project) >= VISITORS as usize);
    project.ok("online rebuild visits@1");
    assert_eq!(count(0), 1);
    let resumed = Command::new("kill").args(["-CONT", &stream.id().to_string()]).status().unwrap();
    assert!(resumed.success() && stream.wait().unwrap().success());
    assert_eq!([0, 4, 5].map(count), [2, 2, 1]);
}

/// As above, but that the rows are damaged before each rebuild, while they are written.
#[test]
fn a_rebuild_of_damaged_rows_beside_pushes_brings_every_row_back() {
    let project = clicks();
    project.write("twinstore.toml", "serve.hot_bytes = 0\n");
    add(&project, 0);
    project.ok("backfill visits@1");
    let server = Arc::new(Server::start(&project));
    let stop = Arc::new(AtomicBool::new(false));
    let pushing = push(&server, &stop);
    let mut seen = vec![1; 8];
    for _ in 0..3 {
        assert!(flip_rows(&project) >= VISITORS as usize);
        project.ok("online rebuild visits@1");
        // A damaged row may have had what was committed only after the rebuild read the log: its stream writes it again.
        let is_back = |counts: &[i64]| counts.iter().zip(&seen).all(|(now, before)| now >= before);
        let answer =
            server.waits_for(&everyone(), |status, answer| status == 200 && is_back(&counts_of(answer)));
        seen = counts_of(&answer);
    }
    stop.store(true, Ordering::Relaxed);
    let pushed = pushing.join().unwrap();
    server.waits_for(&everyone(), |_, answer| counts_of(answer).iter().sum::<i64>() == pushed + 8);
    assert_eq!(Arc::into_inner(server).unwrap().terminate().0, Some(0));
    project.ok("online verify");
}
