//! A backup: a copy of the log, the registry and the topics, restored without its online store.

use std::process::Command;

use feature::Micros;
use serde_json::{Value, json};

use crate::project::Project;
use crate::pushed::micros_now;

/// What is backed up, in the order in which it is copied: the topics last, so that they are never older than the log.
const BACKED_UP: [&str; 6] = [
    "twinstore.toml",
    "features",
    "data",
    ".twinstore/offline",
    ".twinstore/registry.db",
    ".twinstore/topics",
];

/// The sample, whose landings also come from a topic, with its history and some pushed rows in both stores.
fn loaded() -> Project {
    let project = Project::sample();
    let streamed = "assumed_delay: 2m\nstream: {topic: landings, format: json}\n";
    project.edit("features/flights.yaml", "assumed_delay: 2m\n", streamed);
    project.ok("apply");
    project.ok("backfill --all");
    push(&project, 1..4);
    project.ok("stream --until-caught-up");
    project
}

/// Pushes landings with these numbers.
fn push(project: &Project, numbers: std::ops::Range<i64>) {
    let row = |number: i64| {
        let landed_at = Micros::new(micros_now()).unwrap().to_string();
        json!({"flight_id": number, "landed_at": landed_at, "tailnum": "N338AA", "origin": "JFK", "dest": "LAX",
               "arr_delay": number, "air_time": 320, "distance": 2475})
        .to_string()
    };
    project.write("rows.jsonl", numbers.map(row).collect::<Vec<_>>().join("\n"));
    project.ok("push landings rows.jsonl");
}

fn copy(from: &Project, to: &Project, names: &[&str]) {
    for name in names {
        let target = to.path(name);
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        let copied = Command::new("cp").arg("-R").arg(from.path(name)).arg(&target).status().unwrap();
        assert!(copied.success(), "{name}");
    }
}

/// A moment after every stamp of the test.
fn later() -> Micros {
    Micros::new(micros_now() + 600_000_000).unwrap()
}

/// The values of a read at a moment. When a streamed row could first be read is known to its log only, and a packed
/// row that was rebuilt says so more exactly.
fn read(project: &Project, at: Micros) -> Vec<(String, Value, Value)> {
    let words = format!("get late_arrival dest=LAX tailnum=N338AA distance=2475 --at {at} --format json");
    let answer: Value = serde_json::from_str(&project.ok(&words)).unwrap();
    let features = answer["features"].as_object().unwrap();
    features
        .iter()
        .map(|(name, read)| (name.clone(), read["value"].clone(), read["event_time"].clone()))
        .collect()
}

#[test]
fn a_project_that_is_restored_without_its_online_store_trains_and_answers_as_the_original() {
    let project = loaded();
    let restored = Project::empty();
    copy(&project, &restored, &BACKED_UP);
    restored.ok("verify --deep");
    restored.ok("online rebuild");
    restored.ok("stream --until-caught-up");
    assert_eq!(restored.training_set(), project.training_set());
    let at = later();
    assert_eq!(read(&restored, at), read(&project, at));
    // Both go on by themselves, with the same rows.
    push(&project, 4..6);
    restored.write("rows.jsonl", project.read("rows.jsonl"));
    restored.ok("push landings rows.jsonl");
    for each in [&project, &restored] {
        each.ok("stream --until-caught-up");
    }
    let values = read(&project, at);
    assert!(values.iter().any(|(name, value, _)| name == "dest_last_delay" && value == 5.0), "{values:?}");
    assert_eq!(read(&restored, at), values);
}

#[test]
fn a_topic_that_is_newer_than_the_log_is_caught_up_with_after_a_restore() {
    let project = loaded();
    let restored = Project::empty();
    copy(&project, &restored, &BACKED_UP[..5]);
    push(&project, 4..6);
    copy(&project, &restored, &[".twinstore/topics"]);
    project.ok("stream --until-caught-up");
    restored.ok("online rebuild");
    restored.ok("stream --until-caught-up");
    let at = later();
    assert_eq!(read(&restored, at), read(&project, at));
}

#[test]
fn no_row_is_taken_into_a_topic_that_is_older_than_a_log() {
    let project = loaded();
    let restored = Project::empty();
    copy(&project, &restored, &[".twinstore/topics"]);
    push(&project, 4..8);
    project.ok("stream --until-caught-up");
    copy(&project, &restored, &BACKED_UP[..5]);
    restored.write("rows.jsonl", project.read("rows.jsonl"));
    let done = restored.run("push landings rows.jsonl");
    assert_eq!(done.code, Some(1), "{}", done.stdout);
    assert!(done.stderr.contains("restore"), "{}", done.stderr);
}
