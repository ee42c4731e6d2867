//! The spine: the entities and moments that a training set is made for, as its author wrote them.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use datafusion::common::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use feature::ServicePlan;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::error::OfflineError;
use crate::file_format::FileFormat;
use crate::label_times::{check_time_column, check_times};
use crate::spine_csv;

/// Rows of one batch of a spine.
const BATCH_ROWS: usize = 65_536;

/// A spine that fits a service: every check on its columns has passed. Its rows are read when the
/// training set is made.
#[derive(Clone, Debug)]
pub struct Spine {
    path: PathBuf,
    format: FileFormat,
    schema: SchemaRef,
    /// The rows of a file whose types are known only once it is read: CSV.
    held: Option<RecordBatch>,
    time: String,
    /// Whether its times have no zone, and are read as UTC.
    pub naive: bool,
}

type Batches = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>;

impl Spine {
    /// Opens a spine and checks its columns against the service's plan; says all that is wrong at
    /// once.
    pub fn read(path: &Path, time: &str, plan: &ServicePlan) -> Result<Spine, OfflineError> {
        let format = FileFormat::of(path)?;
        let held = (format == FileFormat::Csv).then(|| spine_csv::read(path, time, plan)).transpose()?;
        let schema = held.as_ref().map_or_else(|| schema(path, format), |held| Ok(held.schema()))?;
        let mut problems = Vec::new();
        for output in plan.outputs.iter().filter(|output| schema.column_with_name(&output.name).is_some()) {
            problems.push(format!(
                "it already has a column `{}`, which is a feature of {}: rename the column or give the feature a prefix",
                output.name, plan.id
            ));
        }
        let naive = check_time_column(&schema, time).unwrap_or_else(|problem| {
            problems.push(problem);
            false
        });
        for (fields, what) in [(&plan.keys, "join key"), (&plan.request, "request column")] {
            for field in fields {
                if let Err(mismatches) = transform::Conform::new(std::slice::from_ref(field), &schema) {
                    problems.extend(mismatches.iter().map(|m| format!("the {what} `{}`: {m}", field.name)));
                }
            }
        }
        if !problems.is_empty() {
            let named = |problem| format!("{}: {problem}", path.display());
            return Err(OfflineError::Spine(problems.into_iter().map(named).collect()));
        }
        let spine = Spine { path: path.to_owned(), format, schema, held, time: time.to_owned(), naive };
        spine.check_times()?;
        Ok(spine)
    }

    /// Reads all label times once, so that a row without one is named before anything is made.
    fn check_times(&self) -> Result<(), OfflineError> {
        let batches = match (&self.held, self.schema.index_of(&self.time)) {
            (None, Ok(column)) => read_batches(&self.path, self.format, Some(column))?,
            _ => self.batches()?,
        };
        let mut before = 0;
        for batch in batches {
            let batch = batch.map_err(|error| damaged(&self.path, &error))?;
            check_times(&batch, &self.time, before).map_err(|problem| {
                OfflineError::Spine(vec![format!("{}: {problem}", self.path.display())])
            })?;
            before += batch.num_rows();
        }
        Ok(())
    }

    /// The columns of the file.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The column of label times.
    pub fn time(&self) -> &str {
        &self.time
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the rows in their order.
    pub(crate) fn batches(&self) -> Result<Batches, OfflineError> {
        match &self.held {
            Some(held) => {
                let (held, rows) = (held.clone(), held.num_rows());
                let batch = move |start| Ok(held.slice(start, BATCH_ROWS.min(rows - start)));
                Ok(Box::new((0..rows).step_by(BATCH_ROWS).map(batch)))
            }
            None => read_batches(&self.path, self.format, None),
        }
    }
}

impl PartitionStream for Spine {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let path = self.path.clone();
        let named = move |error: &dyn fmt::Display| {
            DataFusionError::External(Box::new(OfflineError::file("read", &path, error)))
        };
        let batches: Box<dyn Iterator<Item = Result<RecordBatch, DataFusionError>> + Send> =
            match self.batches() {
                Ok(batches) => Box::new(batches.map(move |batch| batch.map_err(|error| named(&error)))),
                Err(error) => Box::new(std::iter::once(Err(DataFusionError::External(Box::new(error))))),
            };
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), futures::stream::iter(batches)))
    }
}

fn damaged(path: &Path, error: &dyn fmt::Display) -> OfflineError {
    OfflineError::file("read", path, format!("it is damaged or not whole ({error}); write or copy it again"))
}

fn schema(path: &Path, format: FileFormat) -> Result<SchemaRef, OfflineError> {
    let failed = |error: &dyn fmt::Display| damaged(path, error);
    let file = File::open(path).map_err(|error| OfflineError::file("read", path, error))?;
    Ok(match format {
        FileFormat::Csv => {
            let format = arrow::csv::reader::Format::default().with_header(true);
            Arc::new(format.infer_schema(file, None).map_err(|error| failed(&error))?.0)
        }
        FileFormat::Parquet => {
            let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| failed(&error))?;
            reader.schema().clone()
        }
        FileFormat::Arrow => {
            arrow::ipc::reader::FileReader::try_new(file, None).map_err(|error| failed(&error))?.schema()
        }
    })
}

/// The rows of a file that knows its own types: all columns, or the one at a place.
fn read_batches(path: &Path, format: FileFormat, only: Option<usize>) -> Result<Batches, OfflineError> {
    let failed = |error: &dyn fmt::Display| damaged(path, error);
    let file = File::open(path).map_err(|error| OfflineError::file("read", path, error))?;
    Ok(match format {
        FileFormat::Parquet => {
            let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| failed(&error))?;
            let mask = match only {
                Some(column) => ProjectionMask::roots(reader.parquet_schema(), [column]),
                None => ProjectionMask::all(),
            };
            let reader = reader.with_projection(mask).with_batch_size(BATCH_ROWS);
            Box::new(reader.build().map_err(|error| failed(&error))?)
        }
        FileFormat::Csv => {
            let format = arrow::csv::reader::Format::default().with_header(true);
            let (inferred, _) = format.infer_schema(file, None).map_err(|error| failed(&error))?;
            let file = File::open(path).map_err(|error| failed(&error))?;
            let reader = arrow::csv::ReaderBuilder::new(Arc::new(inferred)).with_header(true);
            Box::new(reader.with_batch_size(BATCH_ROWS).build(file).map_err(|error| failed(&error))?)
        }
        FileFormat::Arrow => {
            let columns = only.map(|column| vec![column]);
            Box::new(arrow::ipc::reader::FileReader::try_new(file, columns).map_err(|error| failed(&error))?)
        }
    })
}

/// All rows of a file of the format that its name says.
pub fn read_file(path: &Path) -> Result<RecordBatch, OfflineError> {
    let failed = |error: ArrowError| damaged(path, &error);
    let format = FileFormat::of(path)?;
    let batches = read_batches(path, format, None)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let schema = match batches.first() {
        Some(batch) => batch.schema(),
        None => schema(path, format)?,
    };
    arrow::compute::concat_batches(&schema, &batches).map_err(failed)
}
