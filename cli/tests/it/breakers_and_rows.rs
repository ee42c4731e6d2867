//! The rows of last good moments: what changes the log changes them, and nothing is left of them where nobody reads them.

use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use test_support::{RedisServer, eventually};

use crate::project::{Project, says};
use crate::pushed::{clicks, micros_now, now};
use crate::served::{Server, send_to};

const DAY: i64 = 86_400_000_000;
const HOUR: i64 = DAY / 24;

const DEFINITIONS: &str = "kind: entity
name: visitor
keys: {visitor: int64}
---
kind: source
name: clicks
schema: {visitor: int64, at: timestamp, page: string}
event_time: at
assumed_delay: 1s
batch: {path: data}
---
kind: feature_view
name: visits
version: 1
entity: visitor
source: clicks
ttl: 5d
retention: {online: 5d, offline: 6d}
features:
  page: {latest: page}
  clicks: {aggregate: count, window: 2d}
---
kind: feature_view
name: lone
version: 1
entity: visitor
source: clicks
features:
  page: {latest: page}
---
kind: feature_view
name: unused
version: 1
entity: visitor
source: clicks
features:
  page: {latest: page}
---
kind: feature_service
name: visit
version: 1
features:
  - {from: visits@1}
";

fn before(micros: i64) -> String {
    feature::Micros::new(micros_now() - micros).unwrap().to_string()
}

fn write_clicks(project: &Project, file: &str, visitors: std::ops::Range<i64>, at: &str, page: &str) {
    let rows: String = visitors.map(|visitor| format!("{visitor},{at},{page}\n")).collect();
    project.write(&format!("data/{file}.csv"), format!("visitor,at,page\n{rows}"));
}

/// A project whose online rows lie in Redis, if there is one, with these clicks a day ago.
fn loaded(redis: Option<&RedisServer>, visitors: i64) -> Project {
    let project = Project::empty();
    project.write("features/all.yaml", DEFINITIONS);
    if let Some(redis) = redis {
        project.write("twinstore.toml", format!("project = \"clicks\"\nonline.url = \"{}\"\n", redis.url()));
    }
    write_clicks(&project, "a", 1..visitors + 1, &before(DAY), "home");
    project.ok("apply");
    project.ok("backfill visits lone");
    project
}

/// Page and clicks of a visitor, with the status of the clicks.
fn served(project: &Project, visitor: i64) -> [Value; 3] {
    let features = project.json(&format!("get visit visitor={visitor}"))["features"].clone();
    [
        features["page"]["value"].clone(),
        features["clicks"]["value"].clone(),
        features["clicks"]["status"].clone(),
    ]
}

/// Page and clicks of visitors at a moment, as a training set has them.
fn trained(project: &Project, visitors: &[i64], at: &str) -> Vec<String> {
    let labels: String = visitors.iter().map(|visitor| format!("{visitor},{at}\n")).collect();
    project.write("spine.csv", format!("visitor,t\n{labels}"));
    project.ok("training-set --service visit --spine spine.csv --time t --out set.csv");
    let set = project.read("set.csv");
    set.lines().skip(1).map(|line| line.splitn(3, ',').nth(2).unwrap().to_owned()).collect()
}

/// Opens the breaker of the visits as of a moment, and waits until it holds.
fn open_visits(project: &Project, good_until: &str) {
    project.ok(&format!("breaker open visits --good-until {good_until} --reason x"));
    eventually("it holds", || served(project, 1)[2] == "LAST_KNOWN_GOOD");
}

fn close_visits(project: &Project) {
    project.ok("breaker close visits --reason mended");
    eventually("it is closed", || served(project, 1)[2] == "PRESENT");
}

