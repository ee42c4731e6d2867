//! What a view expects of rows once its expressions were applied, of what is served, and of rows that the log has already;
//! and objectives of single features.

use serde_json::{Value, json};
use test_support::eventually;

use crate::landings::{batch, landing, write_parquet};
use crate::project::{Project, says};
use crate::pushed::{now, with};
use crate::quarantined::expecting;
use crate::served::Server;

const STAGED: &str = "
kind: entity
name: visitor
keys: {visitor: int64}
---
kind: source
name: clicks
schema: {visitor: int64, at: timestamp, ms: float64, pages: int64}
event_time: at
stream: {topic: clicks, format: json}
---
kind: feature_view
name: visits
version: 1
entity: visitor
source: clicks
freshness: {objective: 1h, target: 99}
expect:
  - {column: ms, between: [0, 100000]}
  - {column: ms_per_page, between: [0, 1000], stage: row, name: plausible_time}
  - {column: clicks, between: [0, 1], stage: served, name: clicked_once}
features:
  ms_per_page: {latest: ms / pages, freshness: {objective: 30m, target: 99.5}}
  clicks: {aggregate: count}
---
kind: feature_service
name: visit
version: 1
features:
  - {from: visits@1}
";

fn push(server: &Server, ms: f64, pages: i64) -> (u16, Value) {
    let rows = json!([{"visitor": 1, "at": now(), "ms": ms, "pages": pages}]);
    server.post("/v1/push", &json!({"source": "clicks", "rows": rows, "wait": "online"}))
}

fn read(server: &Server, features: &[&str]) {
    let body = json!({"service": "visit", "features": features, "entities": {"visitor": [1]}});
    assert_eq!(server.post("/v1/features", &body).0, 200);
}

fn counted(server: &Server, outcome: &str) -> f64 {
    let sample = format!(
        "twinstore_served_expectations_total{{view=\"visits@1\",expectation=\"clicked_once\",outcome=\"{outcome}\"}} "
    );
    let page = server.get("/metrics");
    page.lines().find_map(|line| line.strip_prefix(&sample)?.parse().ok()).unwrap_or_default()
}

#[test]
fn a_row_is_refused_for_what_the_expressions_make_of_it_and_what_is_served_is_counted() {
    let project = with(STAGED);
    let server = Server::start(&project);
    // 5,000 ms are plausible, and of one page they are not.
    let (status, answer) = push(&server, 5000.0, 1);
    assert_eq!(status, 400, "{answer}");
    says(&answer.to_string(), &["the expectation `plausible_time` is false"]);
    let (status, answer) = push(&server, 5000.0, 10);
    assert_eq!(status, 200, "{answer}");
    eventually("what is served is as expected", || {
        read(&server, &[]);
        counted(&server, "met") >= 2.0
    });
    // A read without the feature says nothing of it.
    read(&server, &["ms_per_page"]);
    assert_eq!(counted(&server, "unmet"), 0.0);
    assert_eq!(push(&server, 10.0, 1).0, 200);
    eventually("it no longer is", || {
        read(&server, &[]);
        counted(&server, "unmet") >= 1.0
    });
    let contract = project.json("quality contract clicks");
    let stages: Vec<&str> =
        contract["promises"].as_array().unwrap().iter().map(|one| one["of"].as_str().unwrap()).collect();
    assert_eq!(stages, ["source", "row", "served"], "{contract}");
    assert_eq!(server.terminate().0, Some(0));
    // What refuses rows is part of what a version computes; what only counts answers is not.
    project.edit("features/flights.yaml", "clicks, between: [0, 1]", "clicks, between: [0, 2]");
    project.ok("apply");
    project.edit("features/flights.yaml", "between: [0, 1000], stage: row", "between: [0, 900], stage: row");
    let refused = project.refused("plan");
    says(
        &refused,
        &["version 1 is registered and never changes", "`row: ms_per_page between 0 and 900` added"],
    );
}

#[test]
fn an_expectation_of_a_stage_that_cannot_be_is_refused() {
    let project = Project::sample();
    let expect = |expectation: &str| {
        project.write(
            "features/flights.yaml",
            STAGED.replacen("{column: ms, between: [0, 100000]}", expectation, 1),
        );
        project.refused("plan")
    };
    says(&expect("{column: ms, between: [0, 1], stage: row}"), &["unknown column `ms`", "ms_per_page"]);
    says(
        &expect("{column: clicks, not_null: true, stage: served, on_failure: reject}"),
        &["is about what is served, which is only counted"],
    );
    says(&expect("{unique: true, stage: row}"), &["is about a file of the source: remove `stage`"]);
    let feature = STAGED.replacen("objective: 30m, target: 99.5", "target: 99.5", 1);
    project.write("features/flights.yaml", feature);
    says(&project.refused("plan"), &["`freshness` of the feature `ms_per_page`", "has no `objective`"]);
}

