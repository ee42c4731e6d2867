//! The `push` command: rows are checked as those over HTTP are, whoever takes them, and columns go by either of their
//! names, as in every other way in.

use std::fs::{self, File};

use serde_json::{Value, json};
use test_support::{user_events, visitors};

use crate::project::{Project, says};
use crate::pushed::{LOG, clicks, now, with};
use crate::served::Server;
use crate::stored;

#[test]
fn rows_that_a_command_pushes_are_checked_as_those_over_http_are_served_or_not() {
    let project = clicks();
    let row = |more: Value| {
        let mut row = json!({"visitor": 1, "at": now(), "ms": 1});
        more.as_object().unwrap().iter().for_each(|(name, value)| row[name] = value.clone());
        row.to_string()
    };
    let lines = [
        row(json!({})),
        String::new(),
        "no object".to_owned(),
        row(json!({"att": 1, "visitor": "x"})),
        row(json!({"ms": 5000})),
        row(json!({"at": "9999-01-01"})),
        row(json!({})),
    ];
    project.write("rows.jsonl", lines.join("\n"));
    let push = || {
        let done = project.run("push clicks rows.jsonl --format json");
        assert_eq!(done.code, Some(1), "{}", done.stderr);
        let answer: Value = serde_json::from_str(&done.stdout).unwrap();
        assert_eq!(answer["rows"], 2, "{answer}");
        says(
            &done.stderr,
            &[
                "row 3: it is no JSON object",
                "row 4: ",
                "`att` is unknown",
                "row 5: visits@1: expectation_failed",
                "row 6: visits@1: too_far_ahead",
            ],
        );
        answer["first_offset"].as_u64().unwrap()
    };
    assert_eq!(push(), 0);
    let server = Server::start(&project);
    assert_eq!(push(), 2);
    server.waits_for(&json!({"service": "visit", "entities": {"visitor": [1]}}), |_, answer| {
        answer["columns"]["clicks"]["values"] == json!([4])
    });
    assert_eq!(server.terminate().0, Some(0));
    assert_eq!(push(), 4);
    says(&project.run("push files_only rows.jsonl").stderr, &["has no `stream`"]);
}

#[test]
fn a_column_goes_by_its_name_in_records_or_by_the_declared_one_in_every_way_in() {
    let source = "schema:
  user_id: {type: int64, column: userId}
  at: {type: timestamp, column: When}
  # Each is called in records as the other is declared.
  a: {type: int64, column: b}
  b: {type: int64, column: a}
event_time: at
stream: {topic: events, format: json}
";
    let project = with(&user_events("user_id", source, "features: {a: {latest: a}, b: {latest: b}}\n"));
    let at = now();
    let row = |user: u32| json!({"userId": user, "When": at, "a": 1, "b": 2});
    project.write("rows.jsonl", row(1).to_string());
    project.ok("push events rows.jsonl");
    let server = Server::start(&project);
    project.write("rows.jsonl", json!({"user_id": 2, "at": at, "a": 1, "b": 2}).to_string());
    project.ok("push events rows.jsonl");
    let (status, answer) =
        server.post("/v1/push", &json!({"source": "events", "rows": [row(3)], "wait": "online"}));
    assert_eq!((status, &answer["taken"]), (200, &json!(1)), "{answer}");
    let columns = json!({"service": "svc", "entities": {"user_id": [1, 2, 3]}});
    let read = server.waits_for(&columns, |_, answer| answer["columns"]["a"]["values"] == json!([2, 2, 2]));
    assert_eq!(read["columns"]["b"]["values"], json!([1, 1, 1]));
    let twice = json!({"source": "events", "rows": [{"userId": 1, "user_id": 1, "At": at}]});
    let (status, answer) = server.post("/v1/push", &twice);
    assert_eq!(status, 400, "{answer}");
    says(
        &answer.to_string(),
        &["the column `user_id` is given twice", "`At` is unknown, did you mean `at`?"],
    );
}

#[test]
fn rows_that_do_not_pass_where_are_counted_by_view_whoever_takes_them() {
    let source = "schema: {visitor: int64, at: timestamp, ms: float64}\nevent_time: at\n\
                  stream: {topic: clicks, format: json}\n";
    let views = "\
---
kind: feature_view
name: slow
version: 1
entity: visitor
source: clicks
where: ms > 100
features: {ms: {latest: ms}}
---
kind: feature_view
name: every
version: 1
entity: visitor
source: clicks
features: {ms: {latest: ms}}
---
kind: feature_service
name: visit
version: 1
features: [{from: every@1}]
";
    let project = with(&(visitors(source) + views));
    let row = |ms: u32| json!({"visitor": 1, "at": now(), "ms": ms}).to_string();
    let rows: Vec<String> = (0..6_000).map(|number| row(number % 200)).collect();
    project.write("rows.jsonl", rows.join("\n"));
    let counts = json!({"slow@1": 3_030});
    let push = || {
        let answer = project.json("push clicks rows.jsonl");
        assert_eq!((&answer["rows"], &answer["filtered"]), (&json!(6_000), &counts));
    };
    push();
    let server = Server::start(&project);
    push();
    assert_eq!(server.terminate().0, Some(0));
    let table = project.ok("push clicks rows.jsonl");
    says(&table, &["6,000 rows pushed", "slow@1: 3,030 rows did not pass `where`"]);
    assert!(!table.contains("every@1"), "{table}");
}

/// Pushes a click of a visitor.
fn push_a_click(project: &Project, visitor: i64) {
    project.write("row.jsonl", json!({"visitor": visitor, "at": now(), "ms": 1}).to_string());
    project.ok("push clicks row.jsonl");
}

#[test]
fn a_stream_that_catches_up_beside_a_server_ends_once_the_server_has_committed_all() {
    let project = clicks();
    let server = Server::start(&project);
    for visitor in 1..4 {
        push_a_click(&project, visitor);
        let done = project.json("stream --until-caught-up");
        says(done["views"][0]["read_by"].as_str().unwrap(), &["process ", "serve"]);
        assert_eq!(done["views"][0]["rows_loaded"], 0);
        assert_eq!(stored::rows(&project.path(LOG)).len() as i64, visitor);
    }
    assert_eq!(server.terminate().0, Some(0));
    push_a_click(&project, 4);
    let done = project.json("stream --until-caught-up");
    assert_eq!((&done["views"][0]["rows_loaded"], done["views"][0].get("read_by")), (&json!(1), None));
}

#[test]
fn a_stream_that_catches_up_beside_a_process_that_commits_nothing_names_it() {
    let project = clicks();
    push_a_click(&project, 1);
    project.ok("stream --until-caught-up");
    push_a_click(&project, 2);
    let groups = project.path(".twinstore/topics/clicks/groups");
    let group = fs::read_dir(&groups).unwrap().flatten().next().unwrap();
    let reader = File::options().write(true).open(group.path()).unwrap();
    reader.lock().unwrap();
    let own = format!("is read by process {} (", std::process::id());
    let refused = project.run("stream --until-caught-up").stderr;
    says(
        &refused,
        &["the topic `clicks` of visits@1", &own, "committed nothing of it for 30s", "1 row left"],
    );
    drop(reader);
    assert_eq!(project.json("stream --until-caught-up")["views"][0]["rows_loaded"], 1);
}
