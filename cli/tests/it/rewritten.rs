//! Sources whose rows lie elsewhere or otherwise than when they were loaded: what a load did not take, or retention dropped,
//! does not come back with them.

use std::process::Command;

use test_support::user_events;

use crate::delta_source::{BACKFILL, DeltaProject, LOG, MATERIALIZE, rewrite};
use crate::landings::{AFTER_THE_WEEK, Landing, landing};
use crate::project::{Project, says};
use crate::pushed::micros_now;
use crate::quarantined::{QUARANTINES, list};
use crate::stored;

const BETWEEN: &str = "{column: arr_delay, between: [-120, 1500]}";
const DAY: i64 = 86_400;

/// The ids of the loaded landings, by their delays, which are the same number.
fn loaded(delta: &DeltaProject) -> Vec<i64> {
    let rows = stored::rows(&delta.project.path(LOG));
    let delay = |row: &stored::Row| row["arr_delay"].parse::<f64>().unwrap() as i64;
    let mut delays: Vec<i64> = rows.iter().map(delay).collect();
    delays.sort_unstable();
    delays
}

fn numbered(ids: &[i64]) -> Vec<Landing> {
    ids.iter().map(|id| landing(*id, *id, *id as f32)).collect()
}

#[test]
fn rows_of_a_batch_that_waits_or_was_dropped_do_not_come_with_the_file_that_a_table_was_rewritten_into() {
    for is_dropped in [false, true] {
        let mut delta = DeltaProject::new(&numbered(&[1, 2]));
        delta.project.edit("features/flights.yaml", BETWEEN, QUARANTINES);
        delta.project.ok("apply");
        let bad = [numbered(&[3]), vec![landing(9, 9, 9999.0)]].concat();
        let added = delta.add("b.parquet", &bad, true);
        delta.commit(&[added]);
        assert_eq!(delta.loads(BACKFILL), 2);
        if is_dropped {
            delta.project.ok("quality quarantine drop airport_arrivals 1 --reason wrong");
        }
        let added = delta.add("c.parquet", &numbered(&[4]), true);
        delta.commit(&[added]);
        // One bad row of so many is not too many.
        let many: Vec<i64> = (100..140).collect();
        let added = delta.add("d.parquet", &numbered(&many), true);
        delta.commit(&[added]);
        let all = [numbered(&[4, 2, 1]), bad.clone(), numbered(&many)].concat();
        rewrite(&mut delta, &["a.parquet", "b.parquet", "c.parquet", "d.parquet"], "e.parquet", &all);
        assert_eq!(delta.loads(MATERIALIZE), 0, "dropped: {is_dropped}");
        assert_eq!(loaded(&delta), [1, 2]);
        let batches = list(&delta.project);
        let waiting = batches.iter().find(|one| one["file"] == "e.parquet").unwrap();
        assert_eq!(waiting["decision"], "waiting", "{waiting}");
        let number = &waiting["batch"];
        let shown = delta.project.ok(&format!("quality quarantine show airport_arrivals {number}"));
        says(&shown, &["the rows of the quarantined batch 1 beside others", "cannot be distinguished"]);
        // Nothing of it is lost: what is loaded already is known.
        assert_eq!(delta.loads(&format!("quality quarantine release airport_arrivals {number}")), 42);
        assert_eq!(loaded(&delta), [&[1, 2, 3, 4][..], &many].concat());
        assert_eq!((delta.loads(MATERIALIZE), delta.loads(BACKFILL)), (0, 0));
    }
}

#[test]
fn rows_that_retention_dropped_do_not_come_back_with_a_rewritten_table_or_an_interrupted_load() {
    let now = micros_now() / 1_000_000 - AFTER_THE_WEEK;
    let of = |id: i64, days: i64| landing(id, now - days * DAY - 60, id as f32);
    let mut delta = DeltaProject::new(&[of(1, 60), of(2, 50), of(3, 1)]);
    let retained = "keys: {airport: dest}\nttl: 2d\nretention: {online: 9d, offline: 9d}";
    delta.project.edit("features/flights.yaml", "keys: {airport: dest}", retained);
    delta.project.ok("apply");
    // A part of the table: the rest of its file is still to be loaded.
    let to = feature::Micros::new(micros_now() - 40 * DAY * 1_000_000).unwrap();
    assert_eq!(delta.loads(&format!("{BACKFILL} --to {to}")), 2);
    delta.project.ok("offline expire airport_arrivals");
    assert!(loaded(&delta).is_empty());
    assert_eq!(delta.loads(BACKFILL), 1);
    assert_eq!(loaded(&delta), [3]);
    let added = delta.add("b.parquet", &[of(4, 0)], true);
    delta.commit(&[added]);
    rewrite(
        &mut delta,
        &["a.parquet", "b.parquet"],
        "c.parquet",
        &[of(4, 0), of(2, 50), of(3, 1), of(1, 60)],
    );
    let report = delta.project.json(MATERIALIZE)["views"][0].clone();
    assert_eq!((&report["rows_loaded"], &report["rows_known"]), (&1.into(), &3.into()), "{report}");
    assert_eq!(loaded(&delta), [3, 4]);
}

