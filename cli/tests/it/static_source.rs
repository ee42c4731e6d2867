//! A source without an event time: its rows have always been known, and a new content is a new load.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray};

use crate::landings::write_parquet;
use crate::project::{Project, says};
use crate::stored;

const PLANES: &str = "
kind: source
name: planes
schema: {tailnum: string, seats: int32}
batch: {path: data/planes.parquet}
---
kind: feature_view
name: plane
version: 1
entity: aircraft
source: planes
features:
  seats: {latest: seats}
---
kind: feature_service
name: planes
version: 1
features: [{from: plane@1}]
";

fn planes(rows: &[(&str, i32)]) -> Project {
    let project = Project::sample();
    project.write("features/planes.yaml", PLANES);
    write(&project, rows);
    project.ok("apply");
    project
}

fn write(project: &Project, rows: &[(&str, i32)]) {
    let tails: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|(tail, _)| tail)));
    let seats: ArrayRef = Arc::new(Int32Array::from_iter_values(rows.iter().map(|(_, seats)| *seats)));
    let batch = RecordBatch::try_from_iter([("tailnum", tails), ("seats", seats)]).unwrap();
    write_parquet(&project.path("data/planes.parquet"), &batch);
}

fn seats(project: &Project, tail: &str) -> serde_json::Value {
    project.json(&format!("get planes tailnum={tail}"))["features"]["seats"].clone()
}

/// The seats that a label at this time sees.
fn seats_at(project: &Project, tail: &str, time: &str) -> String {
    project.write("s.csv", format!("tailnum,t\n{tail},{time}\n"));
    project.ok("training-set --service planes --spine s.csv --time t --out o.csv");
    project.read("o.csv").lines().nth(1).unwrap().rsplit(',').next().unwrap().to_owned()
}

#[test]
fn the_first_load_has_always_been_known_and_has_no_age() {
    let project = planes(&[("N1", 100), ("N2", 200)]);
    project.ok("backfill plane@1");
    let read = seats(&project, "N1");
    assert_eq!((&read["value"], &read["status"]), (&100.into(), &"PRESENT".into()));
    assert!(read["event_time"].is_null() && read["age_s"].is_null(), "{read}");
    assert_eq!(seats_at(&project, "N2", "1913-01-01T00:00:00Z"), "200");
}

#[test]
fn a_comparison_shows_no_time_of_rows_that_have_none() {
    let project = planes(&[("N1", 100), ("N2", 200)]);
    let second = "\n---\nkind: feature_view\nname: plane\nversion: 2\nentity: aircraft\nsource: planes\n\
                  features:\n  seats: {latest: seats * 2}\n";
    project.write("features/planes.yaml", format!("{PLANES}{second}"));
    project.ok("apply");
    project.ok("backfill plane@1 plane@2");
    let compared = project.run("parity plane@1 plane@2 --html parity.html");
    assert_eq!(compared.code, Some(1), "{}", compared.stderr);
    says(&compared.stdout, &["its latest row: seats = ", ", of a static source"]);
    says(&project.read("parity.html"), &["of a static source"]);
    for shown in [&compared.stdout, &project.read("parity.html")] {
        assert!(!shown.contains("0001-01-01"), "{shown}");
    }
    let report = project.run("parity plane@1 plane@2 --format json").stdout;
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let row = &report["features"][0]["differences"][0]["old_inputs"][0];
    assert!(row["event_time"].is_null() && row["available_at"].is_null(), "{row}");
}

#[test]
fn a_first_load_needs_no_backfill() {
    let project = planes(&[("N1", 100)]);
    project.ok("materialize plane@1");
    assert_eq!(seats(&project, "N1")["value"], 100);
    assert_eq!(seats_at(&project, "N1", "1913-01-01T00:00:00Z"), "100");
}

#[test]
fn changed_content_is_a_new_load_and_a_missing_key_keeps_its_last_row() {
    let project = planes(&[("N1", 100), ("N2", 200)]);
    project.ok("backfill plane@1");
    write(&project, &[("N1", 111), ("N3", 300)]);
    project.ok("materialize plane@1");
    assert_eq!(
        ["N1", "N2", "N3"].map(|tail| seats(&project, tail)["value"].as_i64().unwrap()),
        [111, 200, 300]
    );
    // Who was trained on the past sees the past.
    assert_eq!(seats_at(&project, "N1", "2013-06-01T00:00:00Z"), "100");
    assert_eq!(seats_at(&project, "N3", "2013-06-01T00:00:00Z"), "");
    assert_eq!(seats_at(&project, "N1", "9999-01-01T00:00:00Z"), "111");
    says(&project.ok("materialize plane@1"), &["nothing new"]);
    let rows = stored::rows(&project.path(".twinstore/offline/log/plane/v1"));
    assert_eq!(stored::positions(&rows), [(0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1)]);
}

#[test]
fn a_content_that_comes_back_is_a_new_load_too() {
    let project = planes(&[("N1", 100)]);
    project.ok("backfill plane@1");
    for count in [111, 100, 111] {
        write(&project, &[("N1", count)]);
        project.ok("materialize plane@1");
        assert_eq!(seats(&project, "N1")["value"], count);
    }
}

#[test]
fn a_content_that_is_back_before_another_was_loaded_is_not_loaded_twice() {
    let project = planes(&[("N1", 100)]);
    project.ok("backfill plane@1");
    write(&project, &[("N1", 111)]);
    let mut command = project.command("materialize plane@1");
    command.env("TWINSTORE_TRIAL_BATCH_END", "turn-taken");
    assert_eq!(command.output().unwrap().status.code(), None);
    write(&project, &[("N1", 100)]);
    project.ok("materialize plane@1");
    let rows = || stored::rows(&project.path(".twinstore/offline/log/plane/v1"));
    assert_eq!(stored::positions(&rows()), [(0, 0, 0)]);
    write(&project, &[("N1", 112)]);
    project.ok("materialize plane@1");
    assert_eq!(rows().len(), 2);
    assert_eq!(seats(&project, "N1")["value"], 112);
}

#[test]
fn a_range_of_times_and_a_window_are_refused() {
    let project = planes(&[("N1", 100)]);
    says(
        &project.refused("backfill plane@1 --from 2013-06-01"),
        &["has no event time: leave out --from and --to"],
    );
    project.edit(
        "features/planes.yaml",
        "seats: {latest: seats}",
        "seats: {aggregate: sum(seats), window: 1d}",
    );
    says(&project.refused("plan"), &["features/planes.yaml:", "window"]);
}

#[test]
fn loads_beside_each_other_load_each_content_once() {
    let project = planes(&[("N1", 100), ("N2", 200)]);
    for content in 0..4 {
        write(&project, &[("N1", 100 + content), ("N2", 200 + content)]);
        let load = || project.command("materialize plane@1").spawn().unwrap();
        for started in [load(), load(), load()] {
            started.wait_with_output().unwrap();
        }
        project.ok("materialize plane@1");
        let rows = stored::rows(&project.path(".twinstore/offline/log/plane/v1"));
        let expected: Vec<_> =
            (0..=i64::from(content)).flat_map(|file| [(0, file, 0), (0, file, 1)]).collect();
        assert_eq!(stored::positions(&rows), expected);
        assert_eq!(seats(&project, "N1")["value"], 100 + content);
    }
}
