//! Freshness objectives over the real binary: reads are counted where they are answered, a pipeline that stops burns the
//! error budget, and `slo` says so, since when, and which stage it is.

use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use test_support::{RedisServer, eventually, visitors};

use crate::project::{Project, says};
use crate::pushed::{now, with};
use crate::served::Server;

const CLICKS: &str = "\
schema: {visitor: int64, at: timestamp, page: string}
event_time: at
stream: {topic: clicks, format: json}
";

const VISITS: &str = "---
kind: feature_view
name: visits
version: 1
entity: visitor
source: clicks
freshness: {objective: 10s, target: 99}
features:
  page: {latest: page}
---
kind: feature_service
name: visit
version: 1
consumer: {model: next-page, owner: web-team, freshness: {target: 95}}
features:
  - {from: visits@1}
";

/// A view of pushed rows with a freshness objective, and a service whose consumer has one.
pub fn definitions() -> String {
    visitors(CLICKS) + VISITS
}

pub fn push(server: &Server) {
    let rows = json!([{"visitor": 1, "at": now(), "page": "home"}]);
    let (status, answer) = server.post("/v1/push", &json!({"source": "clicks", "rows": rows}));
    assert_eq!(status, 200, "{answer}");
}

/// Reads the same visitor so many times in one request.
pub fn read(server: &Server, service: &str, rows: usize) {
    let body = json!({"service": service, "entities": {"visitor": vec![1; rows]}});
    let (status, answer) = server.post("/v1/features", &body);
    assert_eq!(status, 200, "{answer}");
}

/// How the objectives of the view and of the consumer stand.
pub fn standings(project: &Project) -> [Value; 2] {
    let report = project.json("slo");
    let of = |kind: &str| {
        let all = report["objectives"].as_array().unwrap();
        all.iter().find(|one| one["kind"] == kind).unwrap().clone()
    };
    [of("feature_view"), of("feature_service")]
}

pub fn follow(project: &Project) -> Child {
    project.command("stream").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn a_stream_that_stops_burns_the_budgets_of_view_and_consumer_until_it_is_followed_again() {
    let project = with(&definitions());
    says(
        &project.ok("slo"),
        &["visits@1", "99% within 10s", "visit@1 (next-page)", "no reads", "has no row yet"],
    );
    let server = Server::start_as(&project, "serve --no-streams");
    let mut stream = follow(&project);
    let step = |server: &Server, rows| {
        push(server);
        read(server, "visit", rows);
        standings(&project)
    };
    eventually("reads are counted", || {
        step(&server, 1).iter().all(|one| one["reads"].as_u64().unwrap() >= 3)
    });
    for one in standings(&project) {
        assert_eq!(
            (&one["bad"], &one["alert"], &one["since"]),
            (&json!(0), &Value::Null, &Value::Null),
            "{one}"
        );
        assert_eq!((&one["attained"], &one["stage"]), (&json!(100.0), &Value::Null), "{one}");
    }

    stream.kill().unwrap();
    stream.wait().unwrap();
    eventually("the budget burns, and the stage is named", || {
        let burns = |one: &Value| one["alert"] == "page" && one["stage"] == "broker lag";
        step(&server, 10).iter().all(burns)
    });
    let [view, consumer] = standings(&project);
    assert!(view["bad"].as_u64().unwrap() > 0 && view["budget_left"].as_f64().unwrap() < 0.0, "{view}");
    assert!(view["since"].is_string() && consumer["since"].is_string(), "{view}\n{consumer}");
    says(
        &project.ok("slo visits"),
        &["page", "nobody has followed the stream of visits@1 since", "twinstore stream"],
    );

    let diagnosed = project.run("doctor");
    assert_eq!(diagnosed.code, Some(1), "{}", diagnosed.stdout);
    says(
        &diagnosed.stderr,
        &[
            "the probable cause: nobody has followed",
            "visits@1, visit@1 (model next-page)",
            "start `twinstore stream`",
        ],
    );
    says(&diagnosed.stdout, &["the error budgets of visits@1 (page since"]);

    // Counts outlive a server, and those of the next add to them.
    assert_eq!(server.terminate().0, Some(0));
    let before = standings(&project)[0]["reads"].as_u64().unwrap();
    let server = Server::start_as(&project, "serve --no-streams");
    let mut stream = follow(&project);
    // Many reads of what is still stale would burn more than the next ones can outweigh: few come first.
    eventually("what is read is fresh again", || {
        push(&server);
        std::thread::sleep(Duration::from_millis(200));
        let body = json!({"service": "visit", "entities": {"visitor": [1]}});
        let (_, answer) = server.post("/v1/features", &body);
        answer["columns"]["page"]["ages_s"][0].as_f64().is_some_and(|age| age < 5.0)
    });
    let mut rows = 3;
    eventually("the alert clears, as nearly all reads are fresh again", || {
        rows = (rows * 3).min(10_000);
        step(&server, rows)
            .iter()
            .all(|one| [&one["alert"], &one["since"], &one["stage"]] == [&Value::Null; 3])
    });
    let [view, _] = standings(&project);
    assert!(view["reads"].as_u64().unwrap() > before + 10_000, "{view}");
    assert!((90.0..100.0).contains(&view["attained"].as_f64().unwrap()), "{view}");
    assert_eq!(server.terminate().0, Some(0));
    stream.kill().unwrap();
    stream.wait().unwrap();
}

#[test]
fn a_view_that_nobody_reads_is_probed() {
    let project = with(&definitions());
    let server = Server::start(&project);
    push(&server);
    eventually("probes are counted, at first good and then bad", || {
        let [view, consumer] = standings(&project);
        let counts = ["reads", "bad"].map(|key| view[key].as_u64().unwrap());
        assert_eq!(consumer["reads"], 0, "nobody reads for it");
        counts[1] > 0 && view["stage"] == "source"
    });
    says(&project.ok("slo visits"), &["no record of `clicks` has arrived since", "look at what sends them"]);
    let page = server.get("/metrics");
    says(&page, &["twinstore_freshness_view_reads_total{view=\"visits@1\",outcome=\"bad\"}"]);
    says(&page, &["twinstore_freshness_objective_seconds{view=\"visits@1\"} 10"]);
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn a_name_without_an_objective_is_refused_with_those_that_have_one() {
    let project = with(&definitions());
    let refused = project.refused("slo nothing");
    says(&refused, &["nothing of the name `nothing` has a freshness objective: there is visits@1, visit@1"]);
}

#[test]
fn a_stage_that_fails_is_named_while_the_stream_tries_again() {
    let mut redis = RedisServer::durable();
    let project = with(&definitions());
    project.edit("twinstore.toml", "embedded://.twinstore/online", &redis.url());
    let pushed = |page: &str| {
        project.write("click.json", json!({"visitor": 1, "at": now(), "page": page}).to_string());
        project.ok("push clicks click.json");
    };
    pushed("home");
    let mut stream = follow(&project);
    eventually("the row is online", || standings(&project)[0]["newest_event"].is_string());
    redis.kill();
    pushed("cart");
    eventually("the stage that fails is named", || standings(&project)[0]["stage"] == "online write");
    says(
        &project.ok("slo"),
        &["the stream of visits@1 is held up at its stage `online write`", "twinstore doctor"],
    );
    let diagnosed = project.run("doctor");
    says(&diagnosed.stdout, &["is held up at its stage `online write`"]);
    says(&diagnosed.stderr, &["the probable cause: ", &redis.address()]);
    redis.restart();
    eventually("it goes on", || standings(&project)[0]["stage"] != "online write");
    stream.kill().unwrap();
    stream.wait().unwrap();
}
