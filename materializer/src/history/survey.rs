//! A survey of files that no definition names yet: their columns, under the names in the files, and a sample of
//! their values. How definitions are derived from it is decided elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType as ArrowType;
use feature::{BatchFormat, DataType, Field, Value, VersionId};
use offline::open_parquet;
use serde_json::value::RawValue;
use transform::Conform;

use super::columns::refuse_repeated;
use super::parquet::{damaged, guarded};
use super::source_file::{SourceFile, TableVersions};
use super::text_rows::failed_at;
use super::{csv, delta, file_text, json, locate, text_records};
use crate::blocking;
use crate::error::MaterializerError;

/// Rows that are sampled of a file.
pub const SAMPLE_ROWS: usize = 10_000;
/// The first double that is no int64.
const BEYOND_INT64: f64 = 9_223_372_036_854_775_808.0;
/// Files of a table or a folder whose rows are sampled; of others only the columns are read.
const SAMPLED_FILES: usize = 20;

/// A file, or a Delta table, that was sampled.
#[derive(Clone, Debug)]
pub struct Surveyed {
    /// Where it lies.
    pub path: PathBuf,
    /// How it is encoded.
    pub format: BatchFormat,
    /// Its columns, in its order; those of its folders come last.
    pub columns: Vec<SurveyedColumn>,
    /// How many rows were sampled.
    pub rows: usize,
    /// Whether these are all of its rows.
    pub is_whole: bool,
}

/// A column of a file.
#[derive(Clone, Debug)]
pub struct SurveyedColumn {
    /// Its name there; may be empty.
    pub name: String,
    /// What its values are.
    pub kind: ColumnKind,
    /// A value for each sampled row. In CSV and in folders' names the texts as they are written.
    pub values: Vec<Value>,
    /// Whether the name of a folder gives it.
    pub is_of_folder: bool,
}

/// What the values of a column are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ColumnKind {
    /// Of this type, as the file says.
    Typed(DataType),
    /// Texts that may stand for anything.
    Text,
    /// What JSON values say, each by itself.
    Json,
    /// A type that no column can be declared as, by its name.
    Other(String),
}

/// The files at a path that a user names, a Delta table as one, in the order of their paths; and the names of files
/// that are skipped.
pub async fn survey(path: &Path) -> Result<(Vec<Surveyed>, Vec<String>), MaterializerError> {
    let text = path.to_string_lossy().into_owned();
    let is_file = path.is_file();
    if is_file && file_text::format_of(path).is_none() {
        let why = "its name does not say how it is encoded: name it .parquet, .csv, .json, .jsonl or .ndjson, the texts also with .gz or .zst behind";
        return Err(MaterializerError::file(path, why));
    }
    let all = match locate::every(Path::new(""), &text) {
        Ok(all) => all,
        Err(why) => return Err(MaterializerError::file(path, why)),
    };
    // What lies in a folder that is named relatively may become a project with it.
    let base =
        if path.is_absolute() { locate::base_of_columns(Path::new(""), &text) } else { PathBuf::new() };
    let mut unread = Vec::new();
    let mut surveyed = Vec::new();
    let mut tables: BTreeSet<PathBuf> = BTreeSet::new();
    for (name, file) in all {
        if let Some(table) = file.ancestors().skip(1).find(|folder| folder.join("_delta_log").is_dir()) {
            if tables.insert(table.to_owned()) {
                surveyed.push(delta_table(table).await?);
            }
            continue;
        }
        let format = file_text::format_of(&file).filter(|_| !locate::is_hidden(&name));
        let Some(format) = format else {
            unread.push(name);
            continue;
        };
        let named = locate::source_file(&base, name, file.clone());
        let file = named.map_err(|why| MaterializerError::file(&file, why))?;
        let rows = if surveyed.len() < SAMPLED_FILES { SAMPLE_ROWS } else { 0 };
        surveyed.push(blocking::run(move || one(&file, format, rows)).await??);
    }
    Ok((surveyed, unread))
}

/// The files of a source that a path or a pattern leads to, as definitions of a project name them; empty if there
/// are none.
pub fn source_paths(project: &Path, path: &str) -> Vec<String> {
    let found = locate::every(project, path).unwrap_or_default();
    let is_read =
        |(name, file): &(String, PathBuf)| !locate::is_hidden(name) && file_text::format_of(file).is_some();
    let named = |(_, file): (String, PathBuf)| {
        file.strip_prefix(project).unwrap_or(&file).to_string_lossy().into_owned()
    };
    found.into_iter().filter(is_read).map(named).collect()
}

