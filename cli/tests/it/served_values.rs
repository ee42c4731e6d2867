//! Online values compared with the log: by a command now, and by a server all day.

use std::fs;
use std::time::Instant;

use serde_json::{Value, json};
use test_support::eventually;

use crate::landings::{Landing, batch, landing, write_parquet};
use crate::project::{Done, Project, says};
use crate::pushed::{clicks, now};
use crate::served::Server;

const ONLINE: &str = ".twinstore/online";

/// A project into which visitors clicked: each of them once, all on the same page.
pub fn clicked(visitors: std::ops::Range<i64>, page: &str, at: &str) -> Project {
    clicked_in(clicks(), visitors, page, at)
}

/// A project of any such definitions into which visitors clicked.
pub fn clicked_in(project: Project, visitors: std::ops::Range<i64>, page: &str, at: &str) -> Project {
    let row = |visitor: i64| {
        json!({"visitor": visitor, "at": at, "id": visitor, "page": page, "ms": 5.0}).to_string()
    };
    project.write("clicks.jsonl", visitors.map(row).collect::<Vec<_>>().join("\n"));
    project.ok("push clicks clicks.jsonl");
    project.ok("stream visits --until-caught-up");
    project
}

/// Puts the online store of one project into another.
pub fn put_online(from: &Project, into: &Project) {
    for file in fs::read_dir(into.path(ONLINE)).unwrap() {
        fs::remove_file(file.unwrap().path()).unwrap();
    }
    for file in fs::read_dir(from.path(ONLINE)).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), into.path(ONLINE).join(file.file_name())).unwrap();
    }
}

fn of_view<'a>(report: &'a Value, view: &str) -> &'a Value {
    report["views"].as_array().unwrap().iter().find(|one| one["view"] == view).unwrap()
}

#[test]
fn all_values_of_a_loaded_project_are_what_its_log_gives() {
    let project = Project::loaded();
    let all_same = |words: &str| {
        let report = project.json(words);
        for view in report["views"].as_array().unwrap() {
            assert!(view["entities"].as_u64().unwrap() > 0, "{report}");
            assert_eq!(view["same"], view["entities"], "{report}");
        }
        report
    };
    all_same("verify --values");
    project.ok("offline optimize");
    let report = all_same("verify late_arrival --entities 100000");
    assert!(report["views"].as_array().unwrap().len() >= 2, "{report}");
    says(
        &project.ok("verify airport_arrivals --entities 3"),
        &["ENTITIES  SAME", "airport_arrivals@1         3     3"],
    );
    says(&project.refused("verify nothing_here"), &["nothing_here"]);
}

#[test]
fn rows_of_history_that_came_after_others_and_streamed_ones_are_compared_too() {
    let project = Project::sample();
    project.edit("features/flights.yaml", "data/landings.parquet", "data/landings");
    project.without_ttl();
    project.ok("apply");
    let file = |name: &str, landings: &[Landing]| {
        write_parquet(&project.path(&format!("data/landings/{name}.parquet")), &batch(landings))
    };
    file("a", &[landing(1, 0, 7.5), landing(2, 60, 9.5)]);
    project.ok("backfill --all");
    for (name, id) in [("b", 3), ("c", 4)] {
        file(name, &[landing(id, 60 * id, 1.5)]);
        project.ok("materialize");
        let report = project.json("verify airport_arrivals");
        assert_eq!(
            (&report["views"][0]["same"], &report["views"][0]["differing"]),
            (&1.into(), &0.into()),
            "{report}"
        );
    }
    project.ok("offline optimize");
    says(&project.ok("verify airport_arrivals"), &["airport_arrivals@1"]);
}

#[test]
fn a_view_that_nothing_was_loaded_of_is_passed_over() {
    let project = Project::applied();
    says(&project.ok("verify --values"), &["nothing was loaded yet"]);
}

#[test]
fn values_of_other_rows_are_named_feature_by_feature_with_both_values() {
    let at = now();
    let project = clicked(1..40, "home", &at);
    says(&project.ok("verify visits"), &["visits@1"]);
    put_online(&clicked(1..40, "cart", &at), &project);
    let done = project.run("verify visits --format json");
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    says(&done.stderr, &["39 entities online are not what the log gives", "online rebuild visits@1"]);
    let report: Value = serde_json::from_str(&done.stdout).unwrap();
    let visits = of_view(&report, "visits@1");
    assert_eq!((&visits["differing"], &visits["same"]), (&39.into(), &0.into()), "{report}");
    let difference = &visits["differences"][0];
    let expected = json!([{
        "feature": "page",
        "served": {"value": "cart", "status": "PRESENT"},
        "folded": {"value": "home", "status": "PRESENT"},
    }]);
    assert_eq!(difference["features"], expected, "{report}");
    says(
        difference["why"].as_str().unwrap(),
        &["its online row names 1 row of the log", "at partition 0 offset"],
    );
    let shown = project.run("verify visits").stdout;
    says(&shown, &["visits@1 visitor=", "page: \"cart\", and the log gives \"home\""]);
    project.ok("online rebuild visits");
    says(&project.ok("verify visits"), &["visits@1", "39"]);
}

