//! An incident of the process that follows a real broker: it is named by its cause, and is over once it is mended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use test_support::{BOUND, KafkaBroker, eventually};
use twinstore_faults::{StreamProject, Topic, now};

/// What is promised of the view; a stream says every two seconds how far it is.
const OBJECTIVE: &str = "freshness: {objective: 6s, target: 99}";
const FINE: &str = "every view with an objective is as fresh as promised";

/// A project whose view has an objective.
fn promised(project: StreamProject) -> StreamProject {
    let file = project.path().join("features/clicks.yaml");
    let before = std::fs::read_to_string(&file).unwrap();
    let view = "name: user_clicks\nversion: 1\n";
    std::fs::write(&file, before.replace(view, &format!("{view}{OBJECTIVE}\n"))).unwrap();
    project.ok(&["apply"]);
    project
}

/// What doctor says of the pipeline.
fn said(project: &StreamProject) -> String {
    // It ends with 1 where something is wrong.
    let done = project.command(&["doctor", "--format", "json"]).output().unwrap();
    let report: Value = serde_json::from_slice(&done.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap().iter();
    let of_it = findings.filter(|one| one["area"] == "pipeline");
    of_it.map(|one| one["said"].as_str().unwrap()).collect::<Vec<_>>().join("\n")
}

/// Produces clicks of this moment.
fn produce(topic: &mut Topic, clicks: usize) {
    let click = |id: usize| {
        let (at, visitor) = (now(), id % 10);
        format!(
            "{{\"id\": {id}, \"at\": \"{at}\", \"visitor\": {visitor}, \"amount\": 1.5, \"page\": \"x\"}}"
        )
    };
    let clicks: Vec<String> = (0..clicks).map(click).collect();
    topic.produce_values(&clicks.iter().map(String::as_str).collect::<Vec<_>>());
}

/// Produces clicks until the pipeline is as it should be.
fn await_fine(project: &StreamProject, topic: &mut Topic) {
    eventually("the pipeline is as fresh as promised", || {
        produce(topic, 1);
        said(project) == FINE
    });
}

#[test]
fn a_materializer_at_half_its_speed_is_named_and_is_over_when_it_has_caught_up() {
    let broker = KafkaBroker::shared();
    let mut topic = Topic::create(broker, "half_speed", 2, 42);
    let project = promised(StreamProject::set(broker, &topic));
    // Small flushes: its speed is that of commits.
    let stream = project.stream(&["--flush-rows", "20"]);
    await_fine(&project, &mut topic);
    let caught_up = |topic: &Topic| {
        let began = Instant::now();
        while project.rows() < topic.records {
            assert!(began.elapsed() < BOUND, "{} of {} rows", project.rows(), topic.records);
            thread::sleep(Duration::from_millis(20));
        }
        began.elapsed()
    };
    caught_up(&topic);
    produce(&mut topic, 600);
    let rows_per_s = 600.0 / caught_up(&topic).as_secs_f64();
    // Three quarters of what it can do, while it runs half of the time.
    let pause = Duration::from_secs_f64(10.0 / (0.75 * rows_per_s));
    let began = Instant::now();
    let (is_over, mut heard) = (Arc::new(AtomicBool::new(false)), String::new());
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                stream.pause();
                thread::sleep(Duration::from_millis(250));
                stream.wake();
                thread::sleep(Duration::from_millis(250));
            }
        });
        let producing = Arc::clone(&is_over);
        let topic = &mut topic;
        scope.spawn(move || {
            while !producing.load(Ordering::Relaxed) {
                produce(topic, 10);
                thread::sleep(pause);
            }
        });
        let deadline = Instant::now() + 2 * BOUND;
        while !heard.contains("records of `clicks` wait for the stream of user_clicks@1")
            && Instant::now() < deadline
        {
            heard = said(&project);
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert!(heard.contains("records of `clicks` wait for the stream of user_clicks@1"), "{heard}");
    assert!(heard.contains("it reaches user_clicks@1, clicks@1"), "{heard}");
    println!(
        "incident: a materializer at half its speed, objective 6 s: named after {:.0} s",
        began.elapsed().as_secs_f64()
    );
    await_fine(&project, &mut topic);
    stream.stop();
}
