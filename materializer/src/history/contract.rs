//! The contract of batch sources, as one suite that runs against all of them: the same rows, written in each format,
//! are read alike. A new kind of source adds its case to `CASES`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use feature::{Batch, Field, Name, Source, Value, VersionId};
use offline::write_file;

use super::batch_source::BatchSource;
use super::locate::batch_source;
use super::source_file::{SourceFile, TableVersions};
use super::source_rows::SourceRows;
use crate::error::MaterializerError;

/// A row of the suite: an id, a name and an amount, each of which may be null.
type Row = (Option<i64>, Option<&'static str>, Option<f64>);

/// One kind of source.
struct Case {
    name: &'static str,
    /// What the source's `path` names, in the project's folder.
    path: &'static str,
    /// Writes one file with these rows; the amount is called `value` in it.
    write: fn(&Path, &[Row]),
    /// Cuts a file so that it cannot be whole.
    is_damaged_when_cut: bool,
}

const CASES: [Case; 4] = [
    Case { name: "parquet", path: "data/day=3/a.parquet", write: parquet, is_damaged_when_cut: true },
    Case { name: "csv", path: "data/day=3/a.csv", write: csv, is_damaged_when_cut: false },
    Case { name: "json", path: "data/day=3/a.jsonl", write: json, is_damaged_when_cut: false },
    Case { name: "delta", path: "table", write: delta, is_damaged_when_cut: true },
];

const ROWS: [Row; 5] = [
    (Some(1), Some("a"), Some(0.5)),
    (Some(2), None, Some(-1.0)),
    (Some(3), Some("c, \"d\"\ne"), None),
    (Some(4), Some("é"), Some(1e300)),
    (Some(5), Some("x"), Some(2.0)),
];

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

fn field(name: &str, data_type: &str) -> Field {
    Field { name: name.parse().unwrap(), data_type: data_type.parse().unwrap() }
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn view() -> VersionId {
    "view@1".parse().unwrap()
}

/// The columns of the suite: `amount` is called `value` in files, `day` comes from the folder.
fn columns() -> Vec<Field> {
    vec![field("id", "int64"), field("name", "string"), field("amount", "float64"), field("day", "int32")]
}

/// A source at a path, with `amount` stored as `value`.
fn source(path: &str) -> Source {
    Source {
        name: name("events"),
        schema: columns(),
        stored: [(
            name("amount"),
            feature::StoredColumn { column: Some("value".to_owned()), optional: false },
        )]
        .into(),
        event_time: None,
        available_at: None,
        assumed_delay: None,
        allowed_lateness: None,
        max_ahead: Source::DEFAULT_MAX_AHEAD,
        batch: Some(Batch { path: path.to_owned(), format: None }),
        stream: None,
    }
}

/// A project with one file of a case, and what it was located as.
struct Opened {
    _folder: tempfile::TempDir,
    source: Arc<dyn BatchSource>,
    file: SourceFile,
}

fn opened(case: &Case, rows: &[Row], defined: Source) -> Opened {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("data/day=3")).unwrap();
    (case.write)(&folder.path().join(case.path), rows);
    let source = batch_source(folder.path(), &defined, &view()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let files = runtime.block_on(source.files(&view(), TableVersions::default())).unwrap().files;
    assert_eq!(files.len(), 1, "{}", case.name);
    Opened { _folder: folder, source, file: files.into_iter().next().unwrap() }
}

impl Opened {
    fn read(&self, columns: &[Field], max_rows: Option<usize>) -> Result<Vec<SourceRows>, MaterializerError> {
        let mut reader = self.source.open(columns, &self.file, max_rows)?;
        let mut read = Vec::new();
        while let Some(rows) = reader.next_rows()? {
            read.push(rows);
        }
        Ok(read)
    }
}

/// The values of all rows, in their order.
fn values(read: &[SourceRows], columns: &[Field]) -> Vec<Vec<Value>> {
    let row = |rows: &SourceRows, row: usize| {
        let column = |(index, field): (usize, &Field)| {
            transform::value_at(rows.batch.column(index).as_ref(), row, field.data_type)
        };
        columns.iter().enumerate().map(column).collect()
    };
    read.iter().flat_map(|rows| (0..rows.batch.num_rows()).map(move |index| row(rows, index))).collect()
}

fn expected(rows: &[Row]) -> Vec<Vec<Value>> {
    let row = |(id, name, value): &Row| {
        vec![
            id.map_or(Value::Null, Value::Int64),
            name.map_or(Value::Null, |name| Value::String(name.into())),
            value.map_or(Value::Null, Value::Float64),
            Value::Int32(3),
        ]
    };
    rows.iter().map(row).collect()
}

#[test]
fn the_same_rows_are_read_from_every_kind_of_source() {
    for case in &CASES {
        let opened = opened(case, &ROWS, source(case.path));
        let read = opened.read(&columns(), None).unwrap();
        assert!(read.iter().all(|rows| rows.unreadable.is_empty()), "{}", case.name);
        assert_eq!(values(&read, &columns()), expected(&ROWS), "{}", case.name);
    }
}

#[test]
fn batches_have_at_most_the_requested_rows_and_are_numbered_from_zero() {
    for case in &CASES {
        let opened = opened(case, &ROWS, source(case.path));
        let read = opened.read(&columns(), Some(2)).unwrap();
        let sizes: Vec<_> = read.iter().map(|rows| (rows.first_row, rows.batch.num_rows())).collect();
        assert_eq!(sizes, [(0, 2), (2, 2), (4, 1)], "{}", case.name);
        assert_eq!(values(&read, &columns()), expected(&ROWS), "{}", case.name);
    }
}

#[test]
fn columns_are_read_in_the_requested_order() {
    let reversed: Vec<Field> = columns().into_iter().rev().collect();
    for case in &CASES {
        let opened = opened(case, &ROWS, source(case.path));
        let read = opened.read(&reversed, None).unwrap();
        let expected: Vec<Vec<Value>> =
            expected(&ROWS).into_iter().map(|row| row.into_iter().rev().collect()).collect();
        assert_eq!(values(&read, &reversed), expected, "{}", case.name);
    }
}

#[test]
fn a_value_that_does_not_fit_makes_its_row_unreadable_and_no_other() {
    // The id of the fourth row is beyond int32.
    let wide = [ROWS[0], ROWS[1], ROWS[2], (Some(1 << 40), Some("wide"), None), ROWS[4]];
    let narrow = [field("id", "int32"), field("name", "string")];
    for case in &CASES {
        let opened = opened(case, &wide, source(case.path));
        let read = opened.read(&narrow, Some(3)).unwrap();
        assert!(read[0].unreadable.is_empty(), "{}", case.name);
        let [bad] = read[1].unreadable.as_slice() else { panic!("{}", case.name) };
        assert_eq!(bad.row, 0, "{}", case.name);
        assert!(
            bad.detail().contains("`id`") && bad.detail().contains("int32"),
            "{}: {}",
            case.name,
            bad.detail()
        );
        assert!(
            bad.shown.contains("wide") && bad.shown.contains("1099511627776"),
            "{}: {}",
            case.name,
            bad.shown
        );
        let all = values(&read, &narrow);
        assert_eq!(all[3][0], Value::Null, "{}", case.name);
        assert_eq!(all[4], [Value::Int32(5), Value::String("x".into())], "{}", case.name);
    }
}

#[test]
fn a_folder_that_gives_what_its_column_cannot_hold_makes_every_row_unreadable() {
    let columns = [field("id", "int64"), field("day", "bool")];
    for case in &CASES {
        let opened = opened(case, &ROWS, source(case.path));
        let read = opened.read(&columns, None).unwrap();
        let unreadable: Vec<_> = read.iter().flat_map(|rows| &rows.unreadable).collect();
        assert_eq!(unreadable.len(), ROWS.len(), "{}", case.name);
        assert!(unreadable[0].detail().contains("`day=3`"), "{}: {}", case.name, unreadable[0].detail());
    }
}

#[test]
fn a_column_that_a_file_lacks_is_null_if_it_may_and_refused_by_name_if_not() {
    let columns = [field("id", "int64"), field("missing", "string")];
    for case in &CASES {
        let mut defined = source(case.path);
        defined.schema.push(field("missing", "string"));
        let stored = feature::StoredColumn { column: None, optional: true };
        defined.stored.insert(name("missing"), stored);
        let optional = opened(case, &ROWS, defined);
        let read = optional.read(&columns, None).unwrap();
        assert!(values(&read, &columns).iter().all(|row| row[1] == Value::Null), "{}", case.name);
        // Objects of JSON name their own columns: one that an object lacks is null.
        if case.name == "json" {
            continue;
        }
        let mut defined = source(case.path);
        defined.schema.push(field("missing", "string"));
        let required = opened(case, &ROWS, defined);
        let refused = required.read(&columns, None).map(drop).unwrap_err().to_string();
        assert!(refused.contains("`missing`"), "{}: {refused}", case.name);
    }
}

#[test]
fn an_empty_file_has_no_rows() {
    for case in &CASES {
        let opened = opened(case, &[], source(case.path));
        let read = opened.read(&columns(), None).unwrap();
        assert_eq!(values(&read, &columns()).len(), 0, "{}", case.name);
    }
}

#[test]
fn a_damaged_or_missing_file_is_refused_by_name() {
    for case in &CASES {
        let opened = opened(case, &ROWS, source(case.path));
        let bytes = fs::read(&opened.file.path).unwrap();
        if case.is_damaged_when_cut {
            fs::write(&opened.file.path, &bytes[..bytes.len() - 9]).unwrap();
            let refused = opened.read(&columns(), None).map(drop).unwrap_err().to_string();
            assert!(refused.contains("a.parquet") && refused.contains("again"), "{}: {refused}", case.name);
        }
        fs::remove_file(&opened.file.path).unwrap();
        let refused = opened.read(&columns(), None).map(drop).unwrap_err().to_string();
        assert!(refused.contains("a."), "{}: {refused}", case.name);
    }
}
