//! Parquet, CSV and JSON files and Delta tables keep the contract of all batch sources.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use offline::write_file;

use super::contract::{Kind, Row};
use super::locate::batch_source;

const PARQUET: Kind = Kind {
    path: "data/day=3/a.parquet",
    write: parquet,
    open: batch_source,
    is_damaged_when_cut: true,
    rows_name_columns: false,
};
const CSV: Kind = Kind { path: "data/day=3/a.csv", write: csv, is_damaged_when_cut: false, ..PARQUET };
const JSON: Kind = Kind { path: "data/day=3/a.jsonl", write: json, rows_name_columns: true, ..CSV };
const DELTA: Kind = Kind { path: "table", write: delta, ..PARQUET };

mod of_parquet {
    crate::contract_tests!(super::PARQUET);
}

mod of_csv {
    crate::contract_tests!(super::CSV);
}

mod of_json {
    crate::contract_tests!(super::JSON);
}

mod of_delta {
    crate::contract_tests!(super::DELTA);
}

fn batch_of(rows: &[Row]) -> RecordBatch {
    let columns: [(&str, ArrayRef); 3] = [
        ("id", Arc::new(rows.iter().map(|(id, ..)| *id).collect::<Int64Array>())),
        ("name", Arc::new(rows.iter().map(|(_, name, _)| *name).collect::<StringArray>())),
        ("value", Arc::new(rows.iter().map(|(.., value)| *value).collect::<Float64Array>())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
}

fn parquet(path: &Path, rows: &[Row]) {
    write_file(path, &batch_of(rows)).unwrap();
}

fn csv(path: &Path, rows: &[Row]) {
    let mut text = "id,name,value\n".to_owned();
    for (id, name, value) in rows {
        let id = id.map(|id| id.to_string()).unwrap_or_default();
        let name = name.map(|name| format!("\"{}\"", name.replace('"', "\"\""))).unwrap_or_default();
        let value = value.map(|value| value.to_string()).unwrap_or_default();
        writeln!(text, "{id},{name},{value}").unwrap();
    }
    fs::write(path, text).unwrap();
}

fn json(path: &Path, rows: &[Row]) {
    let line = |(id, name, value): &Row| {
        format!("{}\n", serde_json::json!({"id": id, "name": name, "value": value}))
    };
    fs::write(path, rows.iter().map(line).collect::<String>()).unwrap();
}

/// A table of one commit with one file, in the partition `day=3`.
fn delta(table: &Path, rows: &[Row]) {
    fs::create_dir_all(table.join("_delta_log")).unwrap();
    fs::create_dir_all(table.join("day=3")).unwrap();
    let file = table.join("day=3/a.parquet");
    parquet(&file, rows);
    let field = |name: &str, kind: &str| serde_json::json!({"name": name, "type": kind, "nullable": true, "metadata": {}});
    let fields =
        [field("id", "long"), field("name", "string"), field("value", "double"), field("day", "long")];
    let schema = serde_json::json!({"type": "struct", "fields": fields}).to_string();
    let actions = [
        serde_json::json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}),
        serde_json::json!({"metaData": {
            "id": "5fba94ed-9794-4965-ba6e-6ee3c0d22af9", "format": {"provider": "parquet", "options": {}},
            "schemaString": schema, "partitionColumns": ["day"], "configuration": {}, "createdTime": 0
        }}),
        serde_json::json!({"add": {
            "path": "day=3/a.parquet", "partitionValues": {"day": "3"}, "size": fs::metadata(&file).unwrap().len(),
            "modificationTime": 0, "dataChange": true
        }}),
    ];
    let text: String = actions.iter().map(|action| format!("{action}\n")).collect();
    fs::write(table.join("_delta_log/00000000000000000000.json"), text).unwrap();
}
