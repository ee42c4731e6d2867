//! Several processes that follow several views of one topic: they come and go under load, and a view that takes long
//! for each row holds up no other.

use std::fs;

use test_support::{KafkaBroker, eventually};
use twinstore_faults::{StreamProject, Topic};

/// A view over the same clicks that compares long texts for each of them.
fn slow_view() -> String {
    let (one, other) = ("x".repeat(200), "y".repeat(200));
    let compared = vec![format!("levenshtein(page || '{one}', '{other}')"); 8].join(" + ");
    format!(
        "
---
kind: feature_view
name: slow_clicks
version: 1
entity: visitor
source: clicks
features:
  slow_clicks: {{aggregate: count}}
  distances:   {{aggregate: \"sum({compared})\"}}
"
    )
}

/// A project with both views.
fn two_views(broker: &KafkaBroker, topic: &Topic) -> StreamProject {
    let project = StreamProject::set(broker, topic);
    let file = project.path().join("features/clicks.yaml");
    let before = fs::read_to_string(&file).unwrap();
    fs::write(file, before + &slow_view()).unwrap();
    project.ok(&["apply"]);
    project
}

fn produced(topic: &Topic) -> u64 {
    topic.produced.values().map(|times| u64::from(*times)).sum()
}

#[test]
fn a_view_that_takes_long_for_each_row_holds_up_no_other() {
    let broker = KafkaBroker::shared();
    let mut topic = Topic::create(broker, "slow-view", 2, 16);
    let project = two_views(broker, &topic);
    let slow = project.other_view("slow_clicks@1");
    let stream = project.stream(&[]);
    topic.produce(2_000);
    project.await_rows(&topic, 0);
    let behind = project.rows_of(&slow);
    assert!(behind < produced(&topic) / 2, "it is not slow: {behind} rows");
    eventually("the slow view has every row too", || project.rows_of(&slow) == produced(&topic));
    stream.stop();
    project.check(&topic).expect_nothing_wrong();
    project.ok(&["verify", "--values"]);
}

#[test]
fn processes_that_share_the_views_come_and_go_under_load() {
    let broker = KafkaBroker::shared();
    let mut topic = Topic::create(broker, "spread", 4, 17);
    let project = two_views(broker, &topic);
    let slow = project.other_view("slow_clicks@1");
    project.watch();
    let first = project.stream(&[]);
    topic.produce(300);
    project.await_more(0);
    let second = project.stream(&[]);
    let third = project.stream(&["slow_clicks"]);
    topic.produce(300);
    first.kill();
    topic.produce(300);
    let fourth = project.stream(&[]);
    topic.produce(300);
    second.stop();
    topic.produce(300);
    project.await_rows(&topic, 0);
    eventually("the slow view has every row too", || project.rows_of(&slow) == produced(&topic));
    third.stop();
    fourth.stop();
    project.check(&topic).expect_nothing_wrong();
    project.ok(&["verify", "--values"]);
}
