//! A file of text, record by record: CSV with a header, or a JSON object on each line. Values are read by the
//! rules of JSON streams. A record that cannot be read is bad by itself, and the others keep their numbers.

use std::io::BufRead;

use arrow::array::RecordBatch;
use feature::{BatchFormat, DataType, Field, Scalar, Source, Value};

use crate::csv_records::{self, Records};
use crate::error::MaterializerError;
use crate::file_format;
use crate::source_files::SourceFile;
use crate::source_reader::{SourceRows, Unfitting, Unreadable, constant_value, refuse_repeated};
use crate::stream::{json_values, text_value};

/// Records of one batch.
const BATCH_ROWS: usize = 8_192;
/// Characters of a record that its dead letter keeps.
const SHOWN_BYTES: usize = 1_000;

/// Where a column's values come from.
enum Column {
    /// The field at this index.
    At(usize),
    /// The same for all rows of the file: of its folder's name, or null where it may lack the column.
    Constant(Value),
}

/// A file of text being read.
pub(crate) struct TextReader {
    file: SourceFile,
    format: BatchFormat,
    records: Records<Box<dyn BufRead + Send>>,
    fields: Vec<Field>,
    /// The names of the columns in the file.
    names: Vec<String>,
    columns: Vec<Column>,
    /// What is wrong with the names of the file's folders, and so with every row.
    folder: Vec<Unfitting>,
    /// Fields of a CSV record.
    width: usize,
    next_row: u64,
    batch_rows: usize,
}

impl TextReader {
    pub(crate) fn open(
        source: &Source,
        input: &[Field],
        file: &SourceFile,
        format: BatchFormat,
    ) -> Result<Self, MaterializerError> {
        let failed = |error: &dyn std::fmt::Display| MaterializerError::file(&file.path, error);
        let text = file_format::text(&file.path).map_err(|error| failed(&error))?;
        let mut records = match format {
            BatchFormat::Csv => Records::new(text),
            _ => Records::lines(text),
        };
        let header = match format {
            BatchFormat::Csv => Some(header(&mut records, file)?),
            _ => None,
        };
        let (mut problems, mut folder) = (Vec::new(), Vec::new());
        let mut columns = Vec::with_capacity(input.len());
        for (index, field) in input.iter().enumerate() {
            let name = source.stored_name(&field.name);
            let found = match &header {
                Some(header) => header.iter().position(|column| column == name),
                None => Some(index),
            };
            let constant = file.partition.iter().find(|(column, _)| column == name).map(|(_, value)| value);
            columns.push(match (constant, found) {
                (Some(text), _) => match constant_value(name, text.as_deref(), field) {
                    Ok(value) => Column::Constant(value),
                    Err(problem) => {
                        folder.push(problem);
                        Column::Constant(Value::Null)
                    }
                },
                (None, Some(at)) => Column::At(at),
                (None, None) if source.is_optional(&field.name) => Column::Constant(Value::Null),
                (None, None) => {
                    problems.push(missing(name, header.as_deref().unwrap_or_default()));
                    Column::Constant(Value::Null)
                }
            });
        }
        if !problems.is_empty() {
            return Err(MaterializerError::File { path: file.path.display().to_string(), problems });
        }
        Ok(Self {
            file: file.clone(),
            format,
            records,
            names: input.iter().map(|field| source.stored_name(&field.name).to_owned()).collect(),
            fields: input.to_vec(),
            columns,
            folder,
            width: header.map_or(0, |header| header.len()),
            next_row: 0,
            batch_rows: BATCH_ROWS,
        })
    }

    /// Gives batches of no more than this many rows.
    pub(crate) fn batches_of(self, rows: usize) -> Self {
        Self { batch_rows: rows, ..self }
    }

