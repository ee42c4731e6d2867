//! On-demand features while circuit breakers hold some of what they could read: each is held where its expression reads a
//! held feature, directly or through others, and training sets have what was served.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use test_support::eventually;

use crate::project::Project;
use crate::pushed::now;

const DEFINITIONS: &str = "kind: entity
name: e
keys: {k: int64}
---
kind: source
name: s
schema: {k: int64, et: timestamp, y: float64}
event_time: et
assumed_delay: 0s
batch: {path: data}
---
kind: feature_view
name: v
version: 1
entity: e
source: s
features:
  y: {latest: y}
  n: {aggregate: count}
---
kind: on_demand_view
name: first
version: 1
inputs: [{from: v@1}]
features:
  of_y: {expression: 'y * 2'}
  of_y_or_5: {expression: 'y * 2', default: 5}
  of_y_or_0: {expression: 'coalesce(y, 0) + 1'}
  of_none: {expression: '1 + 1'}
  of_n: {expression: 'n + 1'}
---
kind: on_demand_view
name: second
version: 1
inputs: [{from: first@1}]
features:
  through_y: {expression: 'coalesce(of_y_or_5, 7.0)', default: 9}
  through_n: {expression: 'of_n * 10', default: 0}
---
kind: feature_service
name: svc
version: 1
features: [{from: v@1}, {from: first@1}, {from: second@1}]
";

const OF_Y: [&str; 5] = ["y", "of_y", "of_y_or_5", "of_y_or_0", "through_y"];
const OF_N: [&str; 3] = ["n", "of_n", "through_n"];

fn loaded() -> Project {
    let project = Project::empty();
    project.write("features/f.yaml", DEFINITIONS);
    project.write("data/a.csv", "k,et,y\n1,2026-01-01,3\n");
    project.ok("apply");
    project.ok("backfill --all");
    project
}

/// Of each feature its value and status.
fn got(project: &Project, words: &str) -> BTreeMap<String, (Value, String)> {
    let got = project.json(&format!("get svc {words}"));
    let features = got["features"].as_object().unwrap();
    let cell = |(name, cell): (&String, &Value)| {
        (name.clone(), (cell["value"].clone(), cell["status"].as_str().unwrap().to_owned()))
    };
    features.iter().map(cell).collect()
}

/// Waits until some feature of the entity has a status, and gives all.
fn once(project: &Project, name: &str, status: &str) -> BTreeMap<String, (Value, String)> {
    eventually("the breaker holds", || got(project, "k=1")[name].1 == status);
    got(project, "k=1")
}

/// What a training set has of an entity at a moment.
fn trained(project: &Project, key: &str, at: &str) -> BTreeMap<String, String> {
    project.write("spine.csv", format!("k,t\n{key},{at}\n"));
    project.ok("training-set --service svc --spine spine.csv --time t --out set.csv");
    let text = project.read("set.csv");
    let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned));
    let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
    names.zip(values).collect()
}

#[test]
fn what_is_computed_from_a_feature_without_an_answer_has_none_and_its_default_does_not_hide_that() {
    let project = loaded();
    project.ok("breaker open v --features y --answers no_value --reason probe");
    let served = once(&project, "y", "BREAKER_OPEN");
    for name in OF_Y {
        assert_eq!(served[name], (Value::Null, "BREAKER_OPEN".to_owned()), "{name}");
    }
    let present = |value: Value| (value, "PRESENT".to_owned());
    assert_eq!(served["n"], present(json!(1)));
    assert_eq!(served["of_n"], present(json!(2)));
    assert_eq!(served["through_n"], present(json!(20)));
    assert_eq!(served["of_none"], present(json!(2)));
    // A training set has at a label of then what was served.
    let had = trained(&project, "1", &now());
    for name in OF_Y {
        assert_eq!(had[name], "", "{name}");
    }
    assert_eq!([&had["n"], &had["of_n"], &had["through_n"], &had["of_none"]], ["1", "2", "20", "2"]);
    // Of a whole view that has no answer the same; what reads nothing of it is there.
    project.ok("breaker close v --reason seen");
    once(&project, "y", "PRESENT");
    project.ok("breaker open v --answers no_value --reason all");
    let served = once(&project, "n", "BREAKER_OPEN");
    for name in OF_Y.iter().chain(&OF_N) {
        assert_eq!(served[*name], (Value::Null, "BREAKER_OPEN".to_owned()), "{name}");
    }
    assert_eq!(served["of_none"], present(json!(2)));
    let had = trained(&project, "1", &now());
    for name in OF_Y.iter().chain(&OF_N) {
        assert_eq!(had[*name], "", "{name}");
    }
    assert_eq!(had["of_none"], "2");
    // As of their events there are no breakers.
    project.ok("training-set --service svc --spine spine.csv --time t --out set.csv --as-of event");
    assert!(project.read("set.csv").lines().nth(1).unwrap().ends_with(",3.0,1,6.0,6.0,4.0,2,2,6.0,20"));
}

#[test]
fn what_reads_no_held_feature_is_not_marked_by_the_breaker_of_another() {
    let project = loaded();
    project.ok("breaker open v --features n --reason probe");
    let served = once(&project, "n", "LAST_KNOWN_GOOD");
    for name in OF_N {
        assert_eq!(served[name].1, "LAST_KNOWN_GOOD", "{name}");
    }
    for name in OF_Y.iter().chain(&["of_none"]) {
        assert_eq!(served[*name].1, "PRESENT", "{name}");
    }
    // An entity that was not known at the last good moment is computed as it was answered then.
    let unknown = got(&project, "k=2");
    assert_eq!(unknown["n"].1, "NOT_FOUND");
    assert_eq!(unknown["of_n"], (Value::Null, "NULL_VALUE".to_owned()));
    assert_eq!(unknown["of_y_or_0"], (json!(1.0), "PRESENT".to_owned()));
}
