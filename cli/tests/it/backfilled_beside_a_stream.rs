//! A backfill by dates beside a stream of the same view: after which delay history counts as available, and where the stream
//! begins.

use serde_json::{Value, json};
use test_support::visitors;

use crate::backfilled_by_date::{BY_ITSELF, status};
use crate::project::{Done, Project, says};
use crate::pushed::{micros_now, with};
use crate::stored;

const SOURCE: &str = "\
schema: {visitor: int64, at: timestamp, ms: float64}
event_time: at
batch: {path: data/clicks.csv}
stream: {topic: clicks, format: json}
assumed_delay: 5m
allowed_lateness: 10m
";

const CLICKS: &str = "---
kind: feature_view
name: visits
version: 1
entity: visitor
source: clicks
features:
  clicks: {aggregate: count}
---
kind: feature_view
name: visits
version: 2
entity: visitor
source: clicks
features:
  clicks: {aggregate: count}
  slowest: {aggregate: max(ms)}
";

/// History of two days, long ago.
fn clicks() -> Project {
    let project = with(&(visitors(SOURCE) + CLICKS));
    let mut text = "visitor,at,ms\n".to_owned();
    for row in 0..400 {
        text.push_str(&format!("{},2024-01-0{}T{:02}:00:00Z,5\n", row % 5, 1 + row / 200, row % 24));
    }
    project.write("data/clicks.csv", text);
    project
}

/// Pushes rows that happen now.
fn push(project: &Project, rows: usize) {
    let at = feature::Micros::new(micros_now()).unwrap();
    let row = |row| format!("{}\n", json!({"visitor": row % 5, "at": at.to_string(), "ms": 7.0}));
    project.write("rows.jsonl", (0..rows).map(row).collect::<String>());
    project.ok("push clicks rows.jsonl");
}

#[test]
fn history_counts_as_available_after_the_delay_that_live_rows_of_the_version_before_took() {
    let project = clicks();
    project.ok("backfill start visits@1");
    let delay = status(&project, "visits@1")["delay"].clone();
    assert_eq!((&delay["delay"], &delay["measured_of"]), (&json!("5m"), &Value::Null), "{delay}");
    push(&project, 1_200);
    project.ok("stream --until-caught-up visits@1");
    let said = project.ok("backfill start visits@2");
    says(&said, &["99% of 1,200 streamed rows of visits@1 were"]);
    let delay = status(&project, "visits@2")["delay"].clone();
    let measured: feature::Span = delay["delay"].as_str().unwrap().parse().unwrap();
    assert!(measured < "5m".parse().unwrap(), "{delay}");
    assert_eq!(
        (&delay["measured_of"], &delay["measured_rows"]),
        (&json!("visits@1"), &json!(1_200)),
        "{delay}"
    );
    // The delay is stored with the row, and recorded of the run.
    let rows = stored::rows(&project.path(".twinstore/offline/log/visits/v2"));
    assert_eq!(rows.len(), 400);
    let stored = measured.micros().to_string();
    assert!(rows.iter().all(|row| row["_assumed_delay_us"] == stored), "{:?}", rows[0]);
    let runs = project.json("offline loads visits@2");
    assert_eq!(runs[0]["outcome"]["load"]["measured_delay"]["of"], "visits@1", "{runs}");
    assert_eq!(runs[0]["outcome"]["load"]["assumed_delay"], delay["delay"], "{runs}");
}

#[test]
fn a_stream_beside_it_begins_after_the_last_event_that_it_is_to_load_and_no_row_is_lost_or_counted_twice() {
    let project = clicks();
    let mut command = project.command(&format!("backfill start visits@1 --order oldest {BY_ITSELF}"));
    let killed = Done::of(command.env("TWINSTORE_TRIAL_BATCH_END", "date-kept").output().unwrap());
    assert_eq!(killed.code, None, "{}", killed.stderr);
    push(&project, 50);
    project.ok("stream --until-caught-up visits@1");
    let resumed = project.json("backfill resume visits@1");
    assert_eq!(resumed["state"], "done", "{resumed}");
    push(&project, 50);
    project.ok("stream --until-caught-up visits@1");
    project.ok("verify --values visits@1");
    let rows = stored::rows(&project.path(".twinstore/offline/log/visits/v1"));
    let history = rows.iter().filter(|row| row["_position_kind"] == "0").count();
    assert_eq!((history, rows.len()), (400, 500));
    let before = project.ok("online rebuild visits@1");
    says(&before, &["visits@1"]);
}