#[test]
fn a_file_with_rows_that_the_log_has_already_is_quarantined() {
    let project = expecting("{unique: log}");
    let write = |name: &str, seconds: std::ops::Range<i64>| {
        let landings: Vec<_> = seconds.map(|second| landing(second, second, 5.0)).collect();
        write_parquet(&project.path(&format!("data/landings/{name}.parquet")), &batch(&landings));
    };
    write("a", 0..100);
    project.ok("backfill airport_arrivals");
    // Five of a hundred may fail, and five of them the log has: then six.
    write("b", 95..195);
    project.ok("materialize airport_arrivals");
    assert_eq!(project.json("quality quarantine list airport_arrivals")["quarantined"], json!([]));
    write("c", 189..289);
    project.ok("materialize airport_arrivals");
    let listed = project.json("quality quarantine list airport_arrivals");
    let why = listed["quarantined"][0]["why"].as_str().unwrap_or_default();
    says(why, &["6 of its 100 rows fail (6 `unique in the log`), and 5% may"]);
    // Released, it is loaded beside the rows that were there.
    project.ok("quality quarantine release airport_arrivals 2 --reason meant");
}

#[test]
fn rows_of_a_file_itself_are_no_repeats_and_those_of_an_earlier_file_of_the_load_are() {
    let project = expecting("{unique: log}");
    let write = |name: &str, seconds: Vec<i64>| {
        let landings: Vec<_> = seconds.into_iter().map(|second| landing(second, second, 5.0)).collect();
        write_parquet(&project.path(&format!("data/landings/{name}.parquet")), &batch(&landings));
    };
    let listed = || project.json("quality quarantine list airport_arrivals")["quarantined"].clone();
    // Of two days the first is loaded by itself.
    write("a", (0..50).chain(86_400..86_450).collect());
    project.ok("backfill airport_arrivals --to 2013-06-09");
    let whole = project.json("backfill airport_arrivals");
    assert_eq!((&whole["views"][0]["rows_loaded"], listed()), (&json!(50), json!([])), "{whole}");
    write("b", (200_000..200_100).collect());
    write("c", (200_050..200_150).collect());
    project.ok("backfill airport_arrivals");
    let listed = listed();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    let why = listed[0]["why"].as_str().unwrap_or_default();
    says(why, &["50 of its 100 rows fail (50 `unique in the log`)"]);
}

#[test]
fn a_feature_has_an_objective_of_its_own_and_what_was_served_has_one_too() {
    let project = with(STAGED);
    let server = Server::start(&project);
    assert_eq!(push(&server, 5000.0, 10).0, 200);
    let standing = |kind: &str, feature: Value| {
        let report = project.json("slo");
        let of = report[kind].as_array().unwrap().iter().find(|one| one["feature"] == feature).cloned();
        of.unwrap_or_default()
    };
    let feature = || standing("objectives", json!("ms_per_page"));
    let view = || standing("objectives", Value::Null);
    eventually("reads of all of it count for both", || {
        read(&server, &[]);
        feature()["reads"].as_u64() >= Some(3) && view()["reads"].as_u64() >= Some(3)
    });
    assert_eq!((&feature()["target"], &feature()["bad"]), (&json!(99.5), &json!(0)));
    let before = (feature()["reads"].as_u64().unwrap(), view()["reads"].as_u64().unwrap());
    eventually("reads of another feature count for the view", || {
        read(&server, &["clicks"]);
        view()["reads"].as_u64().unwrap() > before.1 + 20
    });
    // Where nobody read it, a probe did, once in ten seconds.
    assert!(feature()["reads"].as_u64().unwrap() < before.0 + 20, "{} after {before:?}", feature());
    eventually("what was served was compared", || {
        read(&server, &[]);
        standing("served", Value::Null)["reads"].as_u64() >= Some(2)
    });
    let served = standing("served", Value::Null);
    assert_eq!((&served["id"], &served["attained"]), (&json!("visits@1"), &json!(100.0)), "{served}");
    says(
        &project.ok("slo"),
        &["ms_per_page of visits@1", "99.5% within 30m", "SERVED VALUES", "99.99% as the log gives"],
    );
    let page = server.get("/views/visits@1");
    says(&page, &["Freshness of features", "ms_per_page"]);
    says(&server.get("/?group=frequency"), &["hour"]);
    assert_eq!(server.terminate().0, Some(0));
}
