//! Files of history that are not what their view expects: set aside whole, and released or dropped by a person, once.

use serde_json::Value;

use crate::delta_source::DeltaProject;
use crate::landings::{Landing, batch, landing, write_parquet};
use crate::project::{Done, Project, says};
use crate::stored::{self, Row};

pub const LOG: &str = ".twinstore/offline/log/airport_arrivals/v1";
const BETWEEN: &str = "{column: arr_delay, between: [-120, 1500]}";
pub const QUARANTINES: &str = "{column: arr_delay, between: [-120, 1500], on_failure: quarantine}";

/// The sample with a folder as its source, and with this expectation instead of its own.
pub fn expecting(expectation: &str) -> Project {
    let project = Project::sample();
    project.edit("features/flights.yaml", "data/landings.parquet", "data/landings");
    project.without_ttl();
    project.edit("features/flights.yaml", BETWEEN, expectation);
    project.ok("apply");
    project
}

/// Writes a file of `rows` landings, from a second on, of which the first `bad` are implausible.
pub fn write(project: &Project, name: &str, second: i64, rows: i64, bad: i64) {
    let delay = |row: i64| if row < bad { 9999.0 } else { 5.0 };
    let landings: Vec<Landing> =
        (0..rows).map(|row| landing(second * 1000 + row, second + row, delay(row))).collect();
    write_parquet(&project.path(&format!("data/landings/{name}.parquet")), &batch(&landings));
}

fn log(project: &Project) -> Vec<Row> {
    stored::rows(&project.path(LOG))
}

pub fn list(project: &Project) -> Vec<Value> {
    let listed = project.json("quality quarantine list airport_arrivals");
    listed["quarantined"].as_array().unwrap().clone()
}

/// What labels at these times count.
fn arrivals_at(project: &Project, times: &[&str]) -> Vec<String> {
    let rows: String = times.iter().map(|time| format!("LAX,N1,1,{time}\n")).collect();
    project.write("s.csv", format!("dest,tailnum,distance,t\n{rows}"));
    project.ok("training-set --service late_arrival --spine s.csv --time t --out o.csv");
    let text = project.read("o.csv");
    let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
    let heads = lines.next().unwrap();
    let at = heads.iter().position(|name| name == "dest_arrivals_1d").unwrap();
    lines.map(|line| line[at].clone()).collect()
}

#[test]
fn a_file_with_too_many_failing_rows_is_quarantined_whole_and_the_others_are_loaded() {
    let project = expecting(QUARANTINES);
    write(&project, "a", 0, 100, 5);
    write(&project, "b", 1000, 100, 6);
    write(&project, "c", 2000, 10, 0);
    let loaded = project.json("backfill airport_arrivals");
    let report = &loaded["views"][0];
    assert_eq!((&report["rows_loaded"], &report["rows_read"]), (&105.into(), &110.into()), "{loaded}");
    let quarantined = report["quarantined"].as_array().unwrap();
    assert_eq!(quarantined.len(), 1, "{loaded}");
    assert_eq!((&quarantined[0]["batch"], &quarantined[0]["rows"]), (&1.into(), &100.into()));
    says(quarantined[0]["why"].as_str().unwrap(), &["6 of its 100 rows fail", "and 5% may"]);
    assert!(log(&project).iter().all(|row| row["_position_major"] != "1"));
    let listed = list(&project);
    assert_eq!(
        (&listed[0]["decision"], &listed[0]["file"], &listed[0]["failing"]),
        (&"waiting".into(), &"b.parquet".into(), &6.into())
    );
    let shown = project.json("quality quarantine show airport_arrivals 1");
    assert_eq!(shown["examples"].as_array().unwrap().len(), 6);
    says(shown["examples"][0]["values"].as_str().unwrap(), &["9999"]);
    assert_eq!(shown["examples"][0]["row"], 1);
    // Passed over from then on, by the other view that expects nothing loaded.
    let again = project.ok("backfill airport_arrivals");
    says(&again, &["nothing new: 2 files loaded before, 1 file in quarantine", "quality quarantine list"]);
    assert_eq!(list(&project).len(), 1);
    assert_eq!(project.json("backfill aircraft_last_flight")["views"][0]["rows_loaded"], 210);
}

