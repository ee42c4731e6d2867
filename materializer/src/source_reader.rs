//! One file of a source, read in batches of the columns that a view needs, under the names and in the types that
//! the source declares.

use std::collections::BTreeMap;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use feature::{BatchFormat, Name, Source, Value};
use offline::{DeadLetter, open_parquet};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use transform::{Conform, Unfit};

use crate::error::MaterializerError;
use crate::source_files::SourceFile;
use crate::stream::text_value;
use crate::text_reader::TextReader;

/// Rows of one batch of a source.
const BATCH_ROWS: usize = 65_536;

/// Rows of a file: a batch of them, of which some may be unreadable.
pub(crate) struct SourceRows {
    /// The number of the first in the file, from 0.
    pub(crate) first_row: u64,
    /// The columns that were asked for; all null in a row that is unreadable.
    pub(crate) batch: RecordBatch,
    pub(crate) unreadable: Vec<Unreadable>,
}

/// A row that cannot be read.
pub(crate) struct Unreadable {
    /// Its index in the batch.
    pub(crate) row: usize,
    /// Everything that is wrong with it.
    pub(crate) problems: Vec<Unfitting>,
    /// What it is, as far as it is kept.
    pub(crate) shown: String,
}

/// One thing that is wrong with a row.
#[derive(Clone, Debug)]
pub(crate) struct Unfitting {
    /// The declared column, where it is of one.
    pub(crate) column: Option<Name>,
    /// What is wrong.
    pub(crate) what: String,
}

impl Unreadable {
    /// Everything that is wrong with it, in one text.
    pub(crate) fn detail(&self) -> String {
        self.problems.iter().map(|problem| problem.what.as_str()).collect::<Vec<_>>().join("; ")
    }
}

/// A file being read.
pub(crate) enum SourceReader {
    Parquet(Box<ParquetReader>),
    Text(Box<TextReader>),
}

impl SourceReader {
    /// Opens a file and checks all columns that the view needs against their declared types.
    pub(crate) fn open(
        source: &Source,
        input: &[feature::Field],
        file: &SourceFile,
        format: Option<BatchFormat>,
    ) -> Result<Self, MaterializerError> {
        Ok(match format {
            Some(format @ (BatchFormat::Csv | BatchFormat::Json)) => {
                SourceReader::Text(Box::new(TextReader::open(source, input, file, format)?))
            }
            _ => SourceReader::Parquet(Box::new(ParquetReader::open(source, input, file, BATCH_ROWS)?)),
        })
    }

    /// The same, of which no more than this many rows are wanted.
    pub(crate) fn head(
        source: &Source,
        input: &[feature::Field],
        file: &SourceFile,
        format: Option<BatchFormat>,
        rows: usize,
    ) -> Result<Self, MaterializerError> {
        Ok(match format {
            Some(format @ (BatchFormat::Csv | BatchFormat::Json)) => {
                let reader = TextReader::open(source, input, file, format)?.batches_of(rows);
                SourceReader::Text(Box::new(reader))
            }
            _ => SourceReader::Parquet(Box::new(ParquetReader::open(source, input, file, rows)?)),
        })
    }

    /// The next rows; none at the end.
    pub(crate) fn next_rows(&mut self) -> Result<Option<SourceRows>, MaterializerError> {
        match self {
            SourceReader::Text(reader) => reader.next_rows(),
            SourceReader::Parquet(reader) => reader.next_rows(),
        }
    }
}

/// A column whose one value is known of the whole file: by its folder or its table, or null.
struct Constant {
    field: Arc<Field>,
    /// The value, in one row.
    value: ArrayRef,
    /// Where the folder or the table says what the column's type cannot hold: every row is refused for it.
    problem: Option<Unfitting>,
}

