//! An extract being made: the rows of a query arrive, those that are new are written aside, and once the last one was
//! there the file is synced and gets its name. Where it is dropped before, nothing is left of it.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use bytes::Bytes;
use feature::{DataType, Scalar};
use offline::BatchPoint;
use zstd::Encoder;

use super::copied_row;
use super::extract_summary::ExtractSummary;
use super::extracted_rows::{ExtractedRows, moment};
use super::extracts::{self, Extracts, ExtractsLock};
use super::field_text::field_text;
use super::query_columns::QueryColumn;
use crate::error::MaterializerError;
use crate::history::file_text;
use crate::history::text_records::MAX_RECORD_BYTES;

/// How much is compressed: the level at which zstd is as fast as what it reads.
const LEVEL: i32 = 3;
const BUFFER_BYTES: usize = 1 << 17;

/// What an extraction has found so far.
pub(super) struct NewExtract {
    extracts: Extracts,
    number: u32,
    columns: Vec<QueryColumn>,
    known: ExtractedRows,
    file: Option<PartialFile>,
    read: u64,
    summary: ExtractSummary,
    /// Released after the file is named or gone.
    _lock: ExtractsLock,
}

/// What an extraction found.
pub(super) struct Extracted {
    pub(super) rows_read: u64,
    pub(super) rows_new: u64,
    /// Rows of earlier extracts that the query does not give any more.
    pub(super) rows_gone: u64,
    /// The name of the new extract, if there are new rows.
    pub(super) file: Option<String>,
}

/// A file under another name than its own, which is removed where it does not get that one.
struct PartialFile {
    whole: PathBuf,
    partial: PathBuf,
    /// `None` once it was closed.
    encoder: Option<Encoder<'static, BufWriter<File>>>,
    plain_bytes: u64,
    is_named: bool,
}

impl NewExtract {
    /// The extract with this number, of rows with these columns that are not among the known ones.
    pub(super) fn new(
        (extracts, lock): (Extracts, ExtractsLock),
        number: u32,
        columns: Vec<QueryColumn>,
        known: ExtractedRows,
    ) -> Self {
        let types = columns.iter().map(|column| (column.name.to_string(), column.data_type)).collect();
        Self {
            extracts,
            number,
            columns,
            known,
            file: None,
            read: 0,
            summary: ExtractSummary::of_types(types),
            _lock: lock,
        }
    }

    /// Takes the next rows of the query, as they were copied. Blocks.
    pub(super) fn add(&mut self, rows: &[Bytes]) -> Result<(), MaterializerError> {
        for row in rows {
            self.read += 1;
            let wrong = |why: &str| self.extracts.wrong(format!("row {} of the query: {why}", self.read));
            let fields = copied_row::fields(row).map_err(wrong)?;
            if fields.len() != self.columns.len() {
                return Err(wrong("it has another number of fields than the query has columns"));
            }
            let text = |(column, field): (&QueryColumn, Option<String>)| Some(field_text(column, field?));
            let fields: Vec<Option<String>> = self.columns.iter().zip(fields).map(text).collect();
            if self.known.take(&fields) {
                continue;
            }
            let record = record(fields.iter().map(Option::as_deref));
            if record.len() > MAX_RECORD_BYTES {
                return Err(wrong(
                    "it is longer than the 16 MiB that a row may have: leave out what makes it long",
                ));
            }
            self.write(&record)?;
            self.note(&fields);
        }
        Ok(())
    }

    /// Adds a row to the summary.
    fn note(&mut self, fields: &[Option<String>]) {
        self.summary.rows += 1;
        for (column, field) in self.columns.iter().zip(fields) {
            if column.data_type == DataType::from(Scalar::Timestamp) {
                let moments = self.summary.moments.entry(column.name.clone()).or_default();
                moments.add(field.as_deref().and_then(moment));
            }
        }
    }

    fn write(&mut self, record: &str) -> Result<(), MaterializerError> {
        let failed = |error: io::Error| self.extracts.failed(&error);
        if self.file.is_none() {
            let mut file = PartialFile::create(self.extracts.paths(self.number)).map_err(failed)?;
            file.write(&self::record(self.columns.iter().map(|column| Some(&*column.name))))
                .map_err(failed)?;
            BatchPoint::ExtractBegun.pass();
            self.file = Some(file);
        }
        self.file.as_mut().map_or(Ok(()), |file| file.write(record)).map_err(failed)
    }