#[test]
fn the_share_of_failing_rows_that_a_file_may_have_is_the_views_own() {
    let project = expecting(QUARANTINES);
    project.edit("features/flights.yaml", "expect:", "max_bad_share: 0.5\nexpect:");
    project.ok("apply");
    write(&project, "a", 0, 100, 50);
    write(&project, "b", 1000, 100, 51);
    let loaded = project.json("backfill airport_arrivals");
    assert_eq!(loaded["views"][0]["rows_loaded"], 50, "{loaded}");
    says(loaded["views"][0]["quarantined"][0]["why"].as_str().unwrap(), &["51 of its 100 rows", "50% may"]);
}

#[test]
fn released_rows_are_available_from_their_release_on_and_to_no_label_before() {
    let project = expecting(QUARANTINES);
    write(&project, "a", 0, 10, 0);
    write(&project, "b", 1000, 10, 2);
    project.ok("backfill --all");
    let at = ["2013-06-08T01:00:00Z"];
    assert_eq!(arrivals_at(&project, &at), ["10"]);
    let before = project.json("audit")["entries"].as_array().unwrap().len();
    let released = project.json("quality quarantine release airport_arrivals 1 --reason mended");
    let report = &released["views"][0];
    assert_eq!((&report["rows_loaded"], &report["refused"].as_object().unwrap().len()), (&8.into(), &1));
    let rows = log(&project);
    let released: Vec<&Row> = rows.iter().filter(|row| row["_position_major"] == "1").collect();
    assert_eq!(released.len(), 8);
    assert!(
        released.iter().all(|row| row["_provenance"] == "measured" && row["_available_at"].as_str() > "2026")
    );
    assert_eq!(arrivals_at(&project, &at), ["10"], "the label sees what was there");
    assert_eq!(list(&project)[0]["decision"], "released");
    let again = project.json("quality quarantine release airport_arrivals 1");
    assert_eq!(again["views"][0]["rows_loaded"], 0);
    assert_eq!(log(&project).len(), 18);
    let entries = project.json("audit")["entries"].as_array().unwrap().clone();
    let entry = &entries[before];
    assert_eq!(entries.len(), before + 1);
    assert_eq!(
        (&entry["action"], &entry["reason"], &entry["to"]),
        (&"release".into(), &"mended".into(), &"batch 1 released".into())
    );
    says(
        &project.refused("quality quarantine drop airport_arrivals 1"),
        &["no quarantined batch 1", "it is released"],
    );
}

#[test]
fn a_dropped_batch_is_never_loaded_and_other_content_under_its_name_is() {
    let project = expecting(QUARANTINES);
    write(&project, "a", 0, 10, 10);
    project.ok("backfill airport_arrivals");
    says(&project.ok("quality quarantine drop airport_arrivals 0"), &["batch 0 is dropped"]);
    project.ok("quality quarantine drop airport_arrivals 0");
    assert_eq!(list(&project)[0]["decision"], "dropped");
    project.ok("backfill airport_arrivals");
    assert_eq!(project.json("materialize airport_arrivals")["views"][0]["rows_loaded"], 0);
    says(
        &project.refused("quality quarantine release airport_arrivals 0"),
        &["it is dropped", "quality quarantine list"],
    );
    let entries = project.json("audit")["entries"].as_array().unwrap().clone();
    assert_eq!(entries.iter().filter(|entry| entry["action"] == "drop").count(), 1);
    write(&project, "a", 0, 10, 0);
    assert_eq!(project.json("backfill airport_arrivals")["views"][0]["rows_loaded"], 10);
    says(&project.refused("quality quarantine release airport_arrivals 7"), &["no quarantined batch 7"]);
}