/// How many keys Redis has.
fn keys(redis: &RedisServer) -> u64 {
    redis.says("DBSIZE").trim().trim_start_matches(':').parse().unwrap()
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn history_that_is_loaded_while_a_breaker_is_open_is_served_as_it_is_trained() {
    let project = loaded(None, 3);
    open_visits(&project, &before(HOUR));
    // Rows that were visible at the last good moment by their assumed delay, of a new visitor too.
    write_clicks(&project, "b", 1..2, &before(2 * HOUR), "late");
    write_clicks(&project, "c", 4..5, &before(2 * HOUR), "new");
    project.ok("backfill visits");
    let (known, new) = (served(&project, 1), served(&project, 4));
    assert_eq!(known, [json!("late"), json!(2), json!("LAST_KNOWN_GOOD")]);
    assert_eq!(new, [json!("new"), json!(1), json!("LAST_KNOWN_GOOD")]);
    assert_eq!(trained(&project, &[1, 2, 4], &now()), ["late,2", "home,1", "new,1"]);
    // What came to be visible later changes nothing.
    write_clicks(&project, "d", 1..4, &before(HOUR / 2), "wrong");
    project.ok("materialize visits");
    assert_eq!(served(&project, 1), known);
    assert_eq!(trained(&project, &[1], &now()), ["late,2"]);
    project.ok("verify visits");
}

#[test]
fn what_a_breaker_answers_stays_in_the_log_and_what_retention_dropped_is_neither_folded_nor_trained() {
    let project = Project::empty();
    project.write("features/all.yaml", DEFINITIONS);
    write_clicks(&project, "a", 1..4, &before(9 * DAY), "old");
    write_clicks(&project, "b", 1..4, &before(DAY / 2), "new");
    project.ok("apply");
    project.ok("backfill visits");
    let good_until = before(8 * DAY);
    open_visits(&project, &good_until);
    let during = now();
    let (of_serving, of_training) = (served(&project, 1), trained(&project, &[1], &during));
    // The page is older than the ttl by now, and what was counted then is still what was counted.
    assert_eq!(of_serving, [Value::Null, json!(1), json!("LAST_KNOWN_GOOD")]);
    assert_eq!(of_training, [",1"]);
    let expired = project.json("offline expire visits");
    assert_eq!(expired["views"][0]["rows"], 0, "{expired}");
    says(expired["views"][0]["why_stays"].as_str().unwrap(), &["stay while its circuit breaker is open"]);
    project.ok("online rebuild visits");
    assert_eq!((served(&project, 1), trained(&project, &[1], &during)), (of_serving, of_training));

    close_visits(&project);
    let expired = project.json("offline expire visits");
    assert_eq!(expired["views"][0]["rows"], 3, "{expired}");
    // A label in the opening needs what is gone, though it lies in the range that is kept.
    let said = project.refused("training-set --service visit --spine spine.csv --time t --out again.csv");
    says(&said, &["1 of the labels need rows of visits@1", "at which a circuit breaker was open"]);
    assert_eq!(trained(&project, &[1], &now()), ["new,1"]);
    // And nobody is answered by a part of what was known then.
    let open = project.run(&format!("breaker open visits --good-until {good_until} --reason again"));
    assert_eq!(open.code, Some(1), "{}", open.stdout);
    says(
        &open.stderr,
        &["the answers of visits@1 as of", "which its retention dropped", "name a moment from"],
    );
    assert_eq!(served(&project, 1), [json!("new"), json!(1), json!("PRESENT")]);
}

#[test]
fn an_older_log_is_not_folded_for_a_breaker() {
    let project = loaded(None, 1);
    let mut copy = Command::new("cp");
    copy.args(["-r", "offline", "copy"]).current_dir(project.path(".twinstore"));
    assert!(copy.status().unwrap().success());
    write_clicks(&project, "b", 1..2, &before(2 * HOUR), "later");
    project.ok("backfill visits");
    std::fs::remove_dir_all(project.path(".twinstore/offline")).unwrap();
    std::fs::rename(project.path(".twinstore/copy"), project.path(".twinstore/offline")).unwrap();
    let open = project.run(&format!("breaker open visits --good-until {} --reason x", before(HOUR)));
    assert_eq!(open.code, Some(1), "{}", open.stdout);
    says(&open.stderr, &["the log is older than the online store"]);
}

#[test]
fn a_view_that_is_retired_or_removed_takes_its_openings_with_it() {
    let redis = RedisServer::start(&[]);
    let project = loaded(Some(&redis), 20);
    let held = keys(&redis);
    project.ok(&format!("breaker open lone --good-until {} --reason x", before(HOUR)));
    assert!(keys(&redis) > held + 20);
    project.ok("retire lone@1");
    let listed = project.json("breaker list");
    assert!(!listed["breakers"][0]["until"].is_null(), "{listed}");
    // Neither its own rows nor those of the last good moment.
    assert!(keys(&redis) < held - 19, "{} of {held}", keys(&redis));
    says(&project.ok("audit lone@1"), &["breaker_open", "breaker_close", "its version is retired"]);

    project.ok("breaker open unused --answers no_value --reason x");
    says(
        &project.refused("registry remove unused@1"),
        &["unused@1 stays registered", "breaker list unused@1"],
    );
    project.ok("breaker close unused --reason done");
    eventually("it may be removed", || project.run("registry remove unused@1").code == Some(0));
    project.ok("apply");
    assert_eq!(project.json("breaker list unused")["breakers"], json!([]), "it is another version");
}

#[test]
fn rows_that_no_opening_explains_go_and_hide_no_forgotten_entity() {
    let redis = RedisServer::start(&[]);
    let project = loaded(Some(&redis), 3);
    open_visits(&project, &before(HOUR));
    project.ok("forget visitor=2 --yes --reason gdpr");
    assert_eq!(served(&project, 2)[2], "NOT_FOUND");
    assert_eq!(served(&project, 1), [json!("home"), json!(1), json!("LAST_KNOWN_GOOD")]);
    // As a process leaves them that was stopped while it wrote, and went on after others had dropped them.
    let held = keys(&redis);
    let lua = |body: &str| redis.says(&format!("EVAL \"{body}\" 0"));
    let copies = "local n=0 for _,k in ipairs(redis.call('keys','*visits@1')) do \
        if string.find(k,'{') then redis.call('copy',k,string.sub(k,1,-2)..'2147483999') n=n+1 end end return n";
    assert_eq!(lua(copies).trim(), ":2");
    assert_eq!(keys(&redis), held + 2);
    project.ok("forget visitor=3 --yes --reason gdpr");
    assert_eq!(keys(&redis), held - 3, "its rows of both views and of the last good moment, and both copies");
    assert_eq!(lua(copies).trim(), ":1");
    project.ok("online rebuild visits");
    assert_eq!(keys(&redis), held - 3);
    assert_eq!(served(&project, 1), [json!("home"), json!(1), json!("LAST_KNOWN_GOOD")]);
}

/// A process that opens the breaker of the visits, and has written a part of their last good rows.
fn opens_in_part(project: &Project, redis: &RedisServer, held: u64) -> Child {
    let open = format!("breaker open visits --good-until {} --reason x", before(HOUR));
    let opener = project.command(&open).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("it has written some", || keys(redis) > held + 1000);
    opener
}

#[test]
fn whoever_is_stopped_while_it_opens_a_breaker_leaves_no_rows_and_holds_up_nobody() {
    let redis = RedisServer::start(&[]);
    let project = loaded(Some(&redis), 20_000);
    let held = keys(&redis);
    let opener = opens_in_part(&project, &redis, held);
    signal(&opener, "-STOP");
    project.ok("breaker open visits --answers no_value --reason y");
    project.ok("forget visitor=5 --yes --reason gdpr");
    signal(&opener, "-CONT");
    let ended = opener.wait_with_output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    says(&said, &["opening 1 of the circuit breaker of visits@1 does not hold", "another was requested"]);
    assert!(keys(&redis) < held, "{} of {held}", keys(&redis));

    // One that is killed is given up once it was not heard of for a while, and is not completed before.
    project.ok("breaker close visits --reason y");
    eventually("it is closed", || served(&project, 1)[2] == "PRESENT");
    let held = keys(&redis);
    let mut opener = opens_in_part(&project, &redis, held);
    signal(&opener, "-KILL");
    opener.wait().unwrap();
    let left = keys(&redis);
    project.ok("online rebuild visits");
    assert!(keys(&redis) <= left, "{} of {left}", keys(&redis));
    eventually("what it wrote is dropped", || {
        project.ok("online rebuild lone");
        keys(&redis) <= held
    });
}

#[test]
fn a_server_that_was_stopped_while_a_breaker_opened_answers_by_it_once_it_goes_on() {
    let project = clicks();
    let server = Server::start(&project);
    let push = |page: &str| {
        let rows = json!([{"visitor": 1, "at": now(), "id": 1, "page": page, "ms": 1.0}]);
        let body = json!({"source": "clicks", "rows": rows, "wait": "online"});
        assert_eq!(server.post("/v1/push", &body).0, 200);
    };
    push("home");
    let good = now();
    push("wrong");
    let settled = micros_now() + 11_000_000;
    eventually("the good moment is settled", || micros_now() > settled);
    server.signal("-STOP");
    project.ok(&format!("breaker open visits --features page --good-until {good} --reason x"));
    let holds = micros_now() + 2_500_000;
    eventually("it holds", || micros_now() > holds);
    let body = json!({"service": "visit", "entities": {"visitor": [1]}}).to_string();
    let reads: Vec<_> = (0..8)
        .map(|_| {
            let (http, body) = (server.http.clone(), body.clone());
            std::thread::spawn(move || send_to(&http, "/v1/features", &body).unwrap())
        })
        .collect();
    server.signal("-CONT");
    for read in reads {
        let (status, answer) = read.join().unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let page = &answer["columns"]["page"];
        assert_eq!((status, &page["statuses"][0]), (200, &json!("LAST_KNOWN_GOOD")), "{answer}");
    }
    assert_eq!(server.terminate().0, Some(0));
}
