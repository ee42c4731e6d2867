//! The commits and checkpoints of a table of which files were written again: they lose what they say of the least and
//! greatest values of these files, which may be those of a forgotten entity.
//!
//! A commit says what its checksum was before, so that the next one still follows it. A checkpoint only repeats what
//! commits say, and is removed.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use arrow::array::{Array, AsArray, RecordBatch, StructArray};
use deltalake_core::Path as TablePath;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};

use super::rewritten_file::replace;
use super::searched_table::SearchedTable;
use crate::error::OfflineError;
use crate::fault_injection::BatchPoint;
use crate::log::commit_list::{self, Listed};
use crate::log::storage::{COMMITS, LAST_CHECKPOINT, Storage, commit_name, commit_sum, durable};

/// Searches commits and checkpoints for what they say of files that were written again, and for texts.
pub(super) fn search(
    table: &Path,
    rewritten: &BTreeMap<String, u64>,
    texts: &[String],
    removes: bool,
    found: &mut SearchedTable,
) -> Result<(), OfflineError> {
    let (listed, storage) = (Listed::of(table)?, Storage::default());
    found.commits = listed.commits.len() as u64;
    for version in &listed.commits {
        let path = commit_list::commit(table, *version);
        let read = storage.commit(&path, *version).map_err(|error| OfflineError::of_file(&path, error))?;
        let (mut bytes, sum) = read;
        if removes && let Some(lines) = without_values(&bytes, rewritten) {
            bytes = commit_sum::rewritten(&commit_name(*version), &lines, sum);
            replace(&path, &bytes)?;
            found.commits_rewritten += 1;
            BatchPoint::CommitForgotten.pass();
        }
        found.texts += u64::from(holds(&String::from_utf8_lossy(&bytes), texts));
    }
    for path in &listed.checkpoint_files {
        let (says_values, holds_text) = search_checkpoint(path, rewritten, texts)?;
        if removes && (says_values || holds_text) {
            remove_checkpoint(table, path)?;
            found.checkpoints_removed += 1;
            BatchPoint::CheckpointsForgotten.pass();
        } else {
            found.texts += u64::from(holds_text);
        }
    }
    Ok(())
}

/// Whether a text has one of these, each of which is a JSON string in its quotes; it may lie in a string itself.
fn holds(text: &str, texts: &[String]) -> bool {
    texts.iter().any(|wanted| {
        let quoted = wanted.replace('\\', "\\\\").replace('"', "\\\"");
        text.contains(wanted.as_str()) || text.contains(&quoted)
    })
}

/// The statistics of a file that was written again.
fn bare_statistics(rows: u64) -> String {
    json!({ "numRecords": rows }).to_string()
}

/// The lines of a commit that say nothing of the values of these files; `None` where they do not now.
fn without_values(commit: &[u8], rewritten: &BTreeMap<String, u64>) -> Option<Vec<u8>> {
    let mut is_changed = false;
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for line in commit.split(|byte| *byte == b'\n') {
        let changed = changed_line(line, rewritten);
        is_changed |= changed.is_some();
        lines.push(changed.unwrap_or_else(|| line.to_vec()));
    }
    is_changed.then(|| lines.join(&b'\n'))
}

fn changed_line(line: &[u8], rewritten: &BTreeMap<String, u64>) -> Option<Vec<u8>> {
    let mut action: Value = serde_json::from_slice(line).ok()?;
    for kind in ["add", "remove"] {
        let Some(file) = action.get_mut(kind) else { continue };
        let path = TablePath::parse(file.get("path")?.as_str()?).ok()?.to_string();
        let bare = bare_statistics(*rewritten.get(&path)?);
        let statistics = file.get_mut("stats").filter(|statistics| !statistics.is_null())?;
        if statistics.as_str() == Some(bare.as_str()) {
            return None;
        }
        *statistics = Value::String(bare);
        return serde_json::to_vec(&action).ok();
    }
    None
}

/// Whether a checkpoint says more of these files than how many rows they have, and whether it holds one of the texts.
fn search_checkpoint(
    path: &Path,
    rewritten: &BTreeMap<String, u64>,
    texts: &[String],
) -> Result<(bool, bool), OfflineError> {
    let unreadable = |error: parquet::errors::ParquetError| OfflineError::file("read", path, error);
    let file = File::open(path).map_err(|error| OfflineError::file("read", path, error))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).and_then(|builder| builder.build());
    let (mut says_values, mut holds_text) = (false, false);
    for batch in reader.map_err(unreadable)? {
        let batch = batch?;
        holds_text |= strings(&batch).any(|text| holds(&text, texts));
        let Some(adds) = batch.column_by_name("add").and_then(|add| add.as_struct_opt()) else { continue };
        says_values |= (0..adds.len()).any(|row| says_values_of(adds, row, rewritten));
    }
    Ok((says_values, holds_text))
}

fn says_values_of(adds: &StructArray, row: usize, rewritten: &BTreeMap<String, u64>) -> bool {
    let text = |name: &str| {
        let column = adds.column_by_name(name)?.as_string_opt::<i32>()?;
        (adds.is_valid(row) && column.is_valid(row)).then(|| column.value(row).to_owned())
    };
    let rows = text("path").and_then(|path| rewritten.get(&TablePath::parse(path).ok()?.to_string()));
    rows.is_some_and(|rows| text("stats").is_none_or(|statistics| statistics != bare_statistics(*rows)))
}

/// All texts in a batch, also within structures.
fn strings(batch: &RecordBatch) -> impl Iterator<Item = String> {
    let mut left: Vec<_> = batch.columns().to_vec();
    let mut found = Vec::new();
    while let Some(column) = left.pop() {
        if let Some(of_struct) = column.as_struct_opt() {
            left.extend(of_struct.columns().iter().cloned());
        } else if let Some(texts) = column.as_string_opt::<i32>() {
            found.extend(texts.iter().flatten().map(str::to_owned));
        }
    }
    found.into_iter()
}

/// Removes a checkpoint, and the hint that may name it.
fn remove_checkpoint(table: &Path, path: &Path) -> Result<(), OfflineError> {
    let folder = table.join(COMMITS);
    for path in [&folder.join(LAST_CHECKPOINT), path] {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(OfflineError::file("remove", path, error));
            }
            _ => {}
        }
    }
    durable::sync_folder(&folder).map_err(|error| OfflineError::file("write", &folder, error))
}