#[test]
fn a_file_that_was_mended_in_place_is_loaded_and_its_batch_says_that_it_is_replaced() {
    let project = expecting(QUARANTINES);
    write(&project, "a", 0, 10, 10);
    project.ok("backfill airport_arrivals");
    write(&project, "a", 0, 10, 0);
    assert_eq!(project.json("backfill airport_arrivals")["views"][0]["rows_loaded"], 10);
    assert_eq!(list(&project)[0]["decision"], "replaced");
    says(&project.run("quality quarantine release airport_arrivals 0").stderr, &["it is replaced"]);
    assert_eq!(log(&project).len(), 10);
}

#[test]
fn a_batch_whose_file_is_gone_is_not_released_and_says_what_to_do() {
    let project = expecting(QUARANTINES);
    write(&project, "a", 0, 10, 0);
    write(&project, "b", 1000, 10, 10);
    project.ok("backfill airport_arrivals");
    std::fs::remove_file(project.path("data/landings/b.parquet")).unwrap();
    let said = project.run("quality quarantine release airport_arrivals 1");
    assert_eq!(said.code, Some(1));
    says(&said.stderr, &["batch 1 of airport_arrivals@1", "restore it", "drop the batch"]);
    assert_eq!(list(&project)[0]["decision"], "waiting");
}

#[test]
fn a_load_and_a_release_that_are_killed_between_any_two_steps_are_done_once_when_they_are_repeated() {
    for (words, points) in [
        ("backfill airport_arrivals", ["turn-taken", "quarantined", "committed"].as_slice()),
        (
            "quality quarantine release airport_arrivals 1",
            ["released", "read", "refused", "online", "file-written", "committed"].as_slice(),
        ),
    ] {
        for point in points {
            let project = expecting(QUARANTINES);
            write(&project, "a", 0, 10, 0);
            write(&project, "b", 1000, 10, 2);
            if words.starts_with("quality") {
                project.ok("backfill airport_arrivals");
            }
            let mut command = project.command(words);
            let killed = Done::of(command.env("TWINSTORE_TRIAL_BATCH_END", point).output().unwrap());
            assert!(killed.code != Some(0), "{words} passes {point}: {}", killed.stdout);
            // What others do meanwhile finishes nothing of it, and loads none of its rows as history.
            project.ok("backfill airport_arrivals");
            project.ok("quality quarantine release airport_arrivals 1");
            let rows = log(&project);
            let of_batch = |row: &&Row| row["_position_major"] == "1";
            assert_eq!((rows.len(), rows.iter().filter(of_batch).count()), (18, 8), "{words} at {point}");
            assert!(rows.iter().filter(of_batch).all(|row| row["_provenance"] == "measured"), "{point}");
            let listed = list(&project);
            assert_eq!((listed.len(), &listed[0]["decision"]), (1, &"released".into()), "{words} at {point}");
            let entries = project.json("audit")["entries"].as_array().unwrap().clone();
            assert_eq!(entries.iter().filter(|entry| entry["action"] == "release").count(), 1);
            says(&project.ok("verify --deep"), &["quarantine"]);
        }
    }
}

