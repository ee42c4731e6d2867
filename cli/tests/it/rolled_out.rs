//! A service's own name is moved to its next version and back: behind gates, for some entities first, while clients
//! read, and whenever the command is killed.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::project::{Project, says};
use crate::served::{Server, send_to};

/// A second version of the sample's view and service, which takes and gives what the first does.
pub const VERSION_2: &str = "kind: feature_view
name: airport_arrivals
version: 2
entity: airport
source: landings
keys: {airport: dest}
ttl: 2d
features:
  last_delay:    {latest: arr_delay, unit: minutes}
  arrivals_1d:   {aggregate: count, window: 1d}
  mean_delay_1d: {aggregate: mean(arr_delay), window: 2d, unit: minutes}
---
kind: feature_service
name: late_arrival
version: 2
consumer: {model: late-arrival-xgb, owner: delay-team}
features:
  - {from: airport_arrivals@2, on: {airport: dest}, prefix: dest_}
  - {from: aircraft_last_flight@1, prefix: aircraft_}
  - {from: route@1}
";

const DESTINATIONS: [&str; 8] = ["LAX", "SFO", "BOS", "MIA", "SEA", "MCO", "SJU", "LAS"];

/// The sample with both versions, both loaded; nobody has compared them.
pub fn two_versions() -> Project {
    let project = Project::sample();
    project.write("features/version_2.yaml", VERSION_2);
    project.ok("apply");
    project.ok("backfill --all");
    project
}

/// Makes a version answer, whatever its gates say.
pub fn cut_over(project: &Project, version: &str, percent: u8) {
    cut_over_to(project, &format!("late_arrival@{version}"), percent);
}

fn cut_over_to(project: &Project, service: &str, percent: u8) {
    project.ok(&format!("cutover {service} --percent {percent} --override tested"));
}

fn request(service: &str, destinations: &[&str]) -> Value {
    let rows = destinations.len();
    json!({
        "service": service,
        "entities": {"dest": destinations, "tailnum": vec!["N338AA"; rows]},
        "request": {"distance": vec![2475; rows]},
        "at": "2013-06-08T01:00:00Z",
    })
}

fn live(project: &Project) -> String {
    let listed = project.json("registry list");
    let live = listed.as_array().unwrap().iter().find(|one| one["live"] == true).unwrap();
    format!("{}@{}", live["name"].as_str().unwrap(), live["version"])
}