    pub(crate) fn next_rows(&mut self) -> Result<Option<SourceRows>, MaterializerError> {
        let first_row = self.next_row;
        let mut rows: Vec<Vec<Value>> = Vec::new();
        let mut unreadable = Vec::new();
        while rows.len() < self.batch_rows {
            let text = self.records.next_text().map_err(|error| {
                MaterializerError::file(&self.file.path, format!("row {}: {error}", self.next_row + 1))
            })?;
            let Some(text) = text else { break };
            if self.next_row == 0 && self.format == BatchFormat::Json && text.first() == Some(&b'[') {
                let why = "it begins with a list: write one JSON object on each line";
                return Err(MaterializerError::file(&self.file.path, why));
            }
            self.next_row += 1;
            rows.push(self.values(&text).unwrap_or_else(|problems| {
                let shown = String::from_utf8_lossy(text.get(..SHOWN_BYTES).unwrap_or(&text)).into_owned();
                unreadable.push(Unreadable { row: rows.len(), problems, shown });
                vec![Value::Null; self.fields.len()]
            }));
        }
        if rows.is_empty() {
            return Ok(None);
        }
        let arrays = self.fields.iter().enumerate().map(|(at, field)| {
            let values = rows.iter().map(|row| row.get(at).unwrap_or(&Value::Null));
            transform::array_of(values, field.data_type)
        });
        let batch = RecordBatch::try_new(transform::arrow_schema(&self.fields), arrays.collect())?;
        Ok(Some(SourceRows { first_row, batch, unreadable }))
    }

    /// One value for each column, or what is wrong with the record.
    fn values(&self, text: &[u8]) -> Result<Vec<Value>, Vec<Unfitting>> {
        let of_record = |what: String| vec![Unfitting { column: None, what }];
        let given = match self.format {
            BatchFormat::Csv => self.csv(text),
            _ => json_values(&self.fields, &self.names, text).map_err(of_record),
        };
        let given = match (given, self.folder.as_slice()) {
            (Ok(given), []) => given,
            (given, folder) => {
                return Err(folder.iter().cloned().chain(given.err().into_iter().flatten()).collect());
            }
        };
        let value = |(at, column): (usize, &Column)| match column {
            Column::Constant(value) => value.clone(),
            Column::At(_) => given.get(at).cloned().unwrap_or(Value::Null),
        };
        Ok(self.columns.iter().enumerate().map(value).collect())
    }

    fn csv(&self, text: &[u8]) -> Result<Vec<Value>, Vec<Unfitting>> {
        let of_record = |what: String| vec![Unfitting { column: None, what }];
        let record = csv_records::fields(text).map_err(of_record)?;
        if record.len() != self.width {
            let found = record.len();
            return Err(of_record(format!("it has {found} fields, and the header has {}", self.width)));
        }
        let mut problems = Vec::new();
        let mut values = Vec::with_capacity(self.fields.len());
        for (field, column) in self.fields.iter().zip(&self.columns) {
            let text = match column {
                Column::At(at) => record.get(*at).and_then(Option::as_deref),
                Column::Constant(_) => None,
            };
            values.push(match text {
                None => Value::Null,
                // Only texts and bytes can be empty: other types have no value there.
                Some("") if !can_be_empty(field.data_type) => Value::Null,
                Some(text) => text_value(text, field.data_type).unwrap_or_else(|| {
                    let shown = text.get(..text.floor_char_boundary(40)).unwrap_or_default();
                    let limits = feature::limits(field.data_type);
                    let what = format!(
                        "the column `{}` is {}, and \"{shown}\" is not{limits}",
                        field.name, field.data_type
                    );
                    problems.push(Unfitting { column: Some(field.name.clone()), what });
                    Value::Null
                }),
            });
        }
        if problems.is_empty() { Ok(values) } else { Err(problems) }
    }
}

fn can_be_empty(data_type: DataType) -> bool {
    matches!(data_type, DataType::Scalar(Scalar::String | Scalar::Bytes))
}

/// The names of a CSV file's columns. Two columns of one name are refused.
pub(crate) fn header(
    records: &mut Records<Box<dyn BufRead + Send>>,
    file: &SourceFile,
) -> Result<Vec<String>, MaterializerError> {
    let failed = |why: String| MaterializerError::file(&file.path, why);
    let text = records.next_text().map_err(|error| failed(error.to_string()))?;
    let text = text.ok_or_else(|| failed("it is empty: its first line must name its columns".to_owned()))?;
    let fields = csv_records::fields(&text).map_err(|why| failed(format!("its header: {why}")))?;
    let names: Vec<String> =
        fields.into_iter().map(|name| name.unwrap_or_default().trim().to_owned()).collect();
    refuse_repeated(names.iter().map(String::as_str).filter(|name| !name.is_empty()), file)?;
    Ok(names)
}

fn missing(name: &str, header: &[String]) -> String {
    let same = header.iter().find(|column| column.to_lowercase() == name.to_lowercase());
    match same {
        Some(column) => format!(
            "the file has no column `{name}`, and a column `{column}`: name it in the schema, as in \
             `{name}: {{type: …, column: {column}}}`"
        ),
        None => format!("the file has no column `{name}`; it has {}", header.join(", ")),
    }
}
