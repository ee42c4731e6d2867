//! Rows that cannot be taken: each with its position and reason in the dead letters, and counted;
//! no other row waits for them.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};

use crate::landings::{AFTER_THE_WEEK, Landing, batch, landing, write_parquet};
use crate::project::{Project, says};
use crate::stored;

const LOG: &str = ".twinstore/offline/log/airport_arrivals/v1";
const DEAD_LETTERS: &str = ".twinstore/offline/dead_letters/airport_arrivals/v1";

/// Seconds from the sample's end to a day that no test will see.
const YEAR_2200: i64 = 7_258_118_400 - AFTER_THE_WEEK;

#[test]
fn every_kind_of_bad_row_ends_in_the_dead_letters_and_the_rest_is_loaded() {
    let project = Project::sample();
    let rows = [
        landing(0, 0, 5.0),
        landing(1, 1, 9999.0),
        landing(2, YEAR_2200, 5.0),
        Landing { second: None, ..landing(3, 0, 5.0) },
        landing(4, 4, -130.0),
        landing(5, 5, 1500.0),
        landing(6, -400_000_000_000, 5.0),
    ];
    write_parquet(&project.path("data/landings.parquet"), &batch(&rows));
    project.ok("apply");
    let loaded = project.json("backfill airport_arrivals@1");
    let report = &loaded["views"][0];
    assert_eq!((&report["rows_read"], &report["rows_loaded"]), (&7.into(), &2.into()), "{loaded}");
    let refused = report["refused"].as_object().unwrap();
    assert_eq!(refused.values().map(|n| n.as_u64().unwrap()).sum::<u64>(), 5, "{refused:?}");
    assert_eq!(refused["too_far_ahead"], 1);
    assert_eq!(refused.iter().find(|(reason, _)| reason.contains("arr_delay")).unwrap().1, 2);
    let dead_letters = stored::rows(&project.path(DEAD_LETTERS));
    let numbers: Vec<_> =
        dead_letters.iter().map(|dead_letter| dead_letter["_position_minor"].as_str()).collect();
    assert_eq!(numbers, ["1", "2", "3", "4", "6"]);
    let details: [&[&str]; 5] = [
        &["arr_delay"],
        &["2200-01-01T00:00:00Z", "more than 1h ahead of the start of its load"],
        &["null", "landed_at"],
        &["arr_delay"],
        &["landed_at", "0001"],
    ];
    for (dead_letter, parts) in dead_letters.iter().zip(details) {
        says(&dead_letter["detail"], parts);
        assert_eq!(dead_letter["origin"], "landings.parquet");
    }
    assert!(dead_letters[0]["row"].contains("\"arr_delay\":\"9999"), "{}", dead_letters[0]["row"]);
    assert_eq!(stored::positions(&stored::rows(&project.path(LOG))), [(0, 0, 0), (0, 0, 5)]);
}

#[test]
fn the_summary_counts_refused_rows_by_their_reason() {
    let project = Project::sample();
    let rows = [landing(0, 0, 5.0), landing(1, 1, 9999.0), landing(2, YEAR_2200, 5.0)];
    write_parquet(&project.path("data/landings.parquet"), &batch(&rows));
    project.ok("apply");
    let reported = project.ok("backfill airport_arrivals@1");
    says(&reported, &["airport_arrivals@1: 1 row refused: too far ahead", "1 row loaded"]);
    says(&reported, &["1 row refused: ", "arr_delay"]);
}

#[test]
fn an_expectation_that_only_warns_lets_the_row_in_and_counts_it() {
    let project = Project::sample();
    let only_warn = "between: [-120, 1500], severity: warn}";
    project.edit("features/flights.yaml", "between: [-120, 1500]}", only_warn);
    write_parquet(&project.path("data/landings.parquet"), &batch(&[landing(0, 0, 9999.0)]));
    project.ok("apply");
    says(&project.ok("backfill airport_arrivals@1"), &["1 row against", "which only warns", "1 row loaded"]);
}