#[test]
fn entities_that_are_lost_online_are_named() {
    let at = now();
    let project = clicked(1..40, "home", &at);
    put_online(&clicked(1..30, "home", &at), &project);
    let done = project.run("verify --values --format json");
    let report: Value = serde_json::from_str(&done.stdout).unwrap();
    let visits = of_view(&report, "visits@1");
    assert_eq!((&visits["differing"], &visits["same"]), (&10.into(), &29.into()), "{report}");
    let why = visits["differences"][0]["why"].as_str().unwrap();
    says(why, &["the online store has no row of it", "the log of visits@1 has 1 row"]);
}

#[test]
fn rows_that_an_interrupted_load_has_not_brought_online_are_not_called_lost() {
    let project = Project::applied();
    let mut command = project.command("backfill airport_arrivals");
    let killed = Done::of(command.env("TWINSTORE_TRIAL_BATCH_END", "half-online").output().unwrap());
    assert_ne!(killed.code, Some(0), "{}", killed.stderr);
    let report = project.json("verify airport_arrivals");
    let view = of_view(&report, "airport_arrivals@1");
    assert!(view["unknown"].as_u64() > Some(0), "{report}");
    assert_eq!(view["differing"], 0, "{report}");
    project.ok("backfill airport_arrivals");
    let report = project.json("verify airport_arrivals");
    let view = of_view(&report, "airport_arrivals@1");
    assert_eq!(view["same"], view["entities"], "{report}");
}

/// A metric of a view and an outcome.
fn counted(server: &Server, outcome: &str) -> f64 {
    let sample = format!("twinstore_served_values_total{{view=\"visits@1\",outcome=\"{outcome}\"}} ");
    let page = server.get("/metrics");
    page.lines().find_map(|line| line.strip_prefix(&sample)?.parse().ok()).unwrap_or_default()
}

fn read(server: &Server) {
    let visitors: Vec<i64> = (1..40).collect();
    let body = json!({"service": "visit", "entities": {"visitor": visitors}});
    assert_eq!(server.post("/v1/features", &body).0, 200);
}

#[test]
fn a_server_compares_a_sample_of_what_it_serves_with_the_log() {
    let project = clicked(1..40, "home", &now());
    let server = Server::start(&project);
    let push = |page: &str| {
        let rows = json!([{"visitor": 1, "at": now(), "id": 9, "page": page, "ms": 1.0}]);
        let body = json!({"source": "clicks", "rows": rows, "wait": "online"});
        assert_eq!(server.post("/v1/push", &body).0, 200);
    };
    // What streams bring meanwhile is read before and after it is committed.
    eventually("reads were compared", || {
        push("cart");
        read(&server);
        counted(&server, "same") >= 20.0
    });
    assert_eq!(counted(&server, "differs"), 0.0);
    let (code, said) = server.terminate();
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn what_was_served_is_kept_with_its_positions_and_compared_again() {
    let at = now();
    let project = clicked(1..40, "home", &at);
    let serve = || {
        let server = Server::start(&project);
        eventually("reads were compared", || {
            read(&server);
            counted(&server, "same") + counted(&server, "differs") >= 2.0
        });
        assert_eq!(server.terminate().0, Some(0));
    };
    serve();
    says(&project.ok("verify --served"), &["visits@1"]);
    let right = fs::read_dir(project.path(".twinstore/served")).unwrap().count();
    assert_eq!(right, 1);
    put_online(&clicked(1..40, "cart", &at), &project);
    serve();
    // Right values online do not undo what was served.
    project.ok("online rebuild visits");
    project.ok("verify visits");
    let done = project.run("verify visits --served --format json");
    assert_eq!(done.code, Some(1));
    says(&done.stderr, &["that were served are not what the log gives"]);
    let report: Value = serde_json::from_str(&done.stdout).unwrap();
    let visits = of_view(&report, "visits@1");
    assert!(visits["same"].as_u64() >= Some(2) && visits["differing"].as_u64() >= Some(2), "{report}");
    assert_eq!(visits["differences"][0]["features"][0]["served"]["value"], "cart", "{report}");
}

/// Injected incidents, for `incidents::`.
pub mod incidents {
    use super::*;

    pub fn a_feature_that_another_version_computes_online(named: fn(&str, Instant)) {
        let at = now();
        let project = clicked(1..40, "home", &at);
        put_online(&clicked(1..40, "cart", &at), &project);
        let server = Server::start(&project);
        let began = Instant::now();
        eventually("it is named", || {
            read(&server);
            counted(&server, "differs") >= 1.0
        });
        named("one feature computed by another version online", began);
        // The rows are of another log, which is why their values differ.
        eventually("doctor knows it", || {
            project.run("doctor").stderr.contains("than the one that its online rows were folded from")
        });
        says(&project.run("doctor").stderr, &["online rebuild visits@1"]);
        assert_eq!(counted(&server, "same"), 0.0);
        let (code, said) = server.terminate();
        assert_eq!(code, Some(0), "{said}");
        says(&said, &["visit@1 was answered with values of visits@1 that its log does not give, of page"]);
        project.ok("online rebuild visits");
        let server = Server::start(&project);
        eventually("it is over", || {
            read(&server);
            counted(&server, "same") >= 3.0
        });
        assert_eq!(counted(&server, "differs"), 0.0);
        assert_eq!(server.terminate().0, Some(0));
    }
}