#[test]
fn a_file_is_checked_as_a_whole_for_its_rows_their_age_and_repeated_ones() {
    let quarantined = |expectation: &str, rows: &[Landing]| {
        let project = expecting(expectation);
        write_parquet(&project.path("data/landings/a.parquet"), &batch(rows));
        let loaded = project.json("backfill airport_arrivals");
        let report = &loaded["views"][0];
        (report["quarantined"][0]["why"].as_str().map(str::to_owned), report["warned"].clone())
    };
    let rows: Vec<Landing> = (0..10).map(|row| landing(row, row, 5.0)).collect();
    let (why, _) = quarantined("{rows: {least: 11}}", &rows);
    says(&why.unwrap(), &["it has 10 rows, and at least 11 are expected"]);
    assert_eq!(quarantined("{rows: {least: 10}}", &rows).0, None);
    let (why, _) = quarantined("{newest_within: 1d, name: fresh}", &rows);
    says(
        &why.unwrap(),
        &["`fresh`: its newest row is of 2013-06-08T00:00:09Z, more than 1d before its load at"],
    );
    let twice = [rows.as_slice(), rows.get(..1).unwrap()].concat();
    says(&quarantined("{unique: true}", &twice).0.unwrap(), &["1 of its 11 rows fail (1 `unique`)"]);
    assert_eq!(quarantined("{unique: true}", &rows).0, None);
    let (why, warned) = quarantined("{unique: true, on_failure: warn}", &twice);
    assert_eq!((why, &warned["unique"]), (None, &1.into()));
}

#[test]
fn a_file_is_checked_against_the_same_hours_a_week_before() {
    let project = expecting("{rows: {of_last_week: 0.8}}");
    let week = 7 * 86_400;
    write(&project, "a", 0, 100, 0);
    write(&project, "b", week, 80, 0);
    write(&project, "c", 2 * week, 63, 0);
    let loaded = project.json("backfill airport_arrivals");
    let report = &loaded["views"][0];
    // The file before it is not in the log yet, and is compared with all the same.
    assert_eq!(report["rows_loaded"], 180, "{loaded}");
    let why = report["quarantined"][0]["why"].as_str().unwrap();
    says(why, &["63 rows of hours that had 80 a week before", "0.8"]);
    project.ok("quality quarantine release airport_arrivals 2");
    write(&project, "d", 3 * week, 50, 0);
    let loaded = project.json("backfill airport_arrivals");
    let why = loaded["views"][0]["quarantined"][0]["why"].as_str().unwrap();
    says(why, &["50 rows of hours that had 63 a week before", "0.8"]);
}

#[test]
fn of_a_load_of_one_quarantined_file_it_is_not_said_that_rows_are_known_or_that_nothing_came() {
    let project = expecting(QUARANTINES);
    write(&project, "a", 0, 10, 0);
    project.ok("backfill airport_arrivals");
    write(&project, "b", 1000, 10, 5);
    let done = project.run("materialize airport_arrivals");
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    says(&done.stdout, &["`b.parquet` is quarantined as batch 1"]);
    assert!(!done.stdout.contains("nothing new"), "{}", done.stdout);
    assert!(!done.stderr.contains("known from now on"), "{}", done.stderr);
    // What is loaded beside another quarantined file is old, and that is said.
    write(&project, "c", 2000, 10, 5);
    write(&project, "d", 3000, 10, 0);
    says(&project.run("materialize airport_arrivals").stderr, &["known from now on"]);
    // Which files were set aside is recorded with the run.
    let loads = project.json("offline loads airport_arrivals");
    let newest = loads[0]["outcome"]["load"].clone();
    assert_eq!(newest["quarantined"], serde_json::json!([{"batch": 2, "name": "c.parquet", "rows": 10}]));
    says(&project.ok("offline loads airport_arrivals"), &["complete, 1 file in quarantine"]);
}

#[test]
fn a_batch_waits_although_later_files_are_loaded() {
    let project = expecting(QUARANTINES);
    write(&project, "a", 0, 10, 2);
    project.ok("backfill airport_arrivals");
    write(&project, "b", 1000, 10, 0);
    assert_eq!(project.json("materialize airport_arrivals")["views"][0]["rows_loaded"], 10);
    assert_eq!(project.json("quality quarantine release airport_arrivals 0")["views"][0]["rows_loaded"], 8);
}