/// A file's columns and its first rows.
fn one(file: &SourceFile, format: BatchFormat, rows: usize) -> Result<Surveyed, MaterializerError> {
    let mut found = match format {
        BatchFormat::Csv => sample_csv(file, rows)?,
        BatchFormat::Json => sample_json(file, rows)?,
        BatchFormat::Parquet | BatchFormat::Delta => sample_parquet(file, rows)?,
    };
    for (name, value) in &file.partition {
        if found.columns.iter().any(|column| column.name == *name) {
            continue;
        }
        let value = value.as_deref().map_or(Value::Null, |text| Value::String(text.into()));
        let values = vec![value; found.rows];
        let column =
            SurveyedColumn { name: name.clone(), kind: ColumnKind::Text, values, is_of_folder: true };
        found.columns.push(column);
    }
    Ok(found)
}

fn sample_csv(file: &SourceFile, rows: usize) -> Result<Surveyed, MaterializerError> {
    let (header, mut records) = csv::open_records(file)?;
    let mut columns: Vec<SurveyedColumn> =
        header.into_iter().map(|name| column(name, ColumnKind::Text)).collect();
    let (mut read, mut is_whole) = (0, true);
    while let Some(text) = records.next_text().map_err(|error| failed_at(file, read as u64, &error))? {
        if read == rows {
            is_whole = false;
            break;
        }
        read += 1;
        // A record that is broken is a dead letter once it is loaded.
        let Ok(fields) = text_records::fields(&text, records.separator()) else { continue };
        if fields.len() != columns.len() {
            continue;
        }
        for (column, field) in columns.iter_mut().zip(fields) {
            column.values.push(field.map_or(Value::Null, |text| Value::String(text.into())));
        }
    }
    let rows = columns.first().map_or(0, |column| column.values.len());
    Ok(Surveyed { path: file.path.clone(), format: BatchFormat::Csv, columns, rows, is_whole })
}

fn sample_json(file: &SourceFile, rows: usize) -> Result<Surveyed, MaterializerError> {
    let failed = |why: String| MaterializerError::file(&file.path, why);
    let mut records = json::open_records(file)?;
    let mut columns: Vec<SurveyedColumn> = Vec::new();
    let (mut read, mut good, mut is_whole, mut first_error) = (0, 0, true, None);
    // Columns are known by records only: where none of a file are wanted, a few are read.
    let rows = rows.max(100);
    while let Some(text) = records.next_text().map_err(|error| failed_at(file, read as u64, &error))? {
        if read == 0 {
            json::refuse_list(&text).map_err(|why| failed(why.to_owned()))?;
        }
        if read == rows {
            is_whole = false;
            break;
        }
        read += 1;
        let object: serde_json::Map<String, serde_json::Value> = match serde_json::from_slice(&text) {
            Ok(object) => object,
            Err(error) => {
                first_error.get_or_insert_with(|| format!("row {read}: {error}"));
                continue;
            }
        };
        for (name, value) in object {
            let index = columns.iter().position(|column| column.name == name).unwrap_or_else(|| {
                columns.push(column(name, ColumnKind::Json));
                columns.len() - 1
            });
            let Some(column) = columns.get_mut(index) else { continue };
            column.values.resize(good, Value::Null);
            let value = match json_value(value) {
                Ok(Value::Float64(float))
                    if float.abs() >= BEYOND_INT64 && is_large_integer(&text, &column.name) =>
                {
                    Err(LARGE_INTEGERS)
                }
                other => other,
            };
            match value {
                Ok(value) => column.values.push(value),
                Err(what) => {
                    column.kind = ColumnKind::Other(what.to_owned());
                    column.values.push(Value::Null);
                }
            }
        }
        good += 1;
    }
    if let (0, Some(error)) = (good, first_error) {
        return Err(failed(format!("no line of it is a JSON object ({error})")));
    }
    columns.iter_mut().for_each(|column| column.values.resize(good, Value::Null));
    Ok(Surveyed { path: file.path.clone(), format: BatchFormat::Json, columns, rows: good, is_whole })
}

/// What no column can be declared as: as doubles they would be other numbers.
const LARGE_INTEGERS: &str = "integers beyond int64";

/// Whether a member of a record is an integer of more digits than JSON's reader keeps.
fn is_large_integer(record: &[u8], name: &str) -> bool {
    let members: Option<BTreeMap<String, &RawValue>> = serde_json::from_slice(record).ok();
    let text = members.as_ref().and_then(|members| members.get(name)).map(|value| value.get());
    text.is_some_and(|text| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-'))
}

fn json_value(value: serde_json::Value) -> Result<Value, &'static str> {
    Ok(match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Bool(value),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(value), _) => Value::Int64(value),
            (None, _) if number.is_u64() => return Err(LARGE_INTEGERS),
            (None, Some(value)) => Value::Float64(value),
            (None, None) => return Err("numbers that no type holds"),
        },
        serde_json::Value::String(text) => Value::String(text.into()),
        serde_json::Value::Array(items) => {
            let items: Result<Vec<Value>, _> = items.into_iter().map(json_value).collect();
            let items = items?;
            if items.iter().any(|item| matches!(item, Value::List(_))) {
                return Err("lists of lists");
            }
            Value::List(items.into())
        }
        serde_json::Value::Object(_) => return Err("objects"),
    })
}

