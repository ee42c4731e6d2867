//! Times outside the years 0001 to 9999 in files of types, and numbers that are no time in the unit that reads them.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Date32Array, Int64Array, RecordBatch, TimestampMicrosecondArray,
    TimestampMillisecondArray, TimestampSecondArray,
};

use crate::landings::write_parquet;
use crate::project::{Project, says};

const DEFINITIONS: &str = "
kind: entity
name: moment
keys: {key: timestamp}
---
kind: source
name: events
schema: {key: timestamp, ts: timestamp, c: timestamp}
event_time: ts
batch: {path: data}
---
kind: feature_view
name: v
version: 1
entity: moment
source: events
features: {year: {latest: \"date_part('year', c)\"}}
---
kind: on_demand_view
name: od
version: 1
request: {r: timestamp}
features: {y: {expression: \"date_part('year', r)\"}}
---
kind: feature_service
name: by_key
version: 1
features: [{from: v@1}]
---
kind: feature_service
name: on_demand
version: 1
features: [{from: od@1}]
";

const FAR_MICROS: [i64; 2] = [253_402_300_800_000_000, -62_135_596_800_000_001];

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let columns = columns.into_iter().map(|(name, column)| (name, column, true));
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

fn at(rows: usize) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from(vec![1_590_969_600_000_000; rows]).with_timezone("UTC"))
}

/// Columns with a time of each unit that holds such ones, all of them outside the years.
fn far_columns() -> [ArrayRef; 4] {
    [
        Arc::new(TimestampMicrosecondArray::from(FAR_MICROS.to_vec()).with_timezone("UTC")),
        Arc::new(TimestampMillisecondArray::from(vec![1 << 62, -(1 << 62)])),
        Arc::new(TimestampSecondArray::from(vec![253_402_300_800, i64::MIN])),
        Arc::new(Date32Array::from(vec![2_932_897, i32::MIN])),
    ]
}

#[test]
fn a_row_with_a_time_outside_the_years_is_refused_whatever_its_unit() {
    let project = Project::empty();
    project.write("features/all.yaml", DEFINITIONS);
    std::fs::create_dir_all(project.path("data")).unwrap();
    for (number, far) in far_columns().into_iter().enumerate() {
        let rows = batch(vec![("key", at(2)), ("ts", at(2)), ("c", far)]);
        write_parquet(&project.path(&format!("data/{number}.parquet")), &rows);
    }
    let good = batch(vec![("key", at(1)), ("ts", at(1)), ("c", at(1))]);
    write_parquet(&project.path("data/9.parquet"), &good);
    says(
        &project.ok("plan"),
        &["data/0.parquet`, row 1: ", "microseconds since 1970 lies outside the years"],
    );
    project.ok("apply");
    project.ok("backfill --all");
    let dead_letters = project.json("dead-letter list v@1");
    let dead_letters = dead_letters["dead_letters"].as_array().unwrap();
    assert_eq!(dead_letters.len(), 8, "{dead_letters:?}");
    for dead_letter in dead_letters {
        says(dead_letter["detail"].as_str().unwrap(), &["the column `c` is timestamp", "0001 to 9999"]);
    }
    let read = project.json("get by_key key=2020-06-01T00:00:00Z");
    assert_eq!(read["features"]["year"]["value"], 2020, "{read}");
}

#[test]
fn a_join_key_or_request_column_outside_the_years_refuses_its_spine_and_names_the_row() {
    let project = Project::empty();
    project.write("features/all.yaml", DEFINITIONS);
    std::fs::create_dir_all(project.path("data")).unwrap();
    let good = batch(vec![("key", at(1)), ("ts", at(1)), ("c", at(1))]);
    write_parquet(&project.path("data/a.parquet"), &good);
    project.ok("apply");
    project.ok("backfill --all");
    for far in far_columns() {
        let of = far.data_type().to_string();
        // The first of its rows is one that may be.
        let near = arrow::compute::cast(&at(1), far.data_type()).unwrap();
        let far = arrow::compute::concat(&[near.as_ref(), far.as_ref()]).unwrap();
        let spine = batch(vec![("key", far.clone()), ("r", far), ("t", at(3))]);
        write_parquet(&project.path("spine.parquet"), &spine);
        for (service, column) in [("by_key", "key"), ("on_demand", "r")] {
            let ask =
                format!("training-set --service {service} --spine spine.parquet --time t --out o.parquet");
            let column = format!("the column `{column}` is timestamp");
            says(&project.refused(&ask), &["spine.parquet: row 2: ", &column, "0001 to 9999"]);
            assert!(!project.path("o.parquet").exists(), "{service} of {of}");
        }
    }
}

#[test]
fn a_plan_says_which_function_reads_numbers_that_are_no_seconds() {
    let project = Project::empty();
    let sql = DEFINITIONS.replace("event_time: ts", "event_time: {sql: \"to_timestamp(n)\"}");
    project.write("features/all.yaml", sql.replace("c: timestamp}", "c: timestamp, n: int64}"));
    std::fs::create_dir_all(project.path("data")).unwrap();
    let millis: ArrayRef = Arc::new(Int64Array::from(vec![1_590_969_600_123]));
    let rows = batch(vec![("key", at(1)), ("ts", at(1)), ("c", at(1)), ("n", millis)]);
    write_parquet(&project.path("data/a.parquet"), &rows);
    let reads = "which to_timestamp_millis reads as 2020-06-01T00:00:00.123Z";
    says(&project.ok("plan"), &["data/a.parquet`, row 1: ", "1590969600123", reads]);
}