#[test]
fn a_file_of_a_delta_table_waits_and_is_found_again_after_later_versions() {
    let mut delta = DeltaProject::new(&[landing(1, 0, 1.0)]);
    delta.project.edit("features/flights.yaml", BETWEEN, QUARANTINES);
    delta.project.ok("apply");
    assert_eq!(delta.loads("backfill airport_arrivals"), 1);
    let bad = delta.add("bad.parquet", &[landing(2, 1, 9999.0), landing(3, 2, 3.0)], true);
    delta.commit(&[bad]);
    let good = delta.add("good.parquet", &[landing(4, 3, 4.0)], true);
    delta.commit(&[good]);
    assert_eq!(delta.loads("materialize airport_arrivals"), 1);
    let more = delta.add("more.parquet", &[landing(5, 4, 5.0)], true);
    delta.commit(&[more]);
    assert_eq!(delta.loads("materialize airport_arrivals"), 1);
    assert_eq!(delta.loads("quality quarantine release airport_arrivals 1"), 1);
    assert_eq!(delta.loads("materialize airport_arrivals"), 0);
    let last = delta.add("last.parquet", &[landing(6, 5, 6.0)], true);
    delta.commit(&[last]);
    assert_eq!(
        (delta.loads("materialize airport_arrivals"), delta.loads("backfill airport_arrivals")),
        (1, 0)
    );
    assert_eq!(log(&delta.project).len(), 5);
}

#[test]
fn a_training_set_names_the_batches_that_were_in_quarantine_when_it_was_begun() {
    let project = expecting(QUARANTINES);
    write(&project, "a", 0, 10, 0);
    write(&project, "b", 1000, 10, 2);
    project.ok("backfill --all");
    let quarantined = |project: &Project| {
        arrivals_at(project, &["2013-06-08T01:00:00Z"]);
        let manifest: Value = serde_json::from_str(&project.read("o.csv.manifest.json")).unwrap();
        manifest["quarantined"].clone()
    };
    let named =
        serde_json::json!([{"view": "airport_arrivals@1", "batch": 1, "file": "b.parquet", "rows": 10}]);
    assert_eq!(quarantined(&project), named);
    says(&project.ok("training-set verify o.csv"), &["equal"]);
    project.ok("quality quarantine release airport_arrivals 1");
    assert_eq!(quarantined(&project), Value::Null);
}

#[test]
fn in_a_backfill_by_dates_a_date_with_too_many_failing_rows_is_set_aside() {
    let project = expecting(QUARANTINES);
    write(&project, "a", 0, 100, 6);
    write(&project, "b", 86_400, 100, 5);
    let started = project.run("backfill start airport_arrivals --format json");
    assert_eq!(started.code, Some(1), "{}", started.stdout);
    let status = project.json("backfill status airport_arrivals");
    says(&status.to_string(), &["6 of its 100 rows fail", "and 5% may"]);
    let read = project.run("get late_arrival dest=LAX tailnum=N1 distance=1");
    says(
        &read.stderr,
        &[
            "the backfill by dates of airport_arrivals@1 is not done",
            "`twinstore backfill status airport_arrivals@1`",
        ],
    );
    assert!(!read.stderr.contains("`twinstore backfill airport_arrivals@1`"), "{}", read.stderr);
    assert_eq!(log(&project).len(), 95);
    project.ok("backfill resume airport_arrivals --accept 2013-06-08");
    assert_eq!(log(&project).len(), 189);
}

#[test]
fn a_date_of_which_most_rows_are_refused_is_set_aside_until_it_is_accepted() {
    let project = expecting(BETWEEN);
    write(&project, "a", 0, 200, 150);
    write(&project, "b", 86_400, 200, 20);
    let started = project.run("backfill start airport_arrivals");
    assert_eq!(started.code, Some(1), "{}", started.stdout);
    let status = project.json("backfill status airport_arrivals").to_string();
    says(&status, &["150 of its 200 rows are refused, and 10% may be, 150 for: the expectation"]);
    assert_eq!(log(&project).len(), 180);
    project.ok("backfill resume airport_arrivals --accept 2013-06-08");
    assert_eq!(log(&project).len(), 230);
}

