//! A view over the rows of another: from its definition over its loads to its reads, and what is refused on the way.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use test_support::visitors;

use crate::landings::{AFTER_THE_WEEK, Landing, batch, landing, write_parquet};
use crate::project::{Project, says};
use crate::pushed::{micros_now, now, with};
use crate::served::Server;
use crate::stored::{self, Row};

const DERIVED: &str = "kind: feature_view
name: busy_airports
version: 1
entity: airport
source: {view: airport_arrivals@1}
where: arrivals_1d > 0
owner: arrivals-team
features:
  delay_now:  {latest: mean_delay_1d, unit: minutes}
  trend:      {latest: last_delay - mean_delay_1d, unit: minutes}
  peak_3d:    {aggregate: max(arrivals_1d), window: 3d}
  bad_3d:     {aggregate: count_if(mean_delay_1d > 10), window: 3d}
---
kind: feature_view
name: visiting_aircraft
version: 1
entity: airport
source: {view: aircraft_last_flight@1}
keys: {airport: last_dest}
features:
  visits_1d: {aggregate: count, window: 1d}
  visits:    {aggregate: count}
---
kind: feature_service
name: busy
version: 1
features:
  - {from: busy_airports@1, on: {airport: dest}}
  - {from: visiting_aircraft@1, on: {airport: dest}}
  - {from: airport_arrivals@1, on: {airport: dest}, take: [arrivals_1d, mean_delay_1d, last_delay], prefix: own_}
";
const INPUT: &str = ".twinstore/offline/log/airport_arrivals/v1";
const LOG: &str = ".twinstore/offline/log/busy_airports/v1";

/// The sample with a folder of landings as its source, and views over its views.
fn defined() -> Project {
    let project = Project::sample();
    let landings = fs::read(project.path("data/landings.parquet")).unwrap();
    project.write("data/landings/week.parquet", landings);
    project.edit("features/flights.yaml", "data/landings.parquet", "data/landings");
    project.without_ttl();
    project.write("features/busy.yaml", DERIVED);
    project.ok("apply");
    project
}

/// The rows of a log without what says when and how they became available.
fn facts(project: &Project, log: &str) -> Vec<Row> {
    let mut rows = stored::rows(&project.path(log));
    for row in &mut rows {
        row.retain(|name, _| {
            !["_available_at", "_provenance", "_assumed_delay_us", "_late"].contains(&name.as_str())
        });
    }
    rows
}

/// Two landings of the last minutes, which windows of now see.
fn just_now() -> [Landing; 2] {
    let second = micros_now() / 1_000_000 - AFTER_THE_WEEK;
    [landing(901, second - 180, 40.0), landing(902, second - 120, 20.0)]
}

fn loaded(project: &Project, command: &str, view: &str) -> u64 {
    let done = project.json(command);
    let views = done["views"].as_array().unwrap();
    let view = views.iter().find(|report| report["view"] == view).unwrap_or_else(|| panic!("{done}"));
    view["rows_loaded"].as_u64().unwrap()
}

fn get(project: &Project, name: &str) -> Value {
    project.json("get busy dest=LAX")["features"][name]["value"].clone()
}

