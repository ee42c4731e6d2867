//! Join keys and request columns of a spine in Parquet or Arrow, by the one rule for typed values: the same number in
//! the declared type, or refused with its row.

use std::fs::File;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Decimal128Array, Float64Array, Int32Array, Int64Array, RecordBatch, TimestampMicrosecondArray,
    UInt64Array,
};
use arrow::ipc::writer::{FileWriter, StreamWriter};

use crate::landings::write_parquet;
use crate::project::{Project, says};
use crate::stored;

const DEFINITIONS: &str = "
kind: entity
name: user
keys: {user_id: int64}
---
kind: source
name: events
schema: {user_id: int64, ts: timestamp, x: float64}
event_time: ts
batch: {path: data/events.parquet}
---
kind: feature_view
name: v
version: 1
entity: user
source: events
features: {x: {latest: x}}
---
kind: on_demand_view
name: od
version: 1
request: {distance: int32}
inputs: [{from: v@1, take: [x]}]
features: {y: {expression: \"x / distance\"}}
---
kind: feature_service
name: svc
version: 1
features: [{from: od@1}]
";

/// Two users, whose `x` are 4 and 8.
fn project() -> Project {
    let project = Project::empty();
    project.write("features/all.yaml", DEFINITIONS);
    let at = TimestampMicrosecondArray::from(vec![1_704_067_200_000_000; 2]).with_timezone("UTC");
    let events = batch(vec![
        ("user_id", Arc::new(Int64Array::from(vec![1, 2]))),
        ("ts", Arc::new(at)),
        ("x", Arc::new(Float64Array::from(vec![4.0, 8.0]))),
    ]);
    write_parquet(&project.path("data/events.parquet"), &events);
    project.ok("apply");
    project.ok("backfill --all");
    project
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let columns = columns.into_iter().map(|(name, column)| (name, column, true));
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

fn spine(user_id: ArrayRef, distance: ArrayRef) -> RecordBatch {
    let at = TimestampMicrosecondArray::from(vec![1_706_745_600_000_000; user_id.len()]).with_timezone("UTC");
    batch(vec![("user_id", user_id), ("t", Arc::new(at)), ("distance", distance)])
}

fn write_arrow(project: &Project, name: &str, batch: &RecordBatch) {
    let mut writer = FileWriter::try_new(File::create(project.path(name)).unwrap(), &batch.schema()).unwrap();
    writer.write(batch).unwrap();
    writer.finish().unwrap();
}

fn ask(spine: &str) -> String {
    format!("training-set --service svc --spine {spine} --time t --out out.parquet")
}

#[test]
fn keys_and_request_columns_of_other_types_are_taken_value_by_value() {
    let project = project();
    let decimals = Decimal128Array::from(vec![20, 20]).with_precision_and_scale(10, 1).unwrap();
    let ids: [ArrayRef; 4] = [
        Arc::new(Int64Array::from(vec![1, 2])),
        Arc::new(Int32Array::from(vec![1, 2])),
        Arc::new(Float64Array::from(vec![1.0, 2.0])),
        Arc::new(UInt64Array::from(vec![1, 2])),
    ];
    let distances: [ArrayRef; 4] = [
        Arc::new(Int64Array::from(vec![2, 2])),
        Arc::new(Int32Array::from(vec![2, 2])),
        Arc::new(Float64Array::from(vec![2.0, 2.0])),
        Arc::new(decimals),
    ];
    for (user_id, distance) in ids.iter().zip(&distances) {
        let spine = spine(user_id.clone(), distance.clone());
        write_parquet(&project.path("s.parquet"), &spine);
        write_arrow(&project, "s.arrow", &spine);
        for from in ["s.parquet", "s.arrow"] {
            project.ok(&ask(from));
            let rows = stored::parquet_rows(&project.path("out.parquet"));
            let found: Vec<f64> = rows.iter().map(|row| row["y"].parse().unwrap()).collect();
            assert_eq!(found, [2.0, 4.0], "{from}: {} {}", user_id.data_type(), distance.data_type());
        }
    }
}

#[test]
fn a_value_that_does_not_fit_is_refused_with_its_row_and_nothing_is_written() {
    let project = project();
    let one = || Arc::new(Int64Array::from(vec![1, 1])) as ArrayRef;
    let cases: [(ArrayRef, ArrayRef, &[&str]); 4] = [
        (
            one(),
            Arc::new(Int64Array::from(vec![1, 3_000_000_000])),
            &[
                "row 2: the column `distance` is int32, and 3000000000 is not",
                "to 2147483647",
                "leave the row out",
            ],
        ),
        (
            Arc::new(Float64Array::from(vec![1.5, 1.0])),
            one(),
            &["row 1: the column `user_id` is int64, and 1.5"],
        ),
        (
            Arc::new(UInt64Array::from(vec![1, u64::MAX])),
            Arc::new(Float64Array::from(vec![f64::NAN, 1.0])),
            &[
                "row 2: the column `user_id` is int64",
                "row 1: the column `distance` is int32, and NaN is not",
            ],
        ),
        (one(), Arc::new(arrow::array::StringArray::from(vec!["1", "2"])), &["`distance`", "holds string"]),
    ];
    for (user_id, distance, parts) in cases {
        let spine = spine(user_id, distance);
        write_parquet(&project.path("s.parquet"), &spine);
        write_arrow(&project, "s.arrow", &spine);
        for from in ["s.parquet", "s.arrow"] {
            says(&project.refused(&ask(from)), &[&[from], parts].concat());
            assert!(!project.path("out.parquet").exists());
        }
    }
}

#[test]
fn a_row_without_a_key_or_a_request_value_has_no_feature() {
    let project = project();
    let user_id = Arc::new(Float64Array::from(vec![Some(1.0), None, Some(2.0)]));
    write_parquet(
        &project.path("s.parquet"),
        &spine(user_id, Arc::new(Int64Array::from(vec![Some(2), Some(2), None]))),
    );
    project.ok(&ask("s.parquet"));
    let rows = stored::parquet_rows(&project.path("out.parquet"));
    let found: Vec<&str> = rows.iter().map(|row| row.get("y").map_or("", String::as_str)).collect();
    assert_eq!(found, ["2.0", "", ""]);
}

#[test]
fn a_spine_is_what_its_name_says_in_upper_or_lower_case() {
    let project = project();
    project.write("S.CSV", "user_id,t,distance\n1,2024-02-01,2\n");
    let spine = spine(Arc::new(Int64Array::from(vec![1])), Arc::new(Int32Array::from(vec![2])));
    write_parquet(&project.path("S.Parquet"), &spine);
    write_arrow(&project, "s.ARROW", &spine);
    for from in ["S.CSV", "S.Parquet", "s.ARROW"] {
        project.ok(&ask(from));
        assert_eq!(stored::parquet_rows(&project.path("out.parquet"))[0]["y"], "2.0", "{from}");
    }
}

#[test]
fn a_stream_that_is_named_as_an_arrow_file_is_called_a_stream() {
    let project = project();
    let spine = spine(Arc::new(Int64Array::from(vec![1])), Arc::new(Int32Array::from(vec![2])));
    let file = File::create(project.path("s.arrow")).unwrap();
    let mut writer = StreamWriter::try_new(file, &spine.schema()).unwrap();
    writer.write(&spine).unwrap();
    writer.finish().unwrap();
    says(
        &project.refused(&ask("s.arrow")),
        &["s.arrow`", "it is an Arrow stream", "write it as an Arrow file"],
    );
    project.write("s.arrow", "user_id,t,distance\n1,2024-02-01,2\n");
    says(&project.refused(&ask("s.arrow")), &["s.arrow`", "damaged or not whole"]);
}