/// A file of three days, of which the second has bad rows.
fn three_days(project: &Project) {
    let of_day = |day: i64| {
        (0..10).map(move |row| {
            let delay = if day == 1 && row < 5 { 9999.0 } else { 5.0 };
            landing(day * 100 + row, day * 86_400 + row, delay)
        })
    };
    let landings: Vec<Landing> = (0..3).flat_map(of_day).collect();
    write_parquet(&project.path("data/landings/a.parquet"), &batch(&landings));
}

#[test]
fn of_a_range_of_times_its_rows_are_validated_and_released_and_no_others() {
    let project = expecting(QUARANTINES);
    three_days(&project);
    let loaded = project.json("backfill airport_arrivals --from 2013-06-09 --to 2013-06-10");
    let batch = &loaded["views"][0]["quarantined"][0];
    assert_eq!(batch["rows"], 10, "{loaded}");
    says(
        batch["why"].as_str().unwrap(),
        &["of its rows from 2013-06-09T00:00:00Z to 2013-06-10T00:00:00Z: 5 of its 10 rows fail"],
    );
    let released = project.json("quality quarantine release airport_arrivals 0 --reason mended");
    assert_eq!(released["views"][0]["rows_loaded"], 5, "{released}");
    assert!(log(&project).iter().all(|row| row["_event_time"].starts_with("2013-06-09")));
    assert_eq!(list(&project)[0]["decision"], "released");
    assert_eq!(project.json("quality quarantine release airport_arrivals 0")["views"][0]["rows_loaded"], 0);
    // The other days are loaded as those of any file, and what was decided stands.
    let rest = project.json("backfill airport_arrivals");
    assert_eq!(
        (&rest["views"][0]["rows_loaded"], &rest["views"][0]["quarantined"]),
        (&20.into(), &serde_json::json!([])),
        "{rest}"
    );
    assert_eq!(log(&project).len(), 25);
    assert_eq!(list(&project)[0]["decision"], "released");
    says(&project.ok("backfill airport_arrivals"), &["nothing new: 1 file loaded before"]);
}

#[test]
fn rows_out_of_the_range_of_a_load_are_validated_by_the_next_one() {
    let project = expecting(QUARANTINES);
    three_days(&project);
    let loaded = project.json("backfill airport_arrivals --to 2013-06-09");
    assert_eq!(loaded["views"][0]["rows_loaded"], 10, "{loaded}");
    let rest = project.json("backfill airport_arrivals");
    says(rest["views"][0]["quarantined"][0]["why"].as_str().unwrap(), &["5 of its 30 rows fail"]);
    assert_eq!(log(&project).len(), 10);
    let released = project.json("quality quarantine release airport_arrivals 0");
    assert_eq!(released["views"][0]["rows_loaded"], 15, "{released}");
    let positions: std::collections::BTreeSet<String> =
        log(&project).iter().map(|row| row["_position_minor"].clone()).collect();
    assert_eq!((positions.len(), log(&project).len()), (25, 25));
}

#[test]
fn a_release_takes_its_rows_on_into_views_that_are_derived() {
    let project = expecting(QUARANTINES);
    project.write(
        "features/counted.yaml",
        "kind: feature_view\nname: counted\nversion: 1\nentity: airport\nsource: {view: airport_arrivals@1}\n\
         features: {arrivals: {aggregate: count}}\n",
    );
    project.ok("apply");
    write(&project, "a", 0, 10, 0);
    write(&project, "b", 1000, 10, 2);
    project.ok("backfill --all");
    let released = project.json("quality quarantine release airport_arrivals 1 --reason mended");
    let rows: Vec<(&Value, &Value)> = released["views"]
        .as_array()
        .unwrap()
        .iter()
        .map(|report| (&report["view"], &report["rows_loaded"]))
        .collect();
    assert_eq!(rows, [(&"airport_arrivals@1".into(), &8.into()), (&"counted@1".into(), &8.into())]);
    assert!(!project.ok("doctor").contains("lacks"), "nothing is behind");
    // Of a view that is loaded alone, what is derived from it is behind, and that is said.
    write(&project, "c", 2000, 10, 0);
    project.ok("materialize airport_arrivals");
    says(
        &project.ok("doctor"),
        &["counted@1 lacks 10 rows that airport_arrivals@1 has", "run `twinstore materialize counted@1`"],
    );
    project.ok("materialize");
    assert!(!project.ok("doctor").contains("lacks"), "nothing is behind");
}

