//! What the stores hold, read from their open formats without a line of our own code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::Path;

use arrow::util::display::{ArrayFormatter, FormatOptions};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

/// A row as text by its column's name; nulls are left out.
pub type Row = BTreeMap<String, String>;

/// The rows of a Delta table whose log is small enough to have no checkpoint, in the order of
/// their positions; none where there is no table.
pub fn rows(table: &Path) -> Vec<Row> {
    let mut rows: Vec<Row> =
        live_files(table).iter().flat_map(|file| parquet_rows(&table.join(file))).collect();
    let number = |row: &Row, name: &str| row[name].parse::<i64>().unwrap();
    rows.sort_by_key(|row| {
        (number(row, "_position_kind"), number(row, "_position_major"), number(row, "_position_minor"))
    });
    rows
}

/// How many commits a Delta table has.
pub fn commits(table: &Path) -> usize {
    actions(table).len()
}

/// Every commit's actions, in order.
fn actions(table: &Path) -> Vec<Vec<Value>> {
    let Ok(entries) = fs::read_dir(table.join("_delta_log")) else { return Vec::new() };
    let paths: BTreeSet<_> = entries.map(|entry| entry.unwrap().path()).collect();
    let commits = paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    let lines = |path| {
        let text = fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    commits.map(lines).collect()
}

fn live_files(table: &Path) -> BTreeSet<String> {
    let mut live = BTreeSet::new();
    for action in actions(table).iter().flatten() {
        if let Some(path) = action["add"]["path"].as_str() {
            live.insert(path.replace("%3D", "="));
        }
        if let Some(path) = action["remove"]["path"].as_str() {
            live.remove(path);
        }
    }
    live
}

/// The rows of a Parquet file, in its order.
pub fn parquet_rows(path: &Path) -> Vec<Row> {
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let mut rows = Vec::new();
    for batch in reader {
        let batch = batch.unwrap();
        let schema = batch.schema();
        let options = FormatOptions::default();
        let columns: Vec<_> = schema.fields().iter().zip(batch.columns()).collect();
        for row in 0..batch.num_rows() {
            let known = columns.iter().filter(|(_, column)| column.is_valid(row));
            let text = known.map(|(field, column)| {
                let formatter = ArrayFormatter::try_new(column.as_ref(), &options).unwrap();
                (field.name().clone(), formatter.value(row).to_string())
            });
            rows.push(text.collect());
        }
    }
    rows
}

/// The positions of rows: kind, file and row.
pub fn positions(rows: &[Row]) -> Vec<(i64, i64, i64)> {
    let number = |row: &Row, name: &str| row[name].parse().unwrap();
    rows.iter()
        .map(|row| {
            (number(row, "_position_kind"), number(row, "_position_major"), number(row, "_position_minor"))
        })
        .collect()
}