fn sample_parquet(file: &SourceFile, rows: usize) -> Result<Surveyed, MaterializerError> {
    let failed = |error: String| damaged(&file.path, error);
    let opened = files::open(&file.path).map_err(|error| MaterializerError::file(&file.path, error))?;
    let builder = guarded(|| open_parquet(opened)).map_err(failed)?;
    let schema = builder.schema().clone();
    refuse_repeated(schema.fields().iter().map(|field| field.name().as_str()), file)?;
    let total = builder.metadata().file_metadata().num_rows();
    let mut columns: Vec<SurveyedColumn> =
        schema.fields().iter().map(|field| column(field.name().clone(), kind(field.data_type()))).collect();
    let wanted = rows.min(usize::try_from(total).unwrap_or(usize::MAX));
    let reader = builder.with_batch_size(wanted.max(1)).with_limit(wanted).build();
    let mut reader = reader.map_err(|error| failed(error.to_string()))?;
    let mut read = 0;
    while let Some(batch) = guarded(|| reader.next().transpose()).map_err(failed)? {
        read += batch.num_rows();
        for (column, array) in columns.iter_mut().zip(batch.columns()) {
            if transform::is_beyond_int64(array) {
                column.kind = ColumnKind::Other(LARGE_INTEGERS.to_owned());
            }
            column.values.extend(values(array, &column.kind));
        }
    }
    let is_whole = read as i64 == total;
    Ok(Surveyed { path: file.path.clone(), format: BatchFormat::Parquet, columns, rows: read, is_whole })
}

/// What a column of a Parquet file can be declared as.
fn kind(found: &ArrowType) -> ColumnKind {
    match transform::declarable(found) {
        Some(data_type) => ColumnKind::Typed(data_type),
        None if *found == ArrowType::Null => ColumnKind::Text,
        None => ColumnKind::Other(found.to_string().to_lowercase()),
    }
}

/// The values of a column, in its type; null where a value does not fit it.
fn values(array: &ArrayRef, kind: &ColumnKind) -> Vec<Value> {
    let ColumnKind::Typed(data_type) = kind else {
        return vec![Value::Null; array.len()];
    };
    let Ok(name) = "value".parse() else { return Vec::new() };
    let declared = [Field { name, data_type: *data_type }];
    let batch = arrow::array::RecordBatch::try_from_iter_with_nullable([("value", array.clone(), true)]);
    let conformed = batch.ok().and_then(|batch| {
        let conform = Conform::value_by_value(&declared, batch.schema_ref()).ok()?;
        conform.by_row(&batch).ok()
    });
    match conformed {
        Some((batch, _)) => {
            (0..array.len()).map(|row| transform::value_at(batch.column(0), row, *data_type)).collect()
        }
        None => vec![Value::Null; array.len()],
    }
}

fn column(name: String, kind: ColumnKind) -> SurveyedColumn {
    SurveyedColumn { name, kind, values: Vec::new(), is_of_folder: false }
}

/// A Delta table: the columns of all of its files, and the first rows of some.
async fn delta_table(path: &Path) -> Result<Surveyed, MaterializerError> {
    let name = "table".parse().map_err(|error: feature::NameError| MaterializerError::file(path, error))?;
    let found = delta::find(path, &VersionId { name, version: 1 }, TableVersions::default()).await?;
    let path = path.to_owned();
    blocking::run(move || {
        let mut table = Surveyed {
            path,
            format: BatchFormat::Delta,
            columns: Vec::new(),
            rows: 0,
            is_whole: found.files.len() <= SAMPLED_FILES,
        };
        for file in found.files.iter().take(SAMPLED_FILES) {
            let rows = SAMPLE_ROWS / found.files.len().clamp(1, SAMPLED_FILES);
            add(&mut table, one(file, BatchFormat::Delta, rows)?);
        }
        Ok(table)
    })
    .await?
}

/// Adds the rows of a table's file. A column that files have in several types is of none.
fn add(table: &mut Surveyed, file: Surveyed) {
    let before = table.rows;
    table.rows += file.rows;
    table.is_whole &= file.is_whole;
    for found in file.columns {
        match table.columns.iter_mut().find(|column| column.name == found.name) {
            Some(column) => {
                if column.kind != found.kind {
                    column.kind = ColumnKind::Other("values of several types".to_owned());
                }
                column.values.extend(found.values);
            }
            None => {
                let mut values = vec![Value::Null; before];
                values.extend(found.values);
                table.columns.push(SurveyedColumn { values, ..found });
            }
        }
    }
    let rows = table.rows;
    table.columns.iter_mut().for_each(|column| column.values.resize(rows, Value::Null));
}
