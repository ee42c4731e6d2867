//! One file of a source, read in batches of the columns that a view needs, in their declared types.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{Field, Schema, SchemaRef};
use feature::Source;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use transform::Conform;

use crate::error::MaterializerError;
use crate::source_files::SourceFile;

/// Rows of one batch of a source.
const BATCH_ROWS: usize = 65_536;

/// A file being read.
pub(crate) struct SourceReader {
    file: SourceFile,
    reader: ParquetRecordBatchReader,
    /// The file's columns and those that its table keeps for it.
    partition: Vec<(Arc<Field>, Option<String>)>,
    conform: Conform,
    next_row: u64,
}

impl SourceReader {
    /// Opens a file and checks all columns that the view needs against their declared types.
    pub(crate) fn open(
        source: &Source,
        input: &[feature::Field],
        file: &SourceFile,
    ) -> Result<Self, MaterializerError> {
        let opened = File::open(&file.path).map_err(|error| MaterializerError::file(&file.path, error))?;
        let failed = |error: String| damaged(&file.path, error);
        let builder = guarded(|| ParquetRecordBatchReaderBuilder::try_new(opened)).map_err(&failed)?;
        let partition: Vec<(Arc<Field>, Option<String>)> = file
            .partition
            .iter()
            .filter_map(|(name, value)| {
                let declared = source.column(name)?;
                Some((Arc::new(Field::new(name, transform::arrow_type(declared), true)), value.clone()))
            })
            .collect();
        let stored = builder.schema().clone();
        let schema = with_fields(&stored, &partition);
        let conform = Conform::new(input, &schema).map_err(|mismatches| MaterializerError::File {
            path: file.path.display().to_string(),
            problems: mismatches.iter().map(ToString::to_string).collect(),
        })?;
        let columns = conform.projection().iter().copied().filter(|column| *column < stored.fields().len());
        let mask = ProjectionMask::roots(builder.parquet_schema(), columns);
        let reader = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build();
        let reader = reader.map_err(|error| failed(error.to_string()))?;
        Ok(Self { file: file.clone(), reader, partition, conform, next_row: 0 })
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

    fn with_partition(&self, batch: RecordBatch) -> Result<RecordBatch, MaterializerError> {
        if self.partition.is_empty() {
            return Ok(batch);
        }
        let mut columns = batch.columns().to_vec();
        for (field, value) in &self.partition {
            let text: ArrayRef = Arc::new(StringArray::from(vec![value.as_deref(); batch.num_rows()]));
            let strict = CastOptions { safe: false, ..CastOptions::default() };
            columns.push(cast_with_options(&text, field.data_type(), &strict)?);
        }
        Ok(RecordBatch::try_new(with_fields(&batch.schema(), &self.partition), columns)?)
    }
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
