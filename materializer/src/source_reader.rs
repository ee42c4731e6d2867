//! One file of a source, read in batches of the columns that a view needs, under the names and in the types that
//! the source declares.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{Field, Schema, SchemaRef};
use feature::{BatchFormat, Source};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use transform::Conform;

use crate::error::MaterializerError;
use crate::source_files::SourceFile;
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
    /// What is wrong with it.
    pub(crate) detail: String,
    /// What it is, as far as it is kept.
    pub(crate) shown: String,
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
            _ => SourceReader::Parquet(Box::new(ParquetReader::open(source, input, file)?)),
        })
    }

    /// The next rows; none at the end.
    pub(crate) fn next_rows(&mut self) -> Result<Option<SourceRows>, MaterializerError> {
        match self {
            SourceReader::Text(reader) => reader.next_rows(),
            SourceReader::Parquet(reader) => Ok(reader.next_batch()?.map(|(first_row, batch)| SourceRows {
                first_row,
                batch,
                unreadable: Vec::new(),
            })),
        }
    }
}

/// A Parquet file being read.
pub(crate) struct ParquetReader {
    file: SourceFile,
    reader: ParquetRecordBatchReader,
    /// The columns that are read of the file, in its order, under the names that the source gives them.
    schema: SchemaRef,
    /// The columns that the file lacks, with the one value that they have in it.
    partition: Vec<(Arc<Field>, Option<String>)>,
    conform: Conform,
    next_row: u64,
}

impl ParquetReader {
    /// Opens a file and checks all columns that the view needs against their declared types.
    pub(crate) fn open(
        source: &Source,
        input: &[feature::Field],
        file: &SourceFile,
    ) -> Result<Self, MaterializerError> {
        let opened = File::open(&file.path).map_err(|error| MaterializerError::file(&file.path, error))?;
        let failed = |error: String| damaged(&file.path, error);
        let builder = guarded(|| ParquetRecordBatchReaderBuilder::try_new(opened)).map_err(&failed)?;
        let stored = builder.schema().clone();
        refuse_repeated(stored.fields().iter().map(|field| field.name().as_str()), file)?;
        let own = renamed(&stored, source, input);
        let partition = constants(&own, source, input, file);
        let schema = with_fields(&own, &partition);
        let conform = Conform::new(input, &schema).map_err(|mismatches| MaterializerError::File {
            path: file.path.display().to_string(),
            problems: mismatches.iter().map(ToString::to_string).collect(),
        })?;
        let columns = conform.projection().iter().copied().filter(|column| *column < stored.fields().len());
        let mut read: Vec<usize> = columns.collect();
        read.sort_unstable();
        read.dedup();
        let own = Arc::new(own.project(&read)?);
        let mask = ProjectionMask::roots(builder.parquet_schema(), read);
        let reader = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build();
        let reader = reader.map_err(|error| failed(error.to_string()))?;
        Ok(Self { file: file.clone(), reader, schema: own, partition, conform, next_row: 0 })
    }

    /// The next rows and the number of the first in its file; none at the end.
    pub(crate) fn next_batch(&mut self) -> Result<Option<(u64, RecordBatch)>, MaterializerError> {
        let failed = |error: String| damaged(&self.file.path, error);
        let next = guarded(|| self.reader.next().transpose()).map_err(failed)?;
        let Some(batch) = next else { return Ok(None) };
        let first = self.next_row;
        self.next_row += batch.num_rows() as u64;
        let batch = self.with_partition(batch)?;
        let conformed =
            self.conform.apply(&batch).map_err(|error| MaterializerError::file(&self.file.path, error))?;
        Ok(Some((first, conformed)))
    }

    /// The batch under the names that the source gives its columns, with those that the file lacks.
    fn with_partition(&self, batch: RecordBatch) -> Result<RecordBatch, MaterializerError> {
        let mut columns = batch.columns().to_vec();
        for (field, value) in &self.partition {
            let text: ArrayRef = Arc::new(StringArray::from(vec![value.as_deref(); batch.num_rows()]));
            let strict = CastOptions { safe: false, ..CastOptions::default() };
            let cast = cast_with_options(&text, field.data_type(), &strict);
            columns.push(cast.map_err(|error| {
                MaterializerError::file(
                    &self.file.path,
                    format!("the folder of its `{}`: {error}", field.name()),
                )
            })?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let schema = with_fields(&self.schema, &self.partition);
        Ok(RecordBatch::try_new_with_options(schema, columns, &options)?)
    }
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
fn constants(
    own: &SchemaRef,
    source: &Source,
    input: &[feature::Field],
    file: &SourceFile,
) -> Vec<(Arc<Field>, Option<String>)> {
    let constant = |field: &feature::Field| {
        let stored = source.stored_name(&field.name);
        let is_there = own.column_with_name(field.name.as_str()).is_some();
        let value = match file.partition.iter().find(|(name, _)| name == stored) {
            Some((_, value)) => value.clone(),
            None if source.is_optional(&field.name) || file.table_columns.contains(stored) => None,
            None => return None,
        };
        let field = Field::new(field.name.as_str(), transform::arrow_type(field.data_type), true);
        (!is_there).then(|| (Arc::new(field), value))
    };
    input.iter().filter_map(constant).collect()
}

fn with_fields(schema: &SchemaRef, more: &[(Arc<Field>, Option<String>)]) -> SchemaRef {
    let fields: Vec<Arc<Field>> =
        schema.fields().iter().cloned().chain(more.iter().map(|(field, _)| field.clone())).collect();
    Arc::new(Schema::new(fields))
}

fn damaged(path: &Path, error: String) -> MaterializerError {
    MaterializerError::file(path, format!("it is no whole Parquet file ({error}): write or copy it again"))
}

/// Runs a step of the Parquet reader, which a crafted file can make panic.
fn guarded<T, E: ToString>(step: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(step)) {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(_) => Err("its structure makes no sense".to_owned()),
    }
}
