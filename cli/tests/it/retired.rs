//! A version comes to its end: it is deprecated where it is read, retired once nothing needs it, and what it took in both
//! stores is freed, whenever the command is killed and in either online store.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use test_support::{RedisServer, eventually};

use crate::project::{Project, says};
use crate::rolled_out::{cut_over, two_versions};
use crate::served::Server;

const OLD: &str = "get late_arrival@1 dest=LAX tailnum=N338AA distance=2475 --at 2013-06-08T01:00:00Z";

/// The folder of the log of a version of the view.
fn log_of(project: &Project, version: u32) -> std::path::PathBuf {
    project.path(&format!(".twinstore/offline/log/airport_arrivals/v{version}"))
}

/// The folders that are left of the view's logs.
fn versions_of_the_log(project: &Project) -> Vec<String> {
    let folder = project.path(".twinstore/offline/log/airport_arrivals");
    let found = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        found.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn is_freed(project: &Project) -> bool {
    let shown = project.json("registry show airport_arrivals@1");
    shown[0]["retired"]["is_freed"] == json!(true)
}

#[test]
fn a_version_is_deprecated_where_it_is_read_and_retired_once_nothing_needs_it() {
    let project = two_versions();
    says(
        &project.refused("deprecate airport_arrivals@1 --sunset 2020-01-01 --reason use-version-2"),
        &["airport_arrivals@1 cannot be retired at 2020-01-01T00:00:00Z, as it is 2", "name a later time"],
    );
    says(
        &project.run("deprecate airport_arrivals@1 --sunset soon --reason use-version-2").stderr,
        &["`soon` is not a date: write it as 2013-06-01"],
    );
    project.ok("deprecate airport_arrivals@1 --sunset 2099-12-31 --reason use-version-2");
    let warning = "warning: airport_arrivals@1 is deprecated, to be retired on 2099-12-31: use-version-2";
    says(&project.run(OLD).stderr, &[warning]);
    let training = "training-set --service late_arrival --spine data/departures.parquet --time scheduled_departure --out t.csv";
    says(&project.run(training).stderr, &[warning]);
    says(&project.ok("plan"), &["late_arrival@1 reads a deprecated version: airport_arrivals@1"]);
    says(&project.ok("registry list"), &["until 2099-12-31"]);
    says(&project.refused("retire airport_arrivals@1"), &["late_arrival@1 (live)", "read it"]);
    cut_over(&project, "2", 100);
    // The second version still computes one feature from the first.
    says(
        &project.refused("retire airport_arrivals@1 --override incident"),
        &["route@1", "late_arrival@2 (model late-arrival-xgb, owner delay-team, live)", "cut over"],
    );
    project.write("features/version_3.yaml", VERSION_3);
    project.ok("apply");
    cut_over(&project, "3", 100);
    says(
        &project.refused("retire airport_arrivals@1"),
        &["route@1, late_arrival@1", "late_arrival@2", "retire those first"],
    );
    for version in ["late_arrival@1", "late_arrival@2", "route@1"] {
        says(&project.ok(&format!("retire {version} --reason replaced")), &["is retired"]);
    }
    let done = project.ok("retire airport_arrivals@1 --reason replaced");
    says(&done, &["is retired", "the log, dead letters and online rows of airport_arrivals@1 are freed"]);
    assert!(!log_of(&project, 1).exists() && log_of(&project, 2).exists());
    says(&project.ok("retire airport_arrivals@1"), &["was retired before"]);
    let said = "was retired on ";
    for refused in [
        OLD,
        "backfill airport_arrivals@1",
        "online rebuild airport_arrivals@1",
        "dead-letter list airport_arrivals@1",
    ] {
        says(&project.refused(refused), &[said]);
    }
    // Everything else goes on, and the definitions may stay where they are.
    project.ok("backfill --all");
    project.ok("get late_arrival dest=LAX tailnum=N338AA --at 2013-06-08T01:00:00Z");
    says(&project.ok("plan"), &["unchanged"]);
    assert_eq!(project.run("verify --deep").code, Some(0));
}

/// A third version of the service that reads nothing of the first version of the view.
const VERSION_3: &str = "kind: feature_service
name: late_arrival
version: 3
consumer: {model: late-arrival-xgb, owner: delay-team}
features:
  - {from: airport_arrivals@2, on: {airport: dest}, prefix: dest_}
  - {from: aircraft_last_flight@1, prefix: aircraft_}
";

/// A project in which the first version of the view is read by what answers no more.
fn replaced() -> Project {
    let project = two_versions();
    project.write("features/version_3.yaml", VERSION_3);
    project.ok("apply");
    cut_over(&project, "3", 100);
    project
}

/// A fourth version, for another model than the second one says.
const VERSION_4: &str = "kind: feature_service
name: late_arrival
version: 4
consumer: {model: late-arrival-net, owner: delay-team}
features:
  - {from: airport_arrivals@2, on: {airport: dest}, prefix: dest_}
";

#[test]
fn a_version_whose_model_the_live_version_does_not_name_is_retired_only_with_a_reason() {
    let project = two_versions();
    project.write("features/version_4.yaml", VERSION_4);
    project.ok("apply");
    cut_over(&project, "4", 100);
    // The first version names no model; the second one names a model that the live version does not.
    project.ok("retire late_arrival@1 --reason replaced");
    says(
        &project.refused("retire late_arrival@2 --reason replaced"),
        &["late_arrival@2 is read by the model late-arrival-xgb (owner delay-team)", "late_arrival@4"],
    );
    project.ok("retire late_arrival@2 --override the-model-is-gone");
    let log = project.json("audit late_arrival@2");
    let entries = log["entries"].as_array().unwrap();
    let overridden = entries.iter().find(|entry| entry["action"] == "override").unwrap();
    assert_eq!(overridden["reason"], "the-model-is-gone");
    says(&overridden["detail"].to_string(), &["late-arrival-xgb"]);
}

#[test]
fn a_version_is_retired_once_the_live_one_names_its_model() {
    let project = two_versions();
    project.write("features/version_3.yaml", VERSION_3);
    project.ok("apply");
    cut_over(&project, "3", 100);
    project.ok("retire late_arrival@2 --reason replaced");
}

const RETIRE: &str = "retire airport_arrivals@1 --override incident";

#[test]
fn a_retirement_that_is_killed_anywhere_is_finished_when_it_is_run_again() {
    for point in ["retired", "online-freed", "log-set-aside", "log-freed"] {
        let project = replaced();
        let killed = project.command(RETIRE).env("TWINSTORE_TRIAL_BATCH_END", point).output().unwrap();
        assert!(!killed.status.success(), "{point}");
        // Nothing uses it from the first moment on, and what is there of it harms nothing.
        says(&project.refused(OLD), &["was retired on "]);
        project.ok("backfill --all");
        project.ok("verify --deep");
        assert!(!is_freed(&project), "{point}");
        says(&project.ok("registry show airport_arrivals@1"), &["its storage is not freed yet"]);
        project.ok(RETIRE);
        assert!(is_freed(&project) && !log_of(&project, 1).exists(), "{point}");
        assert_eq!(versions_of_the_log(&project), ["v2"], "{point}");
        let log = project.json("audit airport_arrivals@1");
        let actions: Vec<&str> =
            log["entries"].as_array().unwrap().iter().filter_map(|e| e["action"].as_str()).collect();
        assert_eq!(actions.iter().filter(|action| **action == "retire").count(), 1, "{point}: {actions:?}");
        assert_eq!(actions.last(), Some(&"free"), "{point}");
    }
}

#[test]
fn the_rows_of_a_retired_view_are_freed_in_redis_too() {
    let redis = RedisServer::start(&[]);
    let project = Project::sample();
    let settings = format!("online.url = \"{}\"\nproject = \"retired\"\n", redis.url());
    project.write("twinstore.toml", settings);
    project.write("features/version_2.yaml", crate::rolled_out::VERSION_2);
    project.write("features/version_3.yaml", VERSION_3);
    project.ok("apply");
    project.ok("backfill --all");
    cut_over(&project, "3", 100);
    let rows =
        |view: &str| redis.says(&format!("KEYS *{view}")).lines().filter(|line| line.contains(view)).count();
    assert!(rows("airport_arrivals@1") > 10);
    project.ok(RETIRE);
    assert_eq!(rows("airport_arrivals@1"), 0);
    assert!(rows("airport_arrivals@2") > 10);
}

#[test]
fn a_server_stops_answering_for_what_is_retired_and_says_so() {
    let project = replaced();
    let server = Server::start(&project);
    let body = json!({
        "service": "late_arrival@1", "entities": {"dest": ["LAX"], "tailnum": ["N338AA"]},
        "request": {"distance": [2475]}, "at": "2013-06-08T01:00:00Z",
    });
    assert_eq!(server.post("/v1/features", &body).0, 200);
    project.ok(RETIRE);
    let refused = server.waits_for(&body, |status, _| status == 404);
    says(&refused["error"]["message"].to_string(), &["late_arrival@1 was retired on ", "(incident)"]);
    assert_eq!(server.terminate().0, Some(0));
    assert!(!Path::new(&log_of(&project, 1)).exists());
}

#[test]
fn nothing_of_a_retired_view_is_freed_while_a_suspended_load_may_go_on_with_it() {
    let project = replaced();
    let mut rebuild = project.command("online rebuild airport_arrivals@1");
    let mut rebuild = rebuild.env("TWINSTORE_TRIAL_BATCH_SLEEP", "rebuilding").spawn().unwrap();
    let status = format!("/proc/{}/status", rebuild.id());
    eventually("it is suspended", || {
        fs::read_to_string(&status).is_ok_and(|said| said.contains("State:\tT"))
    });
    // Retired it is: nothing begins to use it any more.
    let ended = project.run(RETIRE);
    assert_eq!(ended.code, Some(1));
    says(&ended.stderr, &["the load of airport_arrivals@1", &rebuild.id().to_string()]);
    assert!(log_of(&project, 1).exists() && !is_freed(&project));
    let woken = Command::new("kill").args(["-CONT", &rebuild.id().to_string()]).status().unwrap();
    assert!(woken.success() && rebuild.wait().unwrap().success());
    project.ok(RETIRE);
    assert!(is_freed(&project) && !log_of(&project, 1).exists());
    project.ok("verify --deep");
}