/// A Parquet file being read.
pub(crate) struct ParquetReader {
    file: SourceFile,
    reader: ParquetRecordBatchReader,
    /// The columns that are read of the file, in its order, under the names that the source gives them.
    schema: SchemaRef,
    /// The columns that the file lacks, with the one value that they have in it.
    constants: Vec<Constant>,
    conform: Conform,
    next_row: u64,
}

impl ParquetReader {
    /// Opens a file and checks all columns that the view needs against their declared types.
    pub(crate) fn open(
        source: &Source,
        input: &[feature::Field],
        file: &SourceFile,
        batch_rows: usize,
    ) -> Result<Self, MaterializerError> {
        let opened = File::open(&file.path).map_err(|error| MaterializerError::file(&file.path, error))?;
        let failed = |error: String| damaged(&file.path, error);
        let builder = guarded(|| open_parquet(opened)).map_err(&failed)?;
        let stored = builder.schema().clone();
        refuse_repeated(stored.fields().iter().map(|field| field.name().as_str()), file)?;
        let own = renamed(&stored, source, input);
        let constants = constants(&own, source, input, file);
        let schema = with_constants(&own, &constants);
        let conform =
            Conform::value_by_value(input, &schema).map_err(|mismatches| MaterializerError::File {
                path: file.path.display().to_string(),
                problems: mismatches.iter().map(ToString::to_string).collect(),
            })?;
        let columns = conform.projection().iter().copied().filter(|column| *column < stored.fields().len());
        let mut read: Vec<usize> = columns.collect();
        read.sort_unstable();
        read.dedup();
        let own = Arc::new(own.project(&read)?);
        let mask = ProjectionMask::roots(builder.parquet_schema(), read);
        let reader = builder.with_projection(mask).with_batch_size(batch_rows).build();
        let reader = reader.map_err(|error| failed(error.to_string()))?;
        Ok(Self { file: file.clone(), reader, schema: own, constants, conform, next_row: 0 })
    }

    /// The next rows; none at the end.
    fn next_rows(&mut self) -> Result<Option<SourceRows>, MaterializerError> {
        let failed = |error: String| damaged(&self.file.path, error);
        let next = guarded(|| self.reader.next().transpose()).map_err(failed)?;
        let Some(batch) = next else { return Ok(None) };
        let first_row = self.next_row;
        self.next_row += batch.num_rows() as u64;
        let read = self.with_constants(batch)?;
        let (batch, unfit) =
            self.conform.by_row(&read).map_err(|error| MaterializerError::file(&self.file.path, error))?;
        let mut problems: BTreeMap<usize, Vec<Unfitting>> = BTreeMap::new();
        for problem in self.constants.iter().filter_map(|constant| constant.problem.as_ref()) {
            (0..batch.num_rows()).for_each(|row| problems.entry(row).or_default().push(problem.clone()));
        }
        for Unfit { row, place, what } in unfit {
            let column = self.conform.declared().get(place).map(|field| field.name.clone());
            problems.entry(row).or_default().push(Unfitting { column, what });
        }
        let unreadable = problems.into_iter().map(|(row, problems)| Unreadable {
            row,
            problems,
            shown: shown(&read, row),
        });
        Ok(Some(SourceRows { first_row, batch, unreadable: unreadable.collect() }))
    }

