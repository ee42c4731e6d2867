//! Parquet files: read in batches of the columns that a view needs, under the names and in the types that the
//! source declares.

use std::collections::BTreeMap;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use feature::{Source, Value, VersionId};
use futures::future::{BoxFuture, FutureExt, ready};
use offline::open_parquet;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use transform::{Conform, Mismatch, Unfit};

use super::batch_source::{BatchSource, RowReader};
use super::columns::{self, Constant, refuse_repeated};
use super::file_text;
use super::source_file::{SourceFile, SourceFiles, TableVersions};
use super::source_rows::{RowProblem, SourceRows, UnreadableRow};
use crate::error::MaterializerError;
use crate::rows::dead_letter;

/// Rows of one batch of a file.
const BATCH_ROWS: usize = 65_536;

/// A source whose history is Parquet files.
pub(crate) struct ParquetSource {
    pub(crate) source: Source,
    pub(crate) files: SourceFiles,
}

impl BatchSource for ParquetSource {
    fn files<'a>(
        &'a self,
        _: &'a VersionId,
        _: TableVersions,
    ) -> BoxFuture<'a, Result<SourceFiles, MaterializerError>> {
        ready(Ok(self.files.clone())).boxed()
    }

    fn open(
        &self,
        columns: &[feature::Field],
        file: &SourceFile,
        max_rows: Option<usize>,
    ) -> Result<Box<dyn RowReader>, MaterializerError> {
        Ok(Box::new(ParquetReader::open(&self.source, columns, file, max_rows)?))
    }
}

/// A column whose one value is known for the whole file: by its folder or its table, or null.
struct ConstantColumn {
    field: Arc<Field>,
    /// The value, in one row.
    value: ArrayRef,
    /// If the folder or the table gives what the column's type cannot hold: every row is refused for it.
    problem: Option<RowProblem>,
}

/// A Parquet file being read.
pub(crate) struct ParquetReader {
    file: SourceFile,
    reader: ParquetRecordBatchReader,
    /// The columns that are read from the file, in its order, under the names that the source gives them.
    schema: SchemaRef,
    /// The columns that the file lacks, with the one value that they have in it.
    constants: Vec<ConstantColumn>,
    conform: Conform,
    next_row: u64,
}