#[test]
fn features_are_built_on_features_from_the_plan_to_the_read() {
    let project = Project::sample();
    project.write("features/busy.yaml", DERIVED);
    let plan = project.ok("plan");
    says(&plan, &["+ view airport_arrivals@1 (3 features) → ", "busy_airports@1", "busy@1"]);
    says(&plan, &["+ source landings → ", "visiting_aircraft@1"]);
    project.ok("apply");
    // In whatever order they are named, inputs come first.
    let done = project
        .json("backfill busy_airports@1 visiting_aircraft@1 airport_arrivals@1 aircraft_last_flight@1");
    let reports = done["views"].as_array().unwrap();
    let rows: Vec<u64> = reports.iter().map(|report| report["rows_loaded"].as_u64().unwrap()).collect();
    assert_eq!(reports[0]["view"], "busy_airports@1");
    assert!(rows[0] > 0 && rows[0] == rows[2] && rows[1] == rows[3], "{rows:?}");
    let (input, derived) = (stored::rows(&project.path(INPUT)), stored::rows(&project.path(LOG)));
    assert_eq!(stored::positions(&input), stored::positions(&derived));
    for (input, derived) in input.iter().zip(&derived) {
        for name in ["_event_time", "_available_at", "airport"] {
            assert_eq!(input[name], derived[name], "{derived:?}");
        }
        assert_eq!(derived["_provenance"], "declared");
    }
    assert_eq!(loaded(&project, "backfill busy_airports@1", "busy_airports@1"), 0);

    // At the moment from which each row was visible, the latest value of a derived view is that of its input.
    let labels = input.iter().map(|row| format!("{},{}\n", row["airport"], row["_available_at"]));
    project.write("spine.csv", std::iter::once("dest,t\n".to_owned()).chain(labels).collect::<String>());
    project.ok("training-set --service busy --spine spine.csv --time t --out train.csv");
    let table = project.read("train.csv");
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split(',').collect()).collect();
    let column = |name: &str| lines[0].iter().position(|column| *column == name).unwrap();
    let (now, own, peak, arrivals) =
        (column("delay_now"), column("own_mean_delay_1d"), column("peak_3d"), column("own_arrivals_1d"));
    assert_eq!(lines.len(), input.len() + 1);
    for line in &lines[1..] {
        assert_eq!(line[now], line[own], "{line:?}");
        // The peak of three days is at least what is counted now.
        assert!(line[peak].parse::<i64>().unwrap() >= line[arrivals].parse::<i64>().unwrap(), "{line:?}");
    }

    let read = project.json("get busy dest=LAX --at 2013-06-08T01:00:00Z");
    let value = |name: &str| read["features"][name]["value"].clone();
    assert!(value("peak_3d").as_i64().unwrap() > 0 && value("visits_1d").as_i64().unwrap() > 0, "{read}");
    assert_eq!(read["features"]["delay_now"]["event_time"], read["features"]["own_last_delay"]["event_time"]);
}

#[test]
fn new_rows_of_the_input_are_derived_once_and_measured() {
    let project = defined();
    project.ok("backfill --all");
    let before = facts(&project, LOG);
    write_parquet(&project.path("data/landings/new.parquet"), &batch(&just_now()));
    assert_eq!(loaded(&project, "materialize", "busy_airports@1"), 2);
    assert_eq!(loaded(&project, "materialize", "busy_airports@1"), 0);
    project.ok("offline optimize");
    assert_eq!(loaded(&project, "materialize", "busy_airports@1"), 0);
    assert_eq!(loaded(&project, "backfill busy_airports@1", "busy_airports@1"), 0);
    let after = facts(&project, LOG);
    assert_eq!(after.len(), before.len() + 2);
    assert!(before.iter().all(|row| after.contains(row)));
    let rows = stored::rows(&project.path(LOG));
    let measured: Vec<_> = rows.iter().filter(|row| row["_provenance"] == "measured").collect();
    assert_eq!(measured.len(), 2);
    assert!(measured.iter().all(|row| row["_available_at"].as_str() > row["_event_time"].as_str()));
    // Both were read in one load, so each saw the other.
    assert_eq!((get(&project, "delay_now"), get(&project, "trend")), (json!(30.0), json!(-10.0)));
    let online = get(&project, "peak_3d");
    project.ok("online rebuild busy_airports@1");
    assert_eq!(online, get(&project, "peak_3d"));
}

