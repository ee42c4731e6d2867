//! Breakers that open by what is served: by answers that the log does not give, and by rows that are too old.

use feature::Micros;
use serde_json::{Value, json};
use test_support::eventually;

use crate::project::{Project, says};
use crate::pushed::{definitions, micros_now, now, with};
use crate::served::Server;
use crate::served_values::{clicked, clicked_in, put_online};

/// The definitions of clicks with a breaker of their view.
fn with_breaker(breaker: &str) -> Project {
    with(&definitions().replacen("source: clicks\n", &format!("source: clicks\nbreaker: {breaker}\n"), 1))
}

/// The features of visitor 1, each with its status.
fn read(server: &Server) -> [(Value, Value); 2] {
    let body = json!({"service": "visit", "entities": {"visitor": [1]}});
    let columns = server.post("/v1/features", &body).1["columns"].clone();
    ["page", "clicks"].map(|name| (columns[name]["values"][0].clone(), columns[name]["statuses"][0].clone()))
}

fn newest_opening(project: &Project) -> Value {
    project.json("breaker list")["breakers"][0].clone()
}

#[test]
fn answers_that_the_log_does_not_give_open_a_breaker_and_readers_get_what_it_gives() {
    let at = now();
    let project = with_breaker("{skew: 0, features: [page], window: 10s, close_after: 2s}");
    let project = clicked_in(project, 1..40, "home", &at);
    let pushed = micros_now();
    put_online(&clicked(1..40, "cart", &at), &project);
    // What is read from here on was readable before the window of whatever is found.
    eventually("the rows are older than the window", || micros_now() - pushed > 15_000_000);
    let server = Server::start(&project);
    assert_eq!(read(&server)[0], (json!("cart"), json!("PRESENT")));
    eventually("it opens, and gives what the log has of the last good moment", || {
        read(&server)[0] == (json!("home"), json!("LAST_KNOWN_GOOD"))
    });
    assert_eq!(read(&server)[1], (json!(1), json!("PRESENT")), "only the page is held");
    let opening = newest_opening(&project);
    assert_eq!((&opening["rule"], &opening["features"]), (&json!("skew"), &json!(["page"])), "{opening}");
    says(opening["why"].as_str().unwrap(), &["value", "are not what the log gives"]);
    // While it is open the answers are those of the log, which says nothing of the rows: it stays open.
    let looked = micros_now() + 20_000_000;
    eventually("answers were compared for longer than it would take to close", || {
        assert_eq!(read(&server)[0], (json!("home"), json!("LAST_KNOWN_GOOD")));
        micros_now() > looked
    });
    assert_eq!(project.json("breaker list")["breakers"].as_array().unwrap().len(), 1);
    // Mended, it closes by the same rule.
    project.ok("online rebuild visits");
    eventually("it closes", || {
        read(&server);
        !newest_opening(&project)["until"].is_null()
    });
    eventually("readers get the rows, which are right now", || {
        read(&server) == [(json!("home"), json!("PRESENT")), (json!(1), json!("PRESENT"))]
    });
    says(&project.ok("audit visits@1"), &["breaker_open", "by the rule skew", "breaker_close"]);
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn a_source_that_stops_opens_a_breaker_whose_windows_stay_full_and_a_newer_row_closes_it() {
    let definitions = definitions()
        .replacen("source: clicks\n", "source: clicks\nbreaker: {stale: 12s, close_after: 1s}\n", 1)
        .replacen("clicks: {aggregate: count}", "clicks: {aggregate: count, window: 10s, hop: 1s}", 1);
    let project = with(&definitions);
    let server = Server::start(&project);
    let push = || {
        let rows = json!([{"visitor": 1, "at": now(), "id": 1, "page": "home", "ms": 1.0}]);
        let body = json!({"source": "clicks", "rows": rows, "wait": "online"});
        assert_eq!(server.post("/v1/push", &body).0, 200);
    };
    push();
    eventually("it can be read", || read(&server)[1] == (json!(1), json!("PRESENT")));
    eventually("it opens", || !project.json("breaker list")["breakers"].as_array().unwrap().is_empty());
    let opening = newest_opening(&project);
    assert_eq!(opening["rule"], "stale", "{opening}");
    says(opening["why"].as_str().unwrap(), &["the newest event that is online is of", "may be 12s old"]);
    // By now the window of ten seconds is empty, and what was counted in it is held.
    eventually("readers get the full window", || read(&server)[1] == (json!(1), json!("LAST_KNOWN_GOOD")));
    // Who closes it by hand has seen it: only another event may be too old again.
    project.ok("breaker close visits --reason night");
    eventually("readers get the empty window", || read(&server)[1].1 == "PRESENT");
    let looked = micros_now() + 7_000_000;
    eventually("it was looked at again", || micros_now() > looked);
    assert_eq!(project.json("breaker list")["breakers"].as_array().unwrap().len(), 1);
    push();
    eventually("it opens by the next event", || {
        project.json("breaker list")["breakers"].as_array().unwrap().len() == 2
    });
    eventually("a newer row closes it", || {
        push();
        !newest_opening(&project)["until"].is_null()
    });
    eventually("readers get what is counted now", || read(&server)[1].1 == "PRESENT");
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn a_breaker_of_old_rows_holds_what_their_load_brought_and_nothing_older() {
    let project = Project::empty();
    project.write("features/v.yaml", BY_AGE);
    project.write("twinstore.toml", "serve.grpc = \"127.0.0.1:0\"\nserve.http = \"127.0.0.1:0\"\n");
    let row = |ago: i64, x: i64| {
        let at = Micros::new(micros_now() - ago * 60_000_000).unwrap();
        format!("k,at,x\n1,{at},{x}\n")
    };
    project.write("data/a.csv", row(180, 1));
    project.ok("apply");
    project.ok("backfill v");
    // As a batch of every night is: older than promised when it comes.
    project.write("data/b.csv", row(10, 2));
    project.ok("materialize");
    let server = Server::start(&project);
    let features = json!({"service": "s", "entities": {"k": [1]}});
    let held = || {
        let columns = server.post("/v1/features", &features).1["columns"].clone();
        ["x", "n"].map(|name| (columns[name]["values"][0].clone(), columns[name]["statuses"][0].clone()))
    };
    eventually("it opens", || held()[0].1 == "LAST_KNOWN_GOOD");
    assert_eq!(held().map(|(value, _)| value), [json!(2), json!(2)]);
    assert_eq!(newest_opening(&project)["rule"], "stale");
    project.ok("verify --values");
    assert_eq!(server.terminate().0, Some(0));
}

/// A view over files whose breaker opens where its rows are old.
const BY_AGE: &str = "kind: entity
name: user
keys: {k: int64}
---
kind: source
name: rows
schema: {k: int64, at: timestamp, x: int64}
event_time: at
assumed_delay: 1m
batch: {path: data}
---
kind: feature_view
name: v
version: 1
entity: user
source: rows
breaker: {stale: 5m}
features: {x: {latest: x}, n: {aggregate: count}}
---
kind: feature_service
name: s
version: 1
features: [{from: v@1}]
";

/// Rows of visitors 1 and 2, of which half are refused.
fn push_bad(server: &Server) {
    let row = |id: i64| json!({"visitor": id % 2 + 1, "at": now(), "id": id, "page": "x", "ms": if id % 2 == 0 { 5.0 } else { -5.0 }});
    let rows: Value = (0..40).map(row).collect();
    server.post("/v1/push", &json!({"source": "clicks", "rows": rows}));
}

#[test]
fn a_view_that_cannot_be_folded_is_protected_and_hides_no_other_and_a_rule_that_is_gone_holds_nothing_open() {
    const BREAKER: &str = "breaker: {bad_share: 0.2, window: 10s, min_rows: 10, close_after: 2s}\n";
    let definitions = definitions();
    let of_visits = definitions.split("---\n").find(|one| one.contains("name: visits\n")).unwrap();
    let first = of_visits.replacen("name: visits\n", "name: a_first\n", 1);
    let definitions = |breaker: &str| {
        let views = definitions.replacen(of_visits, &format!("{of_visits}---\n{first}"), 1);
        views.replace("source: clicks\n", &format!("source: clicks\n{breaker}"))
    };
    let project = with(&definitions(BREAKER));
    let at = now();
    let project = clicked_in(project, 1..4, "home", &at);
    project.ok("stream a_first --until-caught-up");
    let readable = micros_now() + 22_000_000;
    eventually("rows were good before the window", || micros_now() > readable);
    let server = Server::start(&project);
    let files = std::fs::read_dir(project.path(".twinstore/offline/log/a_first/v1")).unwrap();
    let is_rows = |path: &std::path::PathBuf| path.extension().is_some_and(|end| end == "parquet");
    let mut damaged = 0;
    for path in files.map(|file| file.unwrap().path()).flat_map(|path| match path.is_dir() {
        true => std::fs::read_dir(&path).unwrap().map(|file| file.unwrap().path()).collect(),
        false => vec![path],
    }) {
        if is_rows(&path) {
            std::fs::write(&path, b"no rows").unwrap();
            damaged += 1;
        }
    }
    assert!(damaged > 0);
    let open = |view: &str| {
        let list = project.json("breaker list --open");
        list["breakers"].as_array().unwrap().iter().find(|one| one["view"] == view).cloned()
    };
    eventually("both open", || {
        push_bad(&server);
        open("visits@1").is_some() && open("a_first@1").is_some()
    });
    assert_eq!(open("visits@1").unwrap()["answers"], "last_known_good");
    let first = open("a_first@1").unwrap();
    assert_eq!(first["answers"], "no_value", "{first}");
    says(first["why"].as_str().unwrap(), &["were refused", "cannot be prepared", "no value is answered"]);

    project.write("features/flights.yaml", definitions(""));
    project.ok("apply");
    eventually("nothing is held open by a rule that is gone", || {
        push_bad(&server);
        open("visits@1").is_none() && open("a_first@1").is_none()
    });
    server.kill();
    server.ended();
}