impl ParquetReader {
    /// Opens a file and checks all columns that the view needs against their declared types.
    pub(crate) fn open(
        source: &Source,
        input: &[feature::Field],
        file: &SourceFile,
        max_rows: Option<usize>,
    ) -> Result<Self, MaterializerError> {
        let opened = files::open(&file.path).map_err(|error| MaterializerError::file(&file.path, error))?;
        let failed = |error: String| damaged(&file.path, error);
        let builder = guarded(|| open_parquet(opened)).map_err(&failed)?;
        let stored = builder.schema().clone();
        refuse_repeated(stored.fields().iter().map(|field| field.name().as_str()), file)?;
        let own = renamed(&stored, source, input);
        let constants = constant_columns(&own, source, input, file);
        let schema = with_constants(&own, &constants);
        let conform =
            Conform::value_by_value(input, &schema).map_err(|mismatches| MaterializerError::File {
                path: file.path.display().to_string(),
                problems: mismatches.iter().map(|mismatch| problem(mismatch, source, &stored)).collect(),
            })?;
        let columns = conform.projection().iter().copied().filter(|column| *column < stored.fields().len());
        let mut read: Vec<usize> = columns.collect();
        read.sort_unstable();
        read.dedup();
        let own = Arc::new(own.project(&read)?);
        let mask = ProjectionMask::roots(builder.parquet_schema(), read);
        let reader = builder.with_projection(mask).with_batch_size(max_rows.unwrap_or(BATCH_ROWS)).build();
        let reader = reader.map_err(|error| failed(error.to_string()))?;
        Ok(Self { file: file.clone(), reader, schema: own, constants, conform, next_row: 0 })
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

impl RowReader for ParquetReader {
    fn next_rows(&mut self) -> Result<Option<SourceRows>, MaterializerError> {
        let failed = |error: String| damaged(&self.file.path, error);
        let next = guarded(|| self.reader.next().transpose()).map_err(failed)?;
        let Some(batch) = next else { return Ok(None) };
        let first_row = self.next_row;
        self.next_row += batch.num_rows() as u64;
        let read = self.with_constants(batch)?;
        let (batch, unfit) =
            self.conform.by_row(&read).map_err(|error| MaterializerError::file(&self.file.path, error))?;
        let mut problems: BTreeMap<usize, Vec<RowProblem>> = BTreeMap::new();
        for problem in self.constants.iter().filter_map(|constant| constant.problem.as_ref()) {
            (0..batch.num_rows()).for_each(|row| problems.entry(row).or_default().push(problem.clone()));
        }
        for Unfit { row, column, what } in unfit {
            let column = self.conform.declared().get(column).map(|field| field.name.clone());
            problems.entry(row).or_default().push(RowProblem { column, what });
        }
        let unreadable = problems.into_iter().map(|(row, problems)| UnreadableRow {
            row,
            problems,
            shown: shown(&read, row),
        });
        Ok(Some(SourceRows { first_row, batch, positions: None, unreadable: unreadable.collect() }))
    }
}

/// What does not fit, by the names that columns have in the file.
fn problem(mismatch: &Mismatch, source: &Source, stored: &Schema) -> String {
    let Mismatch::Missing { column, .. } = mismatch else { return mismatch.to_string() };
    let of_file = |field: &&feature::Field| field.name.as_str() == column;
    let field = source.schema.iter().find(of_file);
    let name = field.map_or(column.as_str(), |field| source.stored_name(&field.name));
    let nearest = feature::nearest(name, stored.fields().iter().map(|field| field.name().as_str()));
    let column = name.to_owned();
    Mismatch::Missing { column, nearest: nearest.map(str::to_owned) }.to_string()
}

/// A row of a file as its dead letter shows it.
fn shown(batch: &RecordBatch, row: usize) -> String {
    let options = FormatOptions::default();
    let columns = batch.schema_ref().fields().iter().zip(batch.columns());
    let values = columns.filter(|(_, column)| column.is_valid(row)).map(|(field, column)| {
        let text = ArrayFormatter::try_new(column, &options).map(|shown| shown.value(row).to_string());
        (field.name().clone(), text.unwrap_or_default().into())
    });
    dead_letter::cut(serde_json::Value::Object(values.collect()).to_string())
}

/// The file's schema with the names that the source gives its columns. A column whose stored name is that
/// of another is hidden by it.
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
fn constant_columns(
    own: &SchemaRef,
    source: &Source,
    input: &[feature::Field],
    file: &SourceFile,
) -> Vec<ConstantColumn> {
    let constant = |field: &feature::Field| {
        if own.column_with_name(field.name.as_str()).is_some() {
            return None;
        }
        let is_optional =
            source.is_optional(&field.name) || file.table_columns.contains(source.stored_name(&field.name));
        let (value, problem) = match columns::of_folder(source, field, file) {
            Some(Constant::Value(value)) => (value, None),
            Some(Constant::Problem(problem)) => (Value::Null, Some(problem)),
            None if is_optional => (Value::Null, None),
            None => return None,
        };
        let value = transform::array_of([&value], field.data_type);
        let field = Field::new(field.name.as_str(), transform::arrow_type(field.data_type), true);
        Some(ConstantColumn { field: Arc::new(field), value, problem })
    };
    input.iter().filter_map(constant).collect()
}

fn with_constants(schema: &SchemaRef, constants: &[ConstantColumn]) -> SchemaRef {
    let more = constants.iter().map(|constant| constant.field.clone());
    let fields: Vec<Arc<Field>> = schema.fields().iter().cloned().chain(more).collect();
    Arc::new(Schema::new(fields))
}

pub(crate) fn damaged(path: &Path, error: String) -> MaterializerError {
    if file_text::format_of(path).is_none() && !begins_as_parquet(path) {
        let why = "its name does not say how it is encoded, and it is no Parquet file: give the source `format: csv` \
            or `format: json` if it is that, or write or copy it again";
        return MaterializerError::file(path, why);
    }
    MaterializerError::file(path, format!("it is no whole Parquet file ({error}): write or copy it again"))
}

/// Whether the first bytes of a file are those of every Parquet file.
fn begins_as_parquet(path: &Path) -> bool {
    let mut first = [0; 4];
    files::open(path).and_then(|mut file| file.read_exact(&mut first)).is_ok() && first == *b"PAR1"
}

/// Runs a step of the Parquet reader, which a crafted file can make panic.
pub(crate) fn guarded<T, E: ToString>(step: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(step)) {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(_) => Err("its structure makes no sense".to_owned()),
    }
}
