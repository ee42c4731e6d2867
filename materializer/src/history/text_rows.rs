//! A file of text, record by record, whatever its format: constants of its folders, batches, and records that are
//! bad by themselves. What one record says is the format's to decide.

use std::io::{self, BufRead};

use arrow::array::RecordBatch;
use feature::{Field, Source, Value};

use super::batch_source::RowReader;
use super::columns::{self, Constant};
use super::source_file::SourceFile;
use super::source_rows::{RowProblem, SourceRows, UnreadableRow};
use super::text_records::Records;
use crate::error::MaterializerError;

/// The records of a file.
pub(crate) type TextRecords = Records<Box<dyn BufRead + Send>>;

/// Records of one batch, at most.
const BATCH_ROWS: usize = 8_192;
/// Bytes of the records of one batch, after which no other is added.
const BATCH_BYTES: usize = 32 << 20;
/// Bytes of a record that its dead letter keeps.
const SHOWN_BYTES: usize = 1_000;

/// How one record of a format is read.
pub(crate) trait RecordFormat: Send {
    /// The index of a column's value in a record, by its stored name; `None` if no record of the file has it.
    /// `index` is that of the column among those that are read.
    fn find(&self, stored: &str, index: usize) -> Option<usize>;

    /// What is wrong with a file that lacks a column, which has this name in it. Whether a column of the file is
    /// another one's already is said by `is_taken`.
    fn missing(&self, field: &Field, stored: &str, is_taken: &dyn Fn(&str) -> bool) -> String;

    /// Refuses a file by its first record.
    fn check_first(&self, _record: &[u8]) -> Result<(), &'static str> {
        Ok(())
    }

    /// One value for each column, and everything that is wrong with the record. The value of a constant column does
    /// not matter.
    fn values(&self, columns: &[TextColumn], record: &[u8]) -> ReadRecord;
}

/// What a record says.
pub(crate) struct ReadRecord {
    /// One for each column; null where it cannot be read: the event time that can be read says to which date a bad
    /// record belongs.
    pub(crate) values: Vec<Value>,
    /// None of a good record.
    pub(crate) problems: Vec<RowProblem>,
}

impl ReadRecord {
    /// A record of which nothing can be read.
    pub(crate) fn unreadable(columns: &[TextColumn], what: String) -> Self {
        Self { values: vec![Value::Null; columns.len()], problems: vec![RowProblem { column: None, what }] }
    }
}

/// A column that is read.
pub(crate) struct TextColumn {
    pub(crate) field: Field,
    pub(crate) origin: Origin,
}

/// Where a column's values come from.
pub(crate) enum Origin {
    /// The field of each record with this index.
    Record(usize),
    /// One value for all rows of the file: of its folder's name, or null if the file may lack the column.
    Constant(Value),
}

/// The error of reading the record after this many.
pub(crate) fn failed_at(file: &SourceFile, rows_before: u64, error: &io::Error) -> MaterializerError {
    MaterializerError::file(&file.path, format!("row {}: {error}", rows_before + 1))
}

/// A file of text being read.
pub(crate) struct TextReader<F> {
    file: SourceFile,
    format: F,
    records: TextRecords,
    columns: Vec<TextColumn>,
    fields: Vec<Field>,
    /// What is wrong with the names of the file's folders, and so with every row.
    folder: Vec<RowProblem>,
    next_row: u64,
    max_rows: usize,
}

impl<F: RecordFormat> TextReader<F> {
    /// Reads the records of a file from where they are.
    pub(crate) fn new(
        source: &Source,
        input: &[Field],
        file: &SourceFile,
        format: F,
        records: TextRecords,
        max_rows: Option<usize>,
    ) -> Result<Self, MaterializerError> {
        let (mut problems, mut folder) = (Vec::new(), Vec::new());
        let mut found = Vec::with_capacity(input.len());
        for (index, field) in input.iter().enumerate() {
            let stored = source.stored_name(&field.name);
            let origin = match (columns::of_folder(source, field, file), format.find(stored, index)) {
                (Some(Constant::Value(value)), _) => Origin::Constant(value),
                (Some(Constant::Problem(problem)), _) => {
                    folder.push(problem);
                    Origin::Constant(Value::Null)
                }
                (None, Some(index)) => Origin::Record(index),
                (None, None) => {
                    if !source.is_optional(&field.name) {
                        let is_taken = |column: &str| columns::is_taken(source, column);
                        problems.push(format.missing(field, stored, &is_taken));
                    }
                    Origin::Constant(Value::Null)
                }
            };
            found.push(TextColumn { field: field.clone(), origin });
        }
        if !problems.is_empty() {
            return Err(MaterializerError::File { path: file.path.display().to_string(), problems });
        }
        Ok(Self {
            file: file.clone(),
            format,
            records,
            columns: found,
            fields: input.to_vec(),
            folder,
            next_row: 0,
            max_rows: max_rows.unwrap_or(BATCH_ROWS),
        })
    }

    /// A record with the values of the file's folders.
    fn read(&self, record: &[u8]) -> ReadRecord {
        let ReadRecord { values, mut problems } = self.format.values(&self.columns, record);
        problems.splice(..0, self.folder.iter().cloned());
        let value = |(column, value): (&TextColumn, Value)| match &column.origin {
            Origin::Constant(constant) => constant.clone(),
            Origin::Record(_) => value,
        };
        ReadRecord { values: self.columns.iter().zip(values).map(value).collect(), problems }
    }
}

impl<F: RecordFormat> RowReader for TextReader<F> {
    fn next_rows(&mut self) -> Result<Option<SourceRows>, MaterializerError> {
        let first_row = self.next_row;
        let mut rows: Vec<Vec<Value>> = Vec::new();
        let mut unreadable = Vec::new();
        let mut bytes = 0;
        while rows.len() < self.max_rows && bytes < BATCH_BYTES {
            let record = self.records.next_text();
            let record = record.map_err(|error| failed_at(&self.file, self.next_row, &error))?;
            let Some(record) = record else { break };
            if self.next_row == 0 {
                self.format
                    .check_first(&record)
                    .map_err(|why| MaterializerError::file(&self.file.path, why))?;
            }
            self.next_row += 1;
            bytes += record.len();
            let ReadRecord { values, problems } = self.read(&record);
            if !problems.is_empty() {
                let shown =
                    String::from_utf8_lossy(record.get(..SHOWN_BYTES).unwrap_or(&record)).into_owned();
                unreadable.push(UnreadableRow { row: rows.len(), problems, shown });
            }
            rows.push(values);
        }
        if rows.is_empty() {
            return Ok(None);
        }
        // Every row has one value for each column.
        let arrays = self.fields.iter().enumerate().map(|(column, field)| {
            let values = rows.iter().filter_map(|row| row.get(column));
            transform::array_of(values, field.data_type)
        });
        let batch = RecordBatch::try_new(transform::arrow_schema(&self.fields), arrays.collect())?;
        Ok(Some(SourceRows { first_row, batch, positions: None, unreadable }))
    }
}