#[test]
fn rows_that_were_left_out_or_refused_stay_out_when_a_table_is_rewritten() {
    let mut delta = DeltaProject::new(&numbered(&[1, 2, 3]));
    delta.project.edit(
        "features/flights.yaml",
        "keys: {airport: dest}",
        "keys: {airport: dest}\nwhere: flight_id <> 2",
    );
    delta.project.ok("apply");
    let gone = Landing { dest: "SFO", ..landing(7, 7, 7.0) };
    let added = delta.add("b.parquet", &[landing(8, 8, 9999.0), gone.clone()], true);
    delta.commit(&[added]);
    assert_eq!(delta.loads(BACKFILL), 3);
    delta.project.ok("forget airport=SFO --yes");
    assert_eq!(loaded(&delta), [1, 3]);
    let added = delta.add("c.parquet", &numbered(&[4]), true);
    delta.commit(&[added]);
    let all = [vec![gone, landing(8, 8, 9999.0)], numbered(&[4, 3, 2, 1])].concat();
    rewrite(&mut delta, &["a.parquet", "b.parquet", "c.parquet"], "d.parquet", &all);
    let report = delta.project.json(MATERIALIZE)["views"][0].clone();
    let counted = ["rows_loaded", "rows_known", "filtered", "forgotten"].map(|name| report[name].clone());
    assert_eq!(counted, [1, 2, 1, 1].map(serde_json::Value::from), "{report}");
    assert_eq!(loaded(&delta), [1, 3, 4]);
}

/// A source of JSON lines with two rows of one user.
fn of_files() -> Project {
    let project = Project::empty();
    let source = "schema: {user_id: int64, ts: timestamp, x: int64}\nevent_time: ts\nbatch: {path: data}\n";
    project
        .write("features/all.yaml", user_events("user_id", source, "features:\n  n: {aggregate: count}\n"));
    project.write("data/a.jsonl", ROWS);
    project.ok("apply");
    project
}

const ROWS: &str = r#"{"user_id": 1, "ts": "2024-01-01", "x": 1}
{"user_id": 1, "ts": "2024-01-02", "x": 2}
"#;

fn run(project: &Project, program: &str, words: &[&str]) {
    let done = Command::new(program).args(words).current_dir(project.path("data")).output();
    let done = done.unwrap_or_else(|error| panic!("install `{program}`: {error}"));
    assert!(done.status.success(), "{program} {words:?}: {}", String::from_utf8_lossy(&done.stderr));
}

fn count(project: &Project) -> serde_json::Value {
    project.json("get svc user_id=1")["features"]["n"]["value"].clone()
}

#[test]
fn a_loaded_file_that_is_compressed_or_decompressed_where_it_lies_is_loaded_already() {
    let project = of_files();
    assert_eq!(project.json("backfill --all")["views"][0]["rows_loaded"], 2);
    for (program, words) in [
        ("gzip", &["-1", "a.jsonl"][..]),
        ("gzip", &["-d", "a.jsonl.gz"]),
        ("gzip", &["-9", "a.jsonl"]),
        ("gzip", &["-d", "a.jsonl.gz"]),
        ("mv", &["a.jsonl", "b.jsonl"]),
        ("gzip", &["b.jsonl"]),
    ] {
        run(&project, program, words);
        for command in ["materialize", "backfill --all"] {
            let report = project.json(command)["views"][0].clone();
            let counted = (&report["rows_loaded"], &report["files_known"]);
            assert_eq!(counted, (&0.into(), &1.into()), "{program} {words:?}: {report}");
        }
        assert_eq!(count(&project), 2, "{program} {words:?}");
    }
    // Compressed in another way under its name; and another row is still another content.
    run(&project, "sh", &["-c", "gzip -dc b.jsonl.gz | gzip -1 > c && mv c b.jsonl.gz"]);
    assert_eq!(project.json("materialize")["views"][0]["rows_loaded"], 0);
    run(
        &project,
        "sh",
        &["-c", "(gzip -dc b.jsonl.gz; head -1 b.jsonl.gz | wc -c) | gzip > c && mv c b.jsonl.gz"],
    );
    says(&project.refused("materialize"), &["b.jsonl.gz` changed since v@1 loaded it"]);
}