#[test]
fn a_load_that_is_killed_goes_on_and_derives_no_row_twice() {
    let reference = defined();
    reference.ok("backfill --all");
    let expected = facts(&reference, LOG);
    for point in ["read", "file-written", "committed", "half-online"] {
        let project = defined();
        project.ok("backfill airport_arrivals@1");
        let mut command = project.command("backfill busy_airports@1");
        let killed = command.env("TWINSTORE_TRIAL_BATCH_END", point).output().unwrap();
        assert_eq!(killed.status.code(), None, "{point}");
        project.ok("backfill busy_airports@1");
        assert_eq!(facts(&project, LOG), expected, "{point}");
    }
    let new = just_now();
    write_parquet(&reference.path("data/landings/new.parquet"), &batch(&new));
    reference.ok("materialize");
    let expected = facts(&reference, LOG);
    for point in ["turn-taken", "online", "committed", "settled"] {
        let project = defined();
        project.ok("backfill --all");
        write_parquet(&project.path("data/landings/new.parquet"), &batch(&new));
        project.ok("materialize airport_arrivals@1");
        let mut command = project.command("materialize busy_airports@1");
        let killed = command.env("TWINSTORE_TRIAL_BATCH_END", point).output().unwrap();
        assert_eq!(killed.status.code(), None, "{point}");
        project.ok("materialize busy_airports@1");
        assert_eq!(facts(&project, LOG), expected, "{point}");
        let online = project.json("get busy dest=LAX")["features"]["trend"]["value"].clone();
        project.ok("online rebuild busy_airports@1");
        assert_eq!(online, project.json("get busy dest=LAX")["features"]["trend"]["value"], "{point}");
    }
}

#[test]
fn what_cannot_be_derived_is_refused_in_a_sentence() {
    let project = defined();
    says(
        &project.refused("backfill busy_airports@1"),
        &[
            "busy_airports@1 is derived from airport_arrivals@1",
            "never loaded",
            "`twinstore backfill airport_arrivals@1`",
        ],
    );
    says(&project.refused("materialize busy_airports@1"), &["busy_airports@1 was never backfilled"]);
    // A part of the input's history is not all of it.
    project.ok("backfill airport_arrivals@1 --to 2013-06-03T00:00:00Z");
    says(&project.refused("backfill busy_airports@1"), &["never loaded as a whole", "airport_arrivals@1"]);
    project.ok("backfill airport_arrivals@1");
    says(
        &project.refused("backfill busy_airports@1 --from 2013-06-03T00:00:00Z"),
        &["busy_airports@1 is derived from airport_arrivals@1", "leave out --from and --to"],
    );
    says(
        &project.refused("backfill start busy_airports@1"),
        &[
            "busy_airports@1 is derived from airport_arrivals@1",
            "load it as a whole",
            "`twinstore backfill busy_airports@1`",
        ],
    );
    project.ok("backfill busy_airports@1");
    says(
        &project.refused("stream busy_airports@1"),
        &["busy_airports@1 has no stream of its own", "derived from airport_arrivals@1"],
    );
    // History that comes later would change what was derived.
    write_parquet(&project.path("data/landings/old.parquet"), &batch(&[landing(903, -86_400, 90.0)]));
    project.ok("backfill airport_arrivals@1");
    for command in ["backfill", "materialize"] {
        says(
            &project.refused(&format!("{command} busy_airports@1")),
            &[
                "airport_arrivals@1, which was backfilled with 1 row since",
                "2013-06-07T00:02:00Z",
                "busy_airports@2",
            ],
        );
    }
    project.edit("features/busy.yaml", "name: busy_airports\nversion: 1", "name: busy_airports\nversion: 2");
    project.ok("apply");
    project.ok("backfill busy_airports@2");
}

#[test]
fn a_view_whose_input_fails_is_not_loaded_and_the_others_are() {
    let project = defined();
    project.write("features/other.yaml", "kind: source\nname: gates\nschema: {at: timestamp, gate: string, airport: string}\nevent_time: at\nbatch: {path: data/gates.csv}\nassumed_delay: 1m\n---\nkind: feature_view\nname: gates\nversion: 1\nentity: airport\nsource: gates\nfeatures: {gate: {latest: gate}}\n---\nkind: feature_view\nname: on_gates\nversion: 1\nentity: airport\nsource: {view: gates@1}\nfeatures: {changes: {aggregate: count}}\n");
    project.ok("apply");
    let done = project.run("backfill --all");
    assert_eq!(done.code, Some(1));
    says(&done.stderr, &["data/gates.csv", "on_gates@1 was not loaded, as it is derived from gates@1"]);
    assert!(!stored::rows(&project.path(LOG)).is_empty(), "{}", done.stdout);
}