    /// The batch under the names that the source gives its columns, with those that the file lacks.
    fn with_constants(&self, batch: RecordBatch) -> Result<RecordBatch, MaterializerError> {
        let rows = batch.num_rows();
        let mut columns = batch.columns().to_vec();
        for constant in &self.constants {
            columns.push(take(&constant.value, &UInt32Array::from(vec![0; rows]), None)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let schema = with_constants(&self.schema, &self.constants);
        Ok(RecordBatch::try_new_with_options(schema, columns, &options)?)
    }
}

/// A row of a file as its dead letter keeps it.
fn shown(batch: &RecordBatch, row: usize) -> String {
    let options = FormatOptions::default();
    let columns = batch.schema_ref().fields().iter().zip(batch.columns());
    let values = columns.filter(|(_, column)| column.is_valid(row)).map(|(field, column)| {
        let text = ArrayFormatter::try_new(column, &options).map(|shown| shown.value(row).to_string());
        (field.name().clone(), text.unwrap_or_default().into())
    });
    let mut text = serde_json::Value::Object(values.collect()).to_string();
    text.truncate(text.floor_char_boundary(DeadLetter::MAX_ROW_BYTES));
    text
}

/// The value that a folder's name or a table gives a column in a whole file, or why it gives none.
pub(crate) fn constant_value(
    stored: &str,
    text: Option<&str>,
    field: &feature::Field,
) -> Result<Value, Unfitting> {
    let Some(text) = text else { return Ok(Value::Null) };
    text_value(text, field.data_type).ok_or_else(|| Unfitting {
        column: Some(field.name.clone()),
        what: format!(
            "the column `{}` is {}, and `{stored}={text}`, the folder of the file, is not",
            field.name, field.data_type
        ),
    })
}

/// Two columns of one name are refused: which of them is meant cannot be known.
pub(crate) fn refuse_repeated<'a>(
    names: impl IntoIterator<Item = &'a str>,
    file: &SourceFile,
) -> Result<(), MaterializerError> {
    let repeated = transform::repeated_names(names);
    if repeated.is_empty() {
        return Ok(());
    }
    let problems = repeated.iter().map(|name| format!("it has two columns `{name}`: rename one")).collect();
    Err(MaterializerError::File { path: file.path.display().to_string(), problems })
}

/// The file's schema with the names that the source gives its columns. A column whose name is that of another is
/// out of reach.
fn renamed(stored: &SchemaRef, source: &Source, input: &[feature::Field]) -> SchemaRef {
    let name = |stored: &str| {
        let reader = input.iter().find(|field| source.stored_name(&field.name) == stored);
        match reader {
            Some(field) => field.name.to_string(),
            None if input.iter().any(|field| field.name.as_str() == stored) => format!("\0{stored}"),
            None => stored.to_owned(),
        }
    };
    let fields =
        stored.fields().iter().map(|field| Arc::new(field.as_ref().clone().with_name(name(field.name()))));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The columns that the file lacks and whose values are known: by its folder or table, or null.
fn constants(own: &SchemaRef, source: &Source, input: &[feature::Field], file: &SourceFile) -> Vec<Constant> {
    let constant = |field: &feature::Field| {
        if own.column_with_name(field.name.as_str()).is_some() {
            return None;
        }
        let stored = source.stored_name(&field.name);
        let (value, problem) = match file.partition.iter().find(|(name, _)| name == stored) {
            Some((_, text)) => match constant_value(stored, text.as_deref(), field) {
                Ok(value) => (value, None),
                Err(problem) => (Value::Null, Some(problem)),
            },
            None if source.is_optional(&field.name) || file.table_columns.contains(stored) => {
                (Value::Null, None)
            }
            None => return None,
        };
        let value = transform::array_of([&value], field.data_type);
        let field = Field::new(field.name.as_str(), transform::arrow_type(field.data_type), true);
        Some(Constant { field: Arc::new(field), value, problem })
    };
    input.iter().filter_map(constant).collect()
}

fn with_constants(schema: &SchemaRef, constants: &[Constant]) -> SchemaRef {
    let more = constants.iter().map(|constant| constant.field.clone());
    let fields: Vec<Arc<Field>> = schema.fields().iter().cloned().chain(more).collect();
    Arc::new(Schema::new(fields))
}

fn damaged(path: &Path, error: String) -> MaterializerError {
    MaterializerError::file(path, format!("it is no whole Parquet file ({error}): write or copy it again"))
}

/// Runs a step of the Parquet reader, which a crafted file can make panic.
pub(crate) fn guarded<T, E: ToString>(step: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(step)) {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(_) => Err("its structure makes no sense".to_owned()),
    }
}