    /// All rows were there: gives the file its name, if there is one. Blocks: syncs it.
    pub(super) fn finish(mut self) -> Result<Extracted, MaterializerError> {
        let has_file = self.file.is_some();
        if let Some(file) = self.file.take() {
            file.name(&self.summary).map_err(|error| self.extracts.failed(&error))?;
        }
        Ok(Extracted {
            rows_read: self.read,
            rows_new: self.summary.rows,
            rows_gone: self.known.left(),
            file: has_file.then(|| extracts::name(self.number)),
        })
    }
}

impl PartialFile {
    fn create((whole, partial): (PathBuf, PathBuf)) -> io::Result<Self> {
        let file = BufWriter::with_capacity(BUFFER_BYTES, File::create(&partial)?);
        let mut encoder = Encoder::new(file, LEVEL)?;
        // Damage shows when it is read.
        encoder.include_checksum(true)?;
        Ok(Self { whole, partial, encoder: Some(encoder), plain_bytes: 0, is_named: false })
    }

    fn write(&mut self, record: &str) -> io::Result<()> {
        self.plain_bytes += record.len() as u64;
        self.encoder.as_mut().map_or(Ok(()), |encoder| encoder.write_all(record.as_bytes()))
    }

    fn name(mut self, summary: &ExtractSummary) -> io::Result<()> {
        let Some(encoder) = self.encoder.take() else { return Ok(()) };
        let mut file = encoder.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.write_all(&summary.frame()?)?;
        file.sync_all()?;
        if !file_text::is_ordinary(file.metadata()?.len(), self.plain_bytes) {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                "its rows repeat so much that no load would read them: let the query give less",
            ));
        }
        BatchPoint::ExtractWritten.pass();
        fs::rename(&self.partial, &self.whole)?;
        self.is_named = true;
        if let Some(folder) = self.whole.parent() {
            File::open(folder)?.sync_all()?;
        }
        BatchPoint::Extracted.pass();
        Ok(())
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        if !self.is_named {
            // What stays is removed by the next extraction.
            drop(fs::remove_file(&self.partial));
        }
    }
}

/// A record of CSV with its line break. A null is an empty field, and the empty text a quoted one; a single field is
/// followed by an empty one, as a line with nothing on it would be no record.
fn record<'a>(fields: impl ExactSizeIterator<Item = Option<&'a str>>) -> String {
    let is_single = fields.len() == 1;
    let mut record = String::new();
    for (index, field) in fields.enumerate() {
        if index > 0 {
            record.push(',');
        }
        let Some(text) = field else { continue };
        if text.is_empty() || text.contains(['"', ',', '\n', '\r']) {
            record.push('"');
            record.push_str(&text.replace('"', "\"\""));
            record.push('"');
        } else {
            record.push_str(text);
        }
    }
    record.push_str(if is_single { ",\n" } else { "\n" });
    record
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::history::text_records::{self, Records};

    #[test]
    fn a_single_column_that_is_null_is_a_record() {
        assert_eq!(record([None].into_iter()), ",\n");
        assert_eq!(record([Some("")].into_iter()), "\"\",\n");
        assert_eq!(record([None, Some("a\"b")].into_iter()), ",\"a\"\"b\"\n");
    }

    proptest! {
        #[test]
        fn a_record_is_read_as_what_was_written(fields in prop::collection::vec(
            prop::option::of("[a,\"\\n\\r \\\\;é\t\u{feff}]{0,6}"), 2..5
        )) {
            let header = record(["a", "b", "c", "d"].iter().take(fields.len()).map(|name| Some(*name)).collect::<Vec<_>>().into_iter());
            let text = header + &record(fields.iter().map(Option::as_deref));
            let mut records = Records::new(text.as_bytes());
            records.next_text().unwrap();
            let read = records.next_text().unwrap().unwrap();
            prop_assert_eq!(text_records::fields(&read, records.separator()).unwrap(), fields);
            prop_assert!(records.next_text().unwrap().is_none());
        }
    }
}