#[test]
fn every_check_of_rows_refuses_the_rows_that_do_not_meet_it() {
    let of = |expectation: &str| {
        let project = expecting(expectation);
        let mut rows = vec![landing(0, 0, 5.0), landing(1, 1, 7.0), landing(2, 2, 9.0)];
        rows[1].dest = "lax";
        rows[2].tailnum = None;
        write_parquet(&project.path("data/landings/a.parquet"), &batch(&rows));
        let loaded = project.json("backfill airport_arrivals");
        loaded["views"][0]["refused"]
            .as_object()
            .unwrap()
            .values()
            .map(|rows| rows.as_u64().unwrap())
            .sum::<u64>()
    };
    for (expectation, refused) in [
        ("{column: tailnum, not_null: true}", 1),
        ("{column: dest, in: [LAX, BOS]}", 1),
        ("{column: flight_id, in: [0, 2]}", 1),
        ("{column: dest, matches: '^[A-Z]{3}$'}", 1),
        ("{column: tailnum, matches: '^N'}", 0),
        ("{column: tailnum, in: [N2]}", 2),
        ("{sql: \"arr_delay < air_time AND flight_id < distance\"}", 0),
        ("{sql: \"arr_delay < flight_id + 7\"}", 1),
        ("{column: tailnum, not_null: true, on_failure: warn}", 0),
    ] {
        assert_eq!(of(expectation), refused, "{expectation}");
    }
}

#[test]
fn a_release_that_is_refused_leaves_nothing_in_the_audit_log() {
    let project = expecting(QUARANTINES);
    write(&project, "a", 0, 10, 0);
    write(&project, "b", 1000, 10, 10);
    project.ok("backfill airport_arrivals");
    let file = project.path("data/landings/b.parquet");
    std::fs::rename(&file, project.path("b.aside")).unwrap();
    project.run("quality quarantine release airport_arrivals 1 --reason wrong");
    let decisions = || {
        let log = project.json("audit airport_arrivals@1");
        log["entries"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|entry| entry.to_string().contains("released"))
            .count()
    };
    assert_eq!(decisions(), 0);
    assert_eq!(list(&project)[0]["decision"], "waiting");
    std::fs::rename(project.path("b.aside"), &file).unwrap();
    project.ok("quality quarantine release airport_arrivals 1 --reason right");
    assert_eq!(decisions(), 1);
}

#[test]
fn what_is_in_quarantine_is_known_by_the_log_where_its_description_is_lost() {
    let project = expecting(QUARANTINES);
    write(&project, "a", 0, 10, 0);
    write(&project, "b", 1000, 10, 10);
    project.ok("backfill airport_arrivals");
    let table = project.path(".twinstore/offline/quarantine/airport_arrivals/v1");
    // Rows without the commits that name them are damage; a table that is gone has lost what it described.
    std::fs::rename(table.join("_delta_log"), project.path("aside")).unwrap();
    assert_ne!(project.run("verify --deep").code, Some(0));
    says(&project.refused("quality quarantine list"), &["its commits are missing"]);
    std::fs::remove_dir_all(&table).unwrap();
    let found = list(&project);
    assert_eq!(found.len(), 1, "{found:?}");
    says(&found[0].to_string(), &["waiting", "what was found in it is lost"]);
    project.ok("quality quarantine release airport_arrivals 1 --reason known");
    assert_eq!(list(&project)[0]["decision"], "released");
}
