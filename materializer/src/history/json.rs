//! Files with a JSON object on each line. Values are read by the rules of JSON streams.

use std::collections::{BTreeMap, BTreeSet};

use feature::{Field, Source, VersionId};
use futures::future::{BoxFuture, FutureExt, ready};

use serde::de::IgnoredAny;

use super::batch_source::{BatchSource, RowReader};
use super::columns;
use super::file_text;
use super::source_file::{SourceFile, SourceFiles, TableVersions};
use super::source_rows::RowProblem;
use super::text_records::Records;
use super::text_rows::{ReadRecord, RecordFormat, TextColumn, TextReader, TextRecords};
use crate::error::MaterializerError;
use crate::rows::json_object::{self, Decoded, Misfit};

/// Rows of a file of which it is looked whether any has the source's columns.
const FIRST_ROWS: usize = 1_000;

/// Names that the objects of a file have together, of which it is looked whether the source's columns are among them.
const MOST_NAMES: usize = 16_384;

/// A source whose history is JSON files.
pub(crate) struct JsonSource {
    pub(crate) source: Source,
    pub(crate) files: SourceFiles,
}

impl BatchSource for JsonSource {
    fn files<'a>(
        &'a self,
        _: &'a VersionId,
        _: TableVersions,
    ) -> BoxFuture<'a, Result<SourceFiles, MaterializerError>> {
        ready(Ok(self.files.clone())).boxed()
    }

    fn absent(&self, columns: &[Field], file: &SourceFile) -> Result<Vec<RowProblem>, MaterializerError> {
        let mut records = open_records(file)?;
        let is_there = |names: &BTreeSet<String>, field: &Field| {
            names.contains(self.source.stored_name(&field.name))
                || columns::of_folder(&self.source, field, file).is_some()
        };
        let (mut rows, mut names) = (0, BTreeSet::new());
        while rows < FIRST_ROWS && names.len() < MOST_NAMES {
            let record = records.next_text().map_err(|error| MaterializerError::file(&file.path, error))?;
            let Some(record) = record else { break };
            let object = serde_json::from_slice::<BTreeMap<String, IgnoredAny>>(&record);
            let known = names.len();
            names.extend(object.unwrap_or_default().into_keys());
            rows += 1;
            // Nearly always the first row has all of them.
            if names.len() > known && columns.iter().all(|field| is_there(&names, field)) {
                return Ok(Vec::new());
            }
        }
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let absent = columns.iter().filter_map(|field| {
            let stored = self.source.stored_name(&field.name);
            if is_there(&names, field) {
                return None;
            }
            let taken = |column: &str| columns::is_taken(&self.source, column);
            let what = match columns::named_otherwise(field, stored, &names, &taken) {
                Some(otherwise) => format!("none of its first rows has a column `{stored}`, and they have {otherwise}"),
                None if self.source.is_optional(&field.name) => return None,
                None => format!(
                    "none of its first rows has a column `{stored}`, which is null in them: correct its name, or say that \
                     it is `optional`"
                ),
            };
            Some(RowProblem { column: Some(field.name.clone()), what })
        });
        Ok(absent.collect())
    }

    fn open(
        &self,
        columns: &[Field],
        file: &SourceFile,
        max_rows: Option<usize>,
    ) -> Result<Box<dyn RowReader>, MaterializerError> {
        let names = columns.iter().map(|field| self.source.stored_name(&field.name).to_owned());
        let format = JsonRecord { fields: columns.to_vec(), names: names.collect() };
        let records = open_records(file)?;
        Ok(Box::new(TextReader::new(&self.source, columns, file, format, records, max_rows)?))
    }
}

/// The lines of a file.
pub(crate) fn open_records(file: &SourceFile) -> Result<TextRecords, MaterializerError> {
    let text = file_text::text(&file.path);
    Ok(Records::lines(text.map_err(|error| MaterializerError::file(&file.path, error))?))
}

/// Refuses a file that is one JSON list, or whose objects go over several lines.
pub(crate) fn refuse_list(first: &[u8]) -> Result<(), &'static str> {
    match first.trim_ascii() {
        [b'[', ..] => Err("it begins with a list: write one JSON object on each line"),
        b"{" => Err("its first object goes over several lines: write one JSON object on each line"),
        _ => Ok(()),
    }
}

/// An object with these columns, which have these names in it.
struct JsonRecord {
    fields: Vec<Field>,
    names: Vec<String>,
}

impl RecordFormat for JsonRecord {
    fn find(&self, _: &str, index: usize) -> Option<usize> {
        // Objects name their own columns: one that an object lacks is null.
        Some(index)
    }

    fn missing(&self, _: &Field, stored: &str, _: &dyn Fn(&str) -> bool) -> String {
        format!("the file has no column `{stored}`")
    }

    fn check_first(&self, record: &[u8]) -> Result<(), &'static str> {
        refuse_list(record)
    }

    fn values(&self, _: &[TextColumn], record: &[u8]) -> ReadRecord {
        let Decoded { values, misfits } = json_object::decode_each(&self.fields, &self.names, record);
        let problem = |Misfit { column, what }| RowProblem { column, what };
        ReadRecord { values, problems: misfits.into_iter().map(problem).collect() }
    }
}