#[test]
fn an_input_is_used_and_kept_while_something_is_derived_from_it() {
    let project = defined();
    says(&project.refused("registry remove airport_arrivals@1"), &["busy_airports@1"]);
    project.ok("backfill airport_arrivals@1 busy_airports@1");
    says(&project.ok("registry show busy_airports"), &["used      since "]);
    project.edit("features/flights.yaml", "aggregate: count, window: 1d", "aggregate: count, window: 2d");
    says(
        &project.refused("plan"),
        &[
            "airport_arrivals",
            "never changes",
            "1d → 2d",
            "busy_airports@1 is derived from it",
            "add version 2",
        ],
    );
    project.edit("features/flights.yaml", "aggregate: count, window: 2d", "aggregate: count, window: 1d");
    says(&project.refused("retire airport_arrivals@1"), &["busy_airports@1"]);
    let tree = project.ok("lineage busy_airports");
    says(&tree, &["data/landings  batch", "landings", "airport_arrivals@1", "busy@1"]);
    let lineage = project.json("lineage busy_airports@1:trend");
    let names: Vec<&str> =
        lineage["nodes"].as_array().unwrap().iter().map(|node| node["name"].as_str().unwrap()).collect();
    for name in [
        "airport_arrivals@1:last_delay",
        "airport_arrivals@1:mean_delay_1d",
        "landings:arr_delay",
        "data/landings",
    ] {
        assert!(names.contains(&name), "no {name} in {names:?}");
    }
    let loads = project.json("offline loads busy_airports");
    let load = &loads[0]["outcome"]["load"];
    says(load["files"][0]["name"].as_str().unwrap(), &["airport_arrivals@1 version "]);
    assert_eq!((&load["provenance"], &load["assumed_delay"]), (&json!("declared"), &Value::Null));
    assert!(load["table_version"].as_u64().is_some(), "{load}");
}

#[test]
fn versions_of_a_derived_view_are_compared_cut_over_and_retired() {
    let project = Project::sample();
    project.write("features/busy.yaml", DERIVED);
    let second = DERIVED
        .replace("version: 1", "version: 2")
        .replace("max(arrivals_1d), window: 3d", "max(arrivals_1d), window: 2d");
    let second = second
        .replace("busy_airports@1", "busy_airports@2")
        .replace("visiting_aircraft@1", "visiting_aircraft@2");
    project.write("features/busy_2.yaml", second);
    project.write("twinstore.toml", "lineage.url = \"events.jsonl\"\n");
    project.ok("apply");
    project.ok("backfill airport_arrivals aircraft_last_flight busy_airports@1 visiting_aircraft@1");
    says(
        &project.refused("cutover busy@2"),
        &["busy_airports@2 has no row in its log", "`twinstore backfill busy_airports@2`", "never compared"],
    );
    project.ok("backfill busy_airports@2 visiting_aircraft@2");
    says(&project.ok("parity busy@1 busy@2"), &["peak_3d", "rows drawn from the log of busy_airports@1"]);
    let events = project.read("events.jsonl");
    let derived: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let derived = derived.iter().find(|event| event["job"]["name"] == "backfill.busy_airports@2").unwrap();
    says(derived["inputs"][0]["name"].as_str().unwrap(), &[INPUT]);
    project.ok("cutover busy@2 --reason shorter");
    says(&project.refused("retire busy_airports@1"), &["busy@1"]);
    project.ok("retire busy@1 --reason replaced");
    says(&project.ok("retire busy_airports@1 --reason replaced"), &["are freed"]);
    says(&project.refused("retire airport_arrivals@1"), &["busy_airports@2"]);
}

const SOURCE: &str = "\
schema: {visitor: int64, at: timestamp, ms: float32}
event_time: at
stream: {topic: clicks, format: json}
";

const CLICKS: &str = "---
kind: feature_view
name: visits
version: 1
entity: visitor
source: clicks
features:
  clicks: {aggregate: count}
  ms: {latest: ms}
---
kind: feature_view
name: patience
version: 1
entity: visitor
source: {view: visits@1}
features:
  longest: {aggregate: max(ms)}
  clicks: {latest: clicks}
---
kind: feature_service
name: visit
version: 1
features:
  - {from: patience@1}
";

