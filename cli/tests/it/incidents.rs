//! Injected incidents over the real binary: each is found, named by its cause in one finding, and is over once it is mended.
//! `make incidents` prints how long each took to be named.

use std::time::Instant;

use feature::Micros;
use serde_json::{Value, json};
use test_support::{RedisServer, eventually};

use crate::project::{Project, says};
use crate::pushed::{micros_now, now, with};
use crate::served::Server;
use crate::served_values;
use crate::slo::{self, definitions, follow, push, standings};

/// A second view of the same source, with its own consumer.
const MORE: &str = "
---
kind: feature_view
name: page_counts
version: 1
entity: visitor
source: clicks
freshness: {objective: 10s, target: 99}
features:
  pages: {aggregate: count}
---
kind: feature_service
name: engagement
version: 1
consumer: {model: churn, owner: web-team}
features:
  - {from: page_counts@1}
";

/// Reads of so many different visitors.
fn read(server: &Server, service: &str, visitors: usize) {
    let visitors: Vec<usize> = (1..=visitors).collect();
    let body = json!({"service": service, "entities": {"visitor": visitors}});
    assert_eq!(server.post("/v1/features", &body).0, 200);
}

/// What doctor calls the probable cause; empty if nothing is wrong.
fn cause(project: &Project) -> String {
    let report: Value = serde_json::from_str(&project.run("doctor --format json").stdout).unwrap();
    report["cause"]["said"].as_str().unwrap_or_default().to_owned()
}

/// Says how long it took to be named.
fn named(incident: &str, began: Instant) {
    println!("incident: {incident}: named after {:.0} s", began.elapsed().as_secs_f64());
}

#[test]
fn a_source_that_stops_is_one_finding_that_names_what_it_reaches_and_is_over_when_it_sends_again() {
    let project = with(&(definitions() + MORE));
    let server = Server::start(&project);
    let reads = |server: &Server, times| {
        ["visit", "engagement"].iter().for_each(|service| slo::read(server, service, times));
    };
    eventually("reads are fresh", || {
        push(&server);
        reads(&server, 1);
        standings(&project)[0]["reads"].as_u64().unwrap() >= 3
    });
    assert_eq!(cause(&project), "");
    let began = Instant::now();
    eventually("it is named", || {
        reads(&server, 1);
        cause(&project).starts_with("no record of `clicks` has arrived since")
    });
    named("a stopped source, objective 10 s", began);
    let said = cause(&project);
    says(&said, &["page_counts@1", "visits@1", "engagement@1 (model churn)", "visit@1 (model next-page)"]);
    let report: Value = serde_json::from_str(&project.run("doctor --format json").stdout).unwrap();
    let is_wrong = |one: &&Value| one["area"] == "pipeline" && one["condition"] == "WRONG";
    assert_eq!(report["findings"].as_array().unwrap().iter().filter(is_wrong).count(), 1, "{report}");
    let mended = Instant::now();
    // In the minute in which it is mended, fresh reads outnumber the stale ones.
    eventually("it is over", || {
        push(&server);
        reads(&server, 10_000);
        let is_over = |one: &Value| one["stage"] == Value::Null && one["since"] == Value::Null;
        standings(&project).iter().all(is_over)
    });
    println!("incident: a stopped source: over {:.0} s after it sends again", mended.elapsed().as_secs_f64());
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn a_producer_whose_clock_is_ahead_is_named() {
    let project = with(&definitions());
    let server = Server::start(&project);
    push(&server);
    let began = Instant::now();
    let ahead = Micros::new(micros_now() + 600_000_000).unwrap().to_string();
    let rows = json!([{"visitor": 2, "at": ahead, "page": "home"}]);
    assert_eq!(server.post("/v1/push", &json!({"source": "clicks", "rows": rows})).0, 200);
    eventually("it is named", || cause(&project).contains("seconds ahead of this machine's clock"));
    named("a clock 10 minutes off", began);
    says(&cause(&project), &["visits@1 has events that are 5", "set the clock of their producer"]);
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn an_online_store_that_stops_answering_is_named_and_is_over_when_it_answers() {
    let redis = RedisServer::durable();
    let project = with(&definitions());
    project.edit("twinstore.toml", "embedded://.twinstore/online", &redis.url());
    let pushed = |page: &str| {
        let at = now();
        project.write("click.json", json!({"visitor": 1, "at": at, "page": page}).to_string());
        project.ok("push clicks click.json");
    };
    pushed("home");
    let mut stream = follow(&project);
    eventually("the row is online", || standings(&project)[0]["newest_event"].is_string());
    redis.signal("STOP");
    let began = Instant::now();
    pushed("cart");
    eventually("it is named", || cause(&project).contains(&redis.address()));
    named("a Redis that is suspended", began);
    redis.signal("CONT");
    eventually("it is over", || !cause(&project).contains(&redis.address()));
    stream.kill().unwrap();
    stream.wait().unwrap();
}

#[test]
fn a_redis_that_loses_a_tenth_of_its_keys_is_named_and_is_over_after_a_rebuild() {
    const VISITORS: usize = 200;
    let redis = RedisServer::start(&[]);
    let project = with(&definitions());
    project.edit("twinstore.toml", "embedded://.twinstore/online", &redis.url());
    let server = Server::start(&project);
    let at = now();
    let rows: Vec<Value> =
        (1..=VISITORS).map(|visitor| json!({"visitor": visitor, "at": at, "page": "home"})).collect();
    let push = json!({"source": "clicks", "rows": rows, "wait": "online"});
    assert_eq!(server.post("/v1/push", &push).0, 200);
    eventually("reads of all of them are counted", || {
        read(&server, "visit", VISITORS);
        let [view, _] = standings(&project);
        view["reads"].as_u64().unwrap() >= 2_000
    });
    // As if these minutes were half an hour ago.
    project.registry(async |connection| {
        let earlier = "UPDATE freshness_reads SET began = began - 1800000000 WHERE slot = 60000000";
        sqlx::query(earlier).execute(connection).await.unwrap();
    });
    assert!(!cause(&project).contains("found no row"));
    // Keys of entities are bytes, which only a script takes as they are.
    let lose = "local lost = 0 for i, key in ipairs(redis.call('KEYS', '*}visits@1')) do if i % 10 == 0 then lost = lost + redis.call('DEL', key) end end return lost";
    assert_eq!(redis.says(&format!("EVAL \"{lose}\" 0")), ":20\r\n");
    let began = Instant::now();
    eventually("it is named", || {
        read(&server, "visit", VISITORS);
        cause(&project).contains("online rows may be lost")
    });
    named("a Redis that lost a tenth of its keys", began);
    project.ok("online rebuild visits@1");
    // Once the minutes with the loss are five minutes old, the share is that of before.
    project.registry(async |connection| {
        let earlier = "UPDATE freshness_reads SET began = began - 600000000 WHERE slot = 60000000";
        sqlx::query(earlier).execute(connection).await.unwrap();
    });
    eventually("it is over", || {
        read(&server, "visit", VISITORS);
        !cause(&project).contains("found no row")
    });
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn a_feature_that_another_version_computes_online_is_named_and_is_over_after_a_rebuild() {
    served_values::incidents::a_feature_that_another_version_computes_online(named);
}
