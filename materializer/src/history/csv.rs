//! CSV files with a header that names their columns. Values are read by the rules of CSV fields: an empty field
//! is null, except for types that can be empty when it is quoted.

use feature::{DataType, Field, Scalar, Source, Value, VersionId};
use futures::future::{BoxFuture, FutureExt, ready};

use super::batch_source::{BatchSource, RowReader};
use super::columns::{self, refuse_repeated};
use super::file_text;
use super::source_file::{SourceFile, SourceFiles, TableVersions};
use super::source_rows::RowProblem;
use super::text_records::{self, Records};
use super::text_rows::{self, Origin, ReadRecord, RecordFormat, TextColumn, TextReader, TextRecords};
use crate::error::MaterializerError;

/// A source whose history is CSV files.
pub(crate) struct CsvSource {
    pub(crate) source: Source,
    pub(crate) files: SourceFiles,
}

impl BatchSource for CsvSource {
    fn files<'a>(
        &'a self,
        _: &'a VersionId,
        _: TableVersions,
    ) -> BoxFuture<'a, Result<SourceFiles, MaterializerError>> {
        ready(Ok(self.files.clone())).boxed()
    }

    fn check_whole(&self, file: &SourceFile) -> Result<(), MaterializerError> {
        // What is damaged, or made to take time, is refused before it is scanned for quotes.
        file_text::check_compressed(&file.path)
            .map_err(|error| MaterializerError::file(&file.path, error))?;
        let (_, mut records) = open_records(file)?;
        let mut row = 0;
        while records.next_text().map_err(|error| text_rows::failed_at(file, row, &error))?.is_some() {
            row += 1;
        }
        Ok(())
    }

    fn absent(&self, columns: &[Field], file: &SourceFile) -> Result<Vec<RowProblem>, MaterializerError> {
        let optional: Vec<&Field> =
            columns.iter().filter(|field| self.source.is_optional(&field.name)).collect();
        if optional.is_empty() {
            return Ok(Vec::new());
        }
        let (header, _) = open_records(file)?;
        let absent = optional.into_iter().filter_map(|field| {
            let stored = self.source.stored_name(&field.name);
            let is_there = header.iter().any(|column| column == stored)
                || columns::of_folder(&self.source, field, file).is_some();
            let taken = |column: &str| columns::is_taken(&self.source, column);
            let otherwise = columns::named_otherwise(field, stored, &header, &taken).filter(|_| !is_there)?;
            let what = format!("the file has no column `{stored}`, and {otherwise}");
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
        let (header, records) = open_records(file)?;
        let record = CsvRecord { header, separator: records.separator() };
        let reader = TextReader::new(&self.source, columns, file, record, records, max_rows)?;
        Ok(Box::new(reader))
    }
}

/// The names of a file's columns, and the records that follow them. Two columns of one name are refused.
pub(crate) fn open_records(file: &SourceFile) -> Result<(Vec<String>, TextRecords), MaterializerError> {
    let failed = |why: String| MaterializerError::file(&file.path, why);
    let text = file_text::text(&file.path).map_err(|error| failed(error.to_string()))?;
    let mut records =
        if file_text::is_of_tabs(&file.path) { Records::of_tabs(text) } else { Records::new(text) };
    let first = records.next_text().map_err(|error| failed(error.to_string()))?;
    let first =
        first.ok_or_else(|| failed("it is empty: its first line must name its columns".to_owned()))?;
    if text_records::ends_lines_in_cr(&first) {
        return Err(failed(
            "its lines end in CR alone, so all of it is its header: convert it to lines that end in LF"
                .to_owned(),
        ));
    }
    let fields = text_records::fields(&first, records.separator())
        .map_err(|why| failed(format!("its header: {why}")))?;
    let names: Vec<String> =
        fields.into_iter().map(|name| name.unwrap_or_default().trim().to_owned()).collect();
    refuse_repeated(names.iter().map(String::as_str).filter(|name| !name.is_empty()), file)?;
    Ok((names, records))
}

/// A record of a file with this header.
struct CsvRecord {
    header: Vec<String>,
    separator: u8,
}

impl RecordFormat for CsvRecord {
    fn find(&self, stored: &str, _: usize) -> Option<usize> {
        self.header.iter().position(|column| column == stored)
    }

    fn missing(&self, field: &Field, stored: &str, is_taken: &dyn Fn(&str) -> bool) -> String {
        match columns::named_otherwise(field, stored, &self.header, is_taken) {
            Some(otherwise) => format!("the file has no column `{stored}`, and {otherwise}"),
            None => format!("the file has no column `{stored}`; it has {}", self.header.join(", ")),
        }
    }

    fn values(&self, columns: &[TextColumn], record: &[u8]) -> ReadRecord {
        let fields = match text_records::fields(record, self.separator) {
            Ok(fields) if fields.len() == self.header.len() => fields,
            Ok(fields) => {
                let (found, expected) = (fields.len(), self.header.len());
                let what = format!("it has {found} fields, and the header has {expected}");
                return ReadRecord::unreadable(columns, what);
            }
            Err(what) => return ReadRecord::unreadable(columns, what),
        };
        let mut problems = Vec::new();
        let mut values = Vec::with_capacity(columns.len());
        for TextColumn { field, origin } in columns {
            let text = match origin {
                Origin::Record(index) => fields.get(*index).and_then(Option::as_deref),
                Origin::Constant(_) => None,
            };
            values.push(match text {
                None => Value::Null,
                // Only texts and bytes can be empty: other types have no value there.
                Some("") if !can_be_empty(field.data_type) => Value::Null,
                Some(text) => feature::field(text, field.data_type).unwrap_or_else(|| {
                    problems.push(misfit(field, text));
                    Value::Null
                }),
            });
        }
        ReadRecord { values, problems }
    }
}

fn misfit(field: &Field, text: &str) -> RowProblem {
    let shown = text.get(..text.floor_char_boundary(40)).unwrap_or(text);
    let limits = feature::limits(field.data_type);
    let what = format!("the column `{}` is {}, and \"{shown}\" is not{limits}", field.name, field.data_type);
    RowProblem { column: Some(field.name.clone()), what }
}

fn can_be_empty(data_type: DataType) -> bool {
    matches!(data_type, DataType::Scalar(Scalar::String | Scalar::Bytes))
}