#[test]
fn a_dropped_or_released_batch_keeps_its_decision_under_another_name() {
    for decision in ["drop", "release"] {
        let project = of_files();
        let expected =
            "max_bad_share: 0.3\nexpect:\n  - {column: x, between: [0, 9], on_failure: quarantine}\n";
        project.edit("features/all.yaml", "features:\n  n:", &format!("{expected}features:\n  n:"));
        project.write("data/b.jsonl", ROWS.replace("\"x\": 2", "\"x\": 99"));
        project.write("data/c.jsonl", ROWS.lines().next().unwrap().replace("2024", "2023"));
        run(&project, "rm", &["a.jsonl"]);
        project.ok("apply");
        assert_eq!(project.json("backfill --all")["views"][0]["rows_loaded"], 1);
        let reason = if decision == "drop" { " --reason wrong" } else { "" };
        project.ok(&format!("quality quarantine {decision} v 0{reason}"));
        let before = count(&project);
        assert_eq!(before.as_i64() > Some(1), decision == "release", "{before}");
        run(&project, "mv", &["b.jsonl", "moved.jsonl"]);
        run(&project, "gzip", &["moved.jsonl"]);
        let report = project.json("materialize")["views"][0].clone();
        assert_eq!(report["rows_loaded"], 0, "{decision}: {report}");
        assert_eq!(report["quarantined"].as_array().map(Vec::len), Some(0), "{decision}: {report}");
        assert_eq!(count(&project), before);
    }
}

#[test]
fn a_source_that_moved_from_files_into_a_table_or_back_is_refused_before_its_rows_are_loaded_again() {
    let mut delta = DeltaProject::new(&numbered(&[1, 2]));
    // Once from the files: the table's folder without its log.
    std::fs::rename(delta.table.join("_delta_log"), delta.project.path("data/log")).unwrap();
    assert_eq!(delta.loads(BACKFILL), 2);
    // The folder became a table where it lies, and grows: its files are known.
    std::fs::rename(delta.project.path("data/log"), delta.table.join("_delta_log")).unwrap();
    assert!(!delta.project.ok("plan").contains("the source of"));
    let added = delta.add("b.parquet", &numbered(&[3]), true);
    delta.commit(&[added]);
    assert_eq!(delta.loads(MATERIALIZE), 1);
    assert_eq!(loaded(&delta), [1, 2, 3]);
    // And files again: a table's folder also has those that it has no more.
    std::fs::rename(delta.table.join("_delta_log"), delta.project.path("data/log")).unwrap();
    let said = ["the source of airport_arrivals@1 is files in `data/table` now", "was a Delta table when"];
    for message in
        [delta.project.ok("plan"), delta.project.refused(MATERIALIZE), delta.project.refused(BACKFILL)]
    {
        says(&message, &said);
        says(&message, &["put back what it was", "define airport_arrivals@2 and backfill that"]);
    }
    assert_eq!(loaded(&delta), [1, 2, 3]);

    let delta = DeltaProject::new(&numbered(&[1, 2]));
    std::fs::create_dir(delta.project.path("data/files")).unwrap();
    std::fs::copy(delta.table.join("a.parquet"), delta.project.path("data/files/old.parquet")).unwrap();
    delta.project.edit("features/flights.yaml", "data/table", "data/files");
    delta.project.ok("apply");
    assert_eq!(delta.loads(BACKFILL), 2);
    delta.project.edit("features/flights.yaml", "data/files", "data/table");
    let said = ["the source of airport_arrivals@1 is the Delta table `data/table` now", "was files when"];
    says(&delta.project.ok("plan"), &said);
    delta.project.ok("apply");
    says(&delta.project.refused(MATERIALIZE), &said);
    // What is put back goes on.
    delta.project.edit("features/flights.yaml", "data/table", "data/files");
    delta.project.ok("apply");
    assert_eq!(delta.loads(MATERIALIZE), 0);
}
