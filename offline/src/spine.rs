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

use crate::error::OfflineError;
use crate::file_format::FileFormat;
use crate::label_times::{check_time_column, check_times};
use crate::parquet_source::open_parquet;
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
    held: Option<Arc<[RecordBatch]>>,
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
        let (schema, held) = match format {
            FileFormat::Csv => {
                let (schema, held) = spine_csv::read(path, time, plan)?;
                (schema, Some(held.into()))
            }
            _ => (schema(path, format)?, None),
        };
        let mut problems: Vec<String> =
            transform::repeated_names(schema.fields().iter().map(|f| f.name().as_str()))
                .iter()
                .map(|name| {
                    format!("it has several columns named `{name}`: leave one of them, or rename the others")
                })
                .collect();
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
                let held = held.clone();
                Ok(Box::new((0..held.len()).filter_map(move |place| held.get(place).cloned().map(Ok))))
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
        let (path, format) = (self.path.clone(), self.format);
        let named = move |error: &dyn fmt::Display| {
            let why = match column_that_fails(&path, format) {
                Some(column) => format!("the column `{column}`: {error}"),
                None => error.to_string(),
            };
            DataFusionError::External(Box::new(OfflineError::file("read", &path, why)))
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
        FileFormat::Csv => spine_csv::read_text(path)?.0,
        FileFormat::Parquet => {
            let reader = open_parquet(file).map_err(|error| failed(&error))?;
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
            let reader = open_parquet(file).map_err(|error| failed(&error))?;
            let mask = match only {
                Some(column) => ProjectionMask::roots(reader.parquet_schema(), [column]),
                None => ProjectionMask::all(),
            };
            let reader = reader.with_projection(mask).with_batch_size(BATCH_ROWS);
            Box::new(reader.build().map_err(|error| failed(&error))?)
        }
        FileFormat::Csv => Box::new(spine_csv::read_text(path)?.1.into_iter().map(Ok)),
        FileFormat::Arrow => {
            let columns = only.map(|column| vec![column]);
            Box::new(arrow::ipc::reader::FileReader::try_new(file, columns).map_err(|error| failed(&error))?)
        }
    })
}

/// The first column that cannot be read by itself.
fn column_that_fails(path: &Path, format: FileFormat) -> Option<String> {
    let columns = schema(path, format).ok()?;
    let fails = |column: usize| {
        let read =
            read_batches(path, format, Some(column)).map(|mut batches| batches.all(|batch| batch.is_ok()));
        !matches!(read, Ok(true))
    };
    let place = (0..columns.fields().len()).find(|column| fails(*column))?;
    columns.fields().get(place).map(|field| field.name().clone())
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