#[test]
fn a_cutover_waits_for_its_gates_and_a_rollback_restores_the_values_to_the_bit() {
    let project = Project::loaded();
    project.write("features/version_2.yaml", VERSION_2);
    project.ok("apply");
    let read =
        "get late_arrival dest=LAX tailnum=N338AA distance=2475 --at 2013-06-08T01:00:00Z --format json";
    let before = project.ok(read);
    let refusal = project.refused("cutover late_arrival@2");
    says(
        &refusal,
        &[
            "late_arrival@2 cannot replace the live version yet",
            "late_arrival@2 was never compared with late_arrival@1: run `twinstore parity late_arrival@1 late_arrival@2`",
            "airport_arrivals@2 has no row in its log: run `twinstore backfill airport_arrivals@2` first",
            "`--override REASON`",
        ],
    );
    assert_eq!(live(&project), "late_arrival@1");
    project.ok("backfill airport_arrivals@2");
    project.ok("cutover late_arrival@2 --override compared-by-hand");
    let after = project.ok(read);
    assert_ne!(before, after);
    says(&after, &["late_arrival@2"]);
    says(&project.ok("rollback late_arrival --reason regression"), &["late_arrival@2 → late_arrival@1"]);
    assert_eq!(project.ok(read), before);
    says(
        &project.refused("rollback late_arrival"),
        &["late_arrival@1 is live, and there is no cutover left to take back: cut over to late_arrival@2"],
    );
    let log = project.json("audit late_arrival");
    let actions: Vec<&str> =
        log["entries"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    let is_move = |action: &&&str| ["go_live", "cutover", "rollback"].contains(*action);
    let moves: Vec<&&str> = actions.iter().filter(is_move).collect();
    assert_eq!(moves, [&"go_live", &"cutover", &"rollback"]);
}

#[test]
fn a_client_that_reads_during_a_cutover_and_a_rollback_sees_whole_answers_and_no_error() {
    let project = two_versions();
    let server = Server::start(&project);
    let expected: BTreeMap<String, Value> = ["late_arrival@1", "late_arrival@2"]
        .map(|version| (version.to_owned(), server.post("/v1/features", &request(version, &DESTINATIONS)).1))
        .into();
    assert_ne!(expected["late_arrival@1"]["columns"], expected["late_arrival@2"]["columns"]);
    let (stop, http) = (AtomicBool::new(false), server.http.clone());
    let body = request("late_arrival", &DESTINATIONS).to_string();
    let reader = || {
        let mut seen: Vec<String> = Vec::new();
        let mut reads = 0_u32;
        while !stop.load(Ordering::Relaxed) {
            let (status, answer) = send_to(&http, "/v1/features", &body).unwrap();
            assert_eq!(status, 200, "{answer}");
            let answer: Value = serde_json::from_str(&answer).unwrap();
            let version = answer["service"].as_str().unwrap();
            assert_eq!(answer, expected[version], "an answer is of one version");
            if seen.last().is_none_or(|last| last != version) {
                seen.push(version.to_owned());
            }
            reads += 1;
        }
        (seen, reads)
    };
    let is = |version: &'static str| move |_: u16, answer: &Value| answer["service"] == version;
    std::thread::scope(|scope| {
        let readers = [scope.spawn(reader), scope.spawn(reader)];
        for (command, version) in [
            ("cutover late_arrival@2 --override tested", "late_arrival@2"),
            ("rollback late_arrival", "late_arrival@1"),
            ("cutover late_arrival@2 --override tested", "late_arrival@2"),
        ] {
            project.ok(command);
            server.waits_for(&request("late_arrival", &["LAX"]), is(version));
        }
        stop.store(true, Ordering::Relaxed);
        for reader in readers {
            let (seen, reads) = reader.join().unwrap();
            let all = ["late_arrival@1", "late_arrival@2", "late_arrival@1", "late_arrival@2"];
            assert!(all.starts_with(&seen.iter().map(String::as_str).collect::<Vec<_>>()), "{seen:?}");
            assert!(reads > 10, "{reads} reads");
        }
    });
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn a_canary_answers_for_the_same_entities_in_every_way_of_reading_and_no_answer_is_of_two_versions() {
    let project = two_versions();
    cut_over(&project, "2", 50);
    let server = Server::start(&project);
    let mut by_version: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for dest in DESTINATIONS {
        let read =
            format!("get late_arrival dest={dest} tailnum=N338AA distance=2475 --at 2013-06-08T01:00:00Z");
        let local = project.json(&read)["service"].clone();
        let remote = project.json(&format!("{read} --grpc {}", server.grpc))["service"].clone();
        let http = server.post("/v1/features", &request("late_arrival", &[dest])).1["service"].clone();
        let feast = json!({
            "feature_service": "late_arrival",
            "entities": {"dest": [dest], "tailnum": ["N1"], "distance": [10]},
        });
        assert_eq!(server.post("/get-online-features", &feast).0, 200);
        assert_eq!((&local, &remote), (&remote, &http), "{dest}");
        by_version.entry(local.as_str().unwrap().to_owned()).or_default().push(dest);
    }
    assert_eq!(by_version.keys().collect::<Vec<_>>(), ["late_arrival@1", "late_arrival@2"], "{by_version:?}");
    let (one, two) = (&by_version["late_arrival@1"], &by_version["late_arrival@2"]);
    // A request is answered by the version of its first entity; an exact name is always exact.
    for (dests, version) in [([one[0], two[0]], "late_arrival@1"), ([two[0], one[0]], "late_arrival@2")] {
        assert_eq!(server.post("/v1/features", &request("late_arrival", &dests)).1["service"], version);
        assert_eq!(
            server.post("/v1/features", &request("late_arrival@1", &dests)).1["service"],
            "late_arrival@1"
        );
    }
    says(&project.ok("registry list"), &["canary for 50%"]);
    says(&project.ok("registry show late_arrival"), &["late_arrival@2, canary for 50%"]);
    // More entities: those that the canary had stay with it.
    cut_over(&project, "2", 90);
    let moved =
        |dest: &str| server.post("/v1/features", &request("late_arrival", &[dest])).1["service"].clone();
    server.waits_for(&request("late_arrival", &[one[0]]), |_, _| {
        one.iter().filter(|dest| moved(dest) == "late_arrival@2").count() > one.len() / 2
    });
    assert!(two.iter().all(|dest| moved(dest) == "late_arrival@2"));
    says(&project.ok("rollback late_arrival"), &["with 90% on late_arrival@2 → late_arrival@1"]);
    server.waits_for(&request("late_arrival", &[two[0]]), |_, answer| answer["service"] == "late_arrival@1");
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn what_a_cutover_approved_is_not_edited_even_before_anybody_reads_it() {
    for percent in [10, 100] {
        let project = two_versions();
        project.write("features/other.yaml", OTHER_SERVICE);
        project.ok("apply");
        // Nobody has read it: it may be edited.
        project.edit("features/other.yaml", "[arrivals_1d]", "[last_delay]");
        project.ok("apply");
        cut_over_to(&project, "airport@2", percent);
        project.edit("features/other.yaml", "airport_arrivals@2", "airport_arrivals@1");
        says(&project.refused("apply"), &["feature_service `airport`", "version 2", "add version 3"]);
    }
}

/// A service of both views of arrivals.
const OTHER_SERVICE: &str = "kind: feature_service
name: airport
version: 1
features: [{from: airport_arrivals@1, on: {airport: dest}, take: [last_delay]}]
---
kind: feature_service
name: airport
version: 2
features: [{from: airport_arrivals@2, on: {airport: dest}, take: [arrivals_1d]}]
";

#[test]
fn a_cutover_or_a_rollback_that_is_killed_has_happened_with_its_entry_or_not_at_all() {
    let project = two_versions();
    let (mut done, mut version) = (0, "late_arrival@1".to_owned());
    let words = ["cutover late_arrival@2 --override tested", "rollback late_arrival"];
    let moves = || {
        let log = project.json("audit late_arrival");
        assert_eq!(log["damaged"], json!([]));
        let is_move = |entry: &&Value| entry["action"] == "cutover" || entry["action"] == "rollback";
        log["entries"].as_array().unwrap().iter().filter(is_move).count()
    };
    let began = Instant::now();
    project.ok(words[0]);
    let took = began.elapsed();
    project.ok(words[1]);
    let before = moves();
    for round in 0..16_u32 {
        let next = words[usize::from(version == "late_arrival@2")];
        let mut child = project.command(next).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // Killed at another moment of its life each time.
        let end = Instant::now() + took * (round + 4) / 20;
        while Instant::now() < end && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_micros(200));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let now = live(&project);
        done += usize::from(now != version);
        version = now;
        assert_eq!(moves(), before + done, "round {round}");
    }
    assert_eq!(project.run("verify").code, Some(0));
}

#[test]
fn the_audit_log_names_what_was_changed_in_it_and_verify_finds_it_too() {
    let project = two_versions();
    project.ok("cutover late_arrival@2 --override tested");
    let mut command = project.command("rollback late_arrival --reason drill");
    assert!(command.env("TWINSTORE_ACTOR", "ci").status().unwrap().success());
    says(
        &project.ok("audit late_arrival"),
        &["ci", "rollback", "late_arrival@2 → late_arrival@1", "drill", "checked: "],
    );
    project.registry(async |connection| {
        let change = "UPDATE audit SET actor = 'eve' WHERE action = 'cutover'";
        sqlx::query(change).execute(connection).await.unwrap();
    });
    let found = project.run("audit");
    assert_eq!(found.code, Some(1));
    says(&found.stderr, &["the audit log is not what was written", "(cutover by eve of"]);
    let found = project.run("verify");
    assert_eq!(found.code, Some(1));
    says(&found.stderr, &["(cutover by eve of"]);
}
