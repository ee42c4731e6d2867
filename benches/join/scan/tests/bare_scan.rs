//! The bare scan as a process: what it prints and what it writes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

fn write(path: &Path, batch: &RecordBatch) {
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

#[test]
fn it_counts_the_rows_of_the_log_and_writes_the_result_again() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    std::fs::create_dir(&log).unwrap();
    let column = |values: Vec<Option<f64>>| Arc::new(Float64Array::from(values)) as ArrayRef;
    let facts = RecordBatch::try_from_iter([("f1", column(vec![Some(1.0); 7]))]).unwrap();
    write(&log.join("part.parquet"), &facts);
    let result = RecordBatch::try_from_iter([("f1", column(vec![Some(1.0), None]))]).unwrap();
    let (read, written) = (folder.path().join("result.parquet"), folder.path().join("again.parquet"));
    write(&read, &result);

    let scan = Command::new(env!("CARGO_BIN_EXE_bare-scan"))
        .arg(&log)
        .args(["--columns", "f1", "--threads", "2"])
        .arg("--result")
        .arg(&read)
        .arg("--out")
        .arg(&written)
        .output()
        .unwrap();

    assert!(scan.status.success(), "{scan:?}");
    let said: serde_json::Value = serde_json::from_slice(&scan.stdout).unwrap();
    assert_eq!(said["rows"], 7);
    assert!(said["seconds"].as_f64().unwrap() >= said["scan_seconds"].as_f64().unwrap());
    let again = ParquetRecordBatchReaderBuilder::try_new(File::open(&written).unwrap()).unwrap();
    let again: Vec<RecordBatch> = again.build().unwrap().map(Result::unwrap).collect();
    assert_eq!(again[0].columns(), result.columns());
}