#[test]
fn rows_without_a_key_or_outside_where_are_left_out_and_counted() {
    let project = Project::sample();
    project.edit(
        "features/flights.yaml",
        "source: landings\nttl: 7d",
        "source: landings\nwhere: arr_delay >= 0\nttl: 7d",
    );
    let rows = [
        landing(0, 0, 5.0),
        landing(1, 1, -1.0),
        Landing { tailnum: None, ..landing(2, 2, 5.0) },
        Landing { tailnum: None, ..landing(3, 3, -5.0) },
    ];
    write_parquet(&project.path("data/landings.parquet"), &batch(&rows));
    project.ok("apply");
    let reported = project.ok("backfill aircraft_last_flight@1");
    says(&reported, &["2 rows did not pass `where`", "1 row left out: a null in the key", "1 row loaded"]);
}

#[test]
fn an_expression_that_fails_on_a_row_refuses_that_row_alone() {
    let project = Project::sample();
    project.edit(
        "features/flights.yaml",
        "latest: arr_delay, unit: minutes}\n  last_dest",
        "latest: \"distance / (flight_id - 1)\"}\n  last_dest",
    );
    let rows = [landing(0, 0, 5.0), landing(1, 1, 5.0), landing(2, 2, 5.0)];
    write_parquet(&project.path("data/landings.parquet"), &batch(&rows));
    project.ok("apply");
    let reported = project.json("backfill aircraft_last_flight@1");
    assert_eq!(reported["views"][0]["rows_loaded"], 2, "{reported}");
    let dead_letters = stored::rows(&project.path(".twinstore/offline/dead_letters/aircraft_last_flight/v1"));
    assert_eq!(stored::positions(&dead_letters), [(0, 0, 1)]);
    says(&dead_letters[0]["detail"], &["last_delay", "zero"]);
}

#[test]
fn a_declared_time_that_is_null_or_too_far_ahead_is_bad() {
    let project = Project::sample();
    let source = "
kind: source
name: scans
schema: {tailnum: string, at: timestamp, loaded_at: timestamp, n: int64}
event_time: at
available_at: loaded_at
allowed_lateness: 1h
batch: {path: data/scans.parquet}
---
kind: feature_view
name: scan
version: 1
entity: aircraft
source: scans
features: {n: {latest: n}}
";
    project.write("features/scans.yaml", source);
    let micros = |second: i64| (AFTER_THE_WEEK + second) * 1_000_000;
    let declared = [Some(micros(60)), None, Some(micros(YEAR_2200)), Some(micros(7200))];
    let columns: [(&str, ArrayRef); 4] = [
        ("tailnum", Arc::new(StringArray::from(vec!["N1"; 4]))),
        ("at", Arc::new(TimestampMicrosecondArray::from(vec![micros(0); 4]))),
        ("loaded_at", Arc::new(TimestampMicrosecondArray::from(declared.to_vec()))),
        ("n", Arc::new(Int64Array::from(vec![1, 2, 3, 4]))),
    ];
    let columns = columns.map(|(name, column)| (name, column, true));
    write_parquet(
        &project.path("data/scans.parquet"),
        &RecordBatch::try_from_iter_with_nullable(columns).unwrap(),
    );
    project.ok("apply");
    let reported = project.json("backfill scan@1");
    assert_eq!(
        (&reported["views"][0]["rows_loaded"], &reported["views"][0]["late"]),
        (&2.into(), &1.into()),
        "{reported}"
    );
    let dead_letters = stored::rows(&project.path(".twinstore/offline/dead_letters/scan/v1"));
    assert_eq!(stored::positions(&dead_letters), [(0, 0, 1), (0, 0, 2)]);
    says(&dead_letters[0]["detail"], &["null", "loaded_at"]);
    let rows = stored::rows(&project.path(".twinstore/offline/log/scan/v1"));
    assert_eq!(rows[0]["_available_at"], "2013-06-08T00:01:00Z");
    assert!(rows.iter().all(|row| row["_provenance"] == "declared"));
}