#[test]
fn rows_of_the_inputs_stream_reach_a_derived_view_by_its_loads_and_a_killed_one_leaves_nothing_behind() {
    let project = with(&(visitors(SOURCE) + CLICKS));
    says(&project.refused("backfill patience@1"), &["visits@1", "never loaded"]);
    let push = |visitors: &[i64], ms: f64| {
        let time = now();
        let row = |visitor: &i64| format!("{{\"visitor\": {visitor}, \"at\": \"{time}\", \"ms\": {ms:?}}}\n");
        project.write("rows.jsonl", visitors.iter().map(row).collect::<String>());
        project.ok("push clicks rows.jsonl");
        project.ok("stream visits@1 --until-caught-up");
    };
    push(&[1, 2], 1.5);
    assert_eq!(loaded(&project, "backfill patience@1", "patience@1"), 2);
    push(&[1], 4.5);
    let mut command = project.command("materialize patience@1");
    let killed = command.env("TWINSTORE_TRIAL_BATCH_END", "online").output().unwrap();
    assert_eq!(killed.status.code(), None);
    // What was online ahead of its commit is taken back: no stream commits it.
    let rebuilt = project.run("online rebuild patience@1");
    assert_eq!((rebuilt.code, rebuilt.stderr.contains("stream")), (Some(0), false), "{}", rebuilt.stderr);
    let read = || project.json("get visit visitor=1")["features"].clone();
    assert_eq!((&read()["longest"]["value"], &read()["clicks"]["value"]), (&json!(1.5), &json!(1)));
    assert_eq!(loaded(&project, "materialize", "patience@1"), 1);
    assert_eq!((&read()["longest"]["value"], &read()["clicks"]["value"]), (&json!(4.5), &json!(2)));
    let rows = stored::rows(&project.path(".twinstore/offline/log/patience/v1"));
    assert_eq!(stored::positions(&rows), [(1, 0, 0), (1, 0, 1), (1, 0, 2)]);
}

#[test]
fn a_stream_brings_rows_to_the_views_that_are_derived_from_its_view() {
    let project = with(&(visitors(SOURCE) + CLICKS));
    project.write("features/more.yaml", "kind: feature_view\nname: endurance\nversion: 1\nentity: visitor\nsource: {view: patience@1}\nfeatures: {seen: {aggregate: count}}\n");
    project.ok("apply");
    let push = |visitor: i64, ms: f64| {
        project.write(
            "rows.jsonl",
            format!("{{\"visitor\": {visitor}, \"at\": \"{}\", \"ms\": {ms:?}}}\n", now()),
        );
        project.ok("push clicks rows.jsonl");
    };
    push(1, 1.5);
    push(1, 4.5);
    // Those that are named are followed, and nothing else.
    project.ok("stream visits@1 --until-caught-up");
    assert!(!project.path(".twinstore/offline/log/patience").exists());
    push(2, 3.5);
    let done = project.json("stream --until-caught-up");
    assert_eq!(
        done["derived"],
        json!([{"view": "endurance@1", "rows_loaded": 3}, {"view": "patience@1", "rows_loaded": 3}])
    );
    let read = |visitor: i64| project.json(&format!("get visit visitor={visitor}"))["features"].clone();
    assert_eq!((&read(1)["longest"]["value"], &read(1)["clicks"]["value"]), (&json!(4.5), &json!(2)));
    assert_eq!(project.json("stream --until-caught-up")["derived"], json!([]));
    let loads = project.json("offline loads patience");
    assert_eq!(
        (&loads[0]["state"], &loads[0]["outcome"]["load"]["rows"]["loaded"]),
        (&json!("complete"), &json!(3))
    );

    let server = Server::start(&project);
    push(1, 9.5);
    // The last in the chain is loaded last.
    let log = |view: &str| stored::rows(&project.path(&format!(".twinstore/offline/log/{view}/v1")));
    let is_seen = || read(1)["longest"]["value"] == json!(9.5) && log("endurance").len() == 4;
    let began = Instant::now();
    while !is_seen() {
        assert!(began.elapsed() < Duration::from_secs(60), "{}", read(1));
        thread::sleep(Duration::from_millis(200));
    }
    drop(server);
    for view in ["visits", "patience", "endurance"] {
        assert_eq!(stored::positions(&log(view)), [(1, 0, 0), (1, 0, 1), (1, 0, 2), (1, 0, 3)], "{view}");
    }
}
