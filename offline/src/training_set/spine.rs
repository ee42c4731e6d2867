//! The spine: the entities and moments that a training set is built for, as its author wrote them.

use std::fmt::Display;
use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field as ArrowField, Fields, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::reader::FileReader as IpcReader;
use datafusion::common::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::streaming::PartitionStream;
use feature::{Field, Scalar, ServicePlan};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder};
use transform::Conform;

use crate::error::OfflineError;
use crate::join::{check_time_column, check_times};
use crate::opened_file::{OpenedFile, OpenedReader, parquet_metadata};
use crate::training_set::file_format::FileFormat;
use crate::training_set::guarded::{Guarded, check_arrow, guarded};
use crate::training_set::spine_csv;

/// Rows of one batch of a spine.
const BATCH_ROWS: usize = 65_536;
/// Batches that are decoded before they are requested.
const BATCHES_AHEAD: usize = 2;

/// A spine that fits a service: every check on its columns, label times, join keys and request columns has passed. Its
/// rows are read while the training set is built.
#[derive(Clone, Debug)]
pub struct Spine {
    file: RowFile,
    time: String,
    /// Columns that its author has beside these and that nothing here reads: only their names count.
    beside: Arc<[String]>,
    /// Whether its times have no zone, and are read as UTC.
    pub naive: bool,
}

type Batches = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>;

impl Spine {
    /// Opens a spine and checks it against the service's plan; reports all that is wrong at once. Blocks: label
    /// times are read here, columns of other types than declared, and all of a CSV file.
    pub fn read(path: &Path, time: &str, plan: &ServicePlan) -> Result<Spine, OfflineError> {
        let file = RowFile::open(path, |opened| spine_csv::read(opened, time, plan))?;
        let naive = check_columns(path, &file.schema, time, plan)?;
        let spine = Spine { file, time: time.to_owned(), beside: Arc::default(), naive };
        spine.check_times()?;
        spine.check_values(plan)?;
        Ok(spine)
    }

    /// The spine of rows that lie in no file, which are called `what` in messages; checked as one that is read. Its
    /// author has columns of the names `beside` too, which stay where they are.
    pub fn of_rows(
        what: &str,
        rows: Vec<RecordBatch>,
        beside: Vec<String>,
        time: &str,
        plan: &ServicePlan,
    ) -> Result<Spine, OfflineError> {
        let schema = rows.first().map_or_else(|| Arc::new(Schema::empty()), RecordBatch::schema);
        let unread = beside.iter().map(|name| Arc::new(ArrowField::new(name, DataType::Null, true)));
        let all: Fields = schema.fields().iter().cloned().chain(unread).collect();
        let naive = check_columns(Path::new(what), &Schema::new(all), time, plan)?;
        let file = RowFile { path: Path::new(what).into(), schema, content: Content::Drawn(rows.into()) };
        let spine = Spine { file, time: time.to_owned(), beside: beside.into(), naive };
        spine.check_times()?;
        spine.check_values(plan)?;
        Ok(spine)
    }

    /// Reads all label times once, so that a row without one is named before anything is built.
    fn check_times(&self) -> Result<(), OfflineError> {
        self.for_each_times(|_| {})
    }

    /// Visits the label times of each batch. Blocks: all label times are read.
    pub(crate) fn for_each_times(&self, mut visit: impl FnMut(&[i64])) -> Result<(), OfflineError> {
        let mut before = 0;
        for batch in self.file.batches(self.schema().index_of(&self.time).ok())? {
            let batch = batch.map_err(|error| damaged(self.path(), &error))?;
            let times = check_times(&batch, &self.time, before).map_err(|problem| {
                OfflineError::Spine(vec![format!("{}: {problem}", self.path().display())])
            })?;
            visit(&times);
            before += batch.num_rows();
        }
        Ok(())
    }

    /// Reads the join keys and request columns that have another type than is declared, or times, so that a value that
    /// does not fit is named before anything is built: of each column the first.
    fn check_values(&self, plan: &ServicePlan) -> Result<(), OfflineError> {
        let mut problems = Vec::new();
        for field in plan.keys.iter().chain(&plan.request) {
            let column = self.schema().column_with_name(field.name.as_str());
            if let Some((column, stored)) = column
                && (*stored.data_type() != transform::arrow_type(field.data_type)
                    || field.data_type.of() == Scalar::Timestamp)
            {
                problems.extend(self.misfit(column, field)?);
            }
        }
        match problems.is_empty() {
            true => Ok(()),
            false => Err(OfflineError::Spine(problems)),
        }
    }

    /// The first row of a column whose value is not of its declared type.
    fn misfit(&self, column: usize, field: &Field) -> Result<Option<String>, OfflineError> {
        let conform = Conform::value_by_value(std::slice::from_ref(field), self.schema());
        let conform =
            conform.map_err(|all| OfflineError::Spine(all.iter().map(ToString::to_string).collect()))?;
        let mut before = 0;
        for batch in self.file.batches(Some(column))? {
            let batch = batch.map_err(|error| damaged(self.path(), &error))?;
            let checked = conform.by_row(&batch);
            let (_, unfit) = checked.map_err(|error| OfflineError::file("read", self.path(), error))?;
            if let Some(unfit) = unfit.first() {
                return Ok(Some(format!(
                    "{}: row {}: {}{}: correct the value or leave the row out",
                    self.path().display(),
                    before + unfit.row + 1,
                    unfit.what,
                    feature::limits(field.data_type)
                )));
            }
            before += batch.num_rows();
        }
        Ok(None)
    }

    /// The columns of the file.
    pub fn schema(&self) -> &SchemaRef {
        &self.file.schema
    }

    /// The names of the columns that its author has beside these.
    pub(crate) fn beside(&self) -> &[String] {
        &self.beside
    }

    /// The column of label times.
    pub fn time(&self) -> &str {
        &self.time
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// The SHA-256 of the file's bytes as it was opened, in hexadecimal; `None` of rows that lie in no file. Blocks
    /// while it is read.
    pub fn sha256(&self) -> Result<Option<String>, OfflineError> {
        match &self.file.content {
            Content::Parquet(opened, _) | Content::Arrow(opened) | Content::Csv(opened, _) => {
                opened.sha256().map(Some)
            }
            Content::Drawn(_) => Ok(None),
        }
    }
}

/// Reports every column of a spine that does not fit the service; gives whether its times have no zone.
fn check_columns(path: &Path, schema: &Schema, time: &str, plan: &ServicePlan) -> Result<bool, OfflineError> {
    let repeated = transform::repeated_names(schema.fields().iter().map(|field| field.name().as_str()));
    let repeated = repeated.iter().map(|name| {
        format!("it has several columns named `{name}`: leave one of them, or rename the others")
    });
    let mut problems: Vec<String> = repeated.collect();
    for output in plan.outputs.iter().filter(|output| schema.column_with_name(&output.name).is_some()) {
        problems.push(format!(
            "it already has a column `{}`, which is a feature of {}: rename the column or give the feature a prefix",
            output.name, plan.id
        ));
    }
    let naive = check_time_column(schema, time).unwrap_or_else(|problem| {
        problems.push(problem);
        false
    });
    for (fields, what) in [(&plan.keys, "join key"), (&plan.request, "request column")] {
        for field in fields {
            if let Err(mismatches) = Conform::value_by_value(std::slice::from_ref(field), schema) {
                problems.extend(mismatches.iter().map(|m| format!("the {what} `{}`: {m}", field.name)));
            }
        }
    }
    let named = |problem| format!("{}: {problem}", path.display());
    match problems.is_empty() {
        true => Ok(naive),
        false => Err(OfflineError::Spine(problems.into_iter().map(named).collect())),
    }
}

impl PartitionStream for Spine {
    fn schema(&self) -> &SchemaRef {
        &self.file.schema
    }

    /// The rows in their order, decoded on a thread of their own.
    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let file = self.file.clone();
        let mut receiver = RecordBatchReceiverStream::builder(file.schema.clone(), BATCHES_AHEAD);
        let sender = receiver.tx();
        receiver.spawn_blocking(move || {
            let external = |error: OfflineError| DataFusionError::External(Box::new(error));
            for batch in file.batches(None).map_err(external)? {
                let batch = batch.map_err(|error| external(file.failed(&error)))?;
                if sender.blocking_send(Ok(batch)).is_err() {
                    break;
                }
            }
            Ok(())
        });
        receiver.build()
    }
}

/// A file of rows, opened once, or rows that lie in none.
#[derive(Clone, Debug)]
struct RowFile {
    path: Arc<Path>,
    schema: SchemaRef,
    content: Content,
}

/// What was read of a file when it was opened.
#[derive(Clone, Debug)]
enum Content {
    Parquet(OpenedFile, ArrowReaderMetadata),
    Arrow(OpenedFile),
    /// All rows: their types are known only once all of them were read.
    Csv(OpenedFile, Arc<[RecordBatch]>),
    /// All rows, of no file.
    Drawn(Arc<[RecordBatch]>),
}

impl RowFile {
    /// Opens a file of the format that its name says.
    fn open(
        path: &Path,
        read_csv: impl FnOnce(&OpenedFile) -> Result<spine_csv::Table, OfflineError>,
    ) -> Result<Self, OfflineError> {
        let format = FileFormat::of(path)?;
        let opened = OpenedFile::open(path)?;
        let (schema, content) = match format {
            FileFormat::Csv => {
                let (schema, batches) = read_csv(&opened)?;
                (schema, Content::Csv(opened, batches.into()))
            }
            FileFormat::Parquet => {
                let metadata =
                    guarded(|| parquet_metadata(&opened)).map_err(|error| damaged(path, &error))?;
                (metadata.schema().clone(), Content::Parquet(opened, metadata))
            }
            FileFormat::Arrow => (ipc(&opened, None)?.schema(), Content::Arrow(opened)),
        };
        Ok(Self { path: path.into(), schema, content })
    }

    /// The rows in their order: all columns, or the one at an index.
    fn batches(&self, only: Option<usize>) -> Result<Batches, OfflineError> {
        Ok(match &self.content {
            Content::Csv(_, batches) | Content::Drawn(batches) => {
                let batches = batches.clone();
                Box::new((0..batches.len()).filter_map(move |index| batches.get(index).cloned().map(Ok)))
            }
            Content::Parquet(opened, metadata) => {
                let reader =
                    ParquetRecordBatchReaderBuilder::new_with_metadata(opened.clone(), metadata.clone());
                let mask = match only {
                    Some(column) => ProjectionMask::roots(reader.parquet_schema(), [column]),
                    None => ProjectionMask::all(),
                };
                let reader = reader.with_projection(mask).with_batch_size(BATCH_ROWS);
                let reader = guarded(|| reader.build()).map_err(|error| damaged(&self.path, &error))?;
                Box::new(Guarded::new(reader))
            }
            Content::Arrow(opened) => Box::new(Guarded::new(ipc(opened, only)?)),
        })
    }

    /// Why rows could not be read, with the first column that cannot be read by itself.
    fn failed(&self, error: &ArrowError) -> OfflineError {
        let fails = |column: &usize| {
            let read = self.batches(Some(*column)).map(|mut batches| batches.all(|batch| batch.is_ok()));
            !matches!(read, Ok(true))
        };
        let why = match (0..self.schema.fields().len()).find(fails) {
            Some(column) => format!("the column `{}`: {error}", self.schema.field(column).name()),
            None => error.to_string(),
        };
        OfflineError::file("read", &self.path, why)
    }
}

fn ipc(opened: &OpenedFile, only: Option<usize>) -> Result<IpcReader<BufReader<OpenedReader>>, OfflineError> {
    let open = || IpcReader::try_new_buffered(opened.reader(0), only.map(|column| vec![column]));
    let reader = check_arrow(opened).and_then(|()| guarded(open));
    reader.map_err(|error| match other_format(opened) {
        Some(other) => OfflineError::file("read", opened.path(), other),
        None => damaged(opened.path(), &error),
    })
}

/// What a file is that is named as an Arrow file and is none, by its first bytes.
fn other_format(opened: &OpenedFile) -> Option<&'static str> {
    let mut first = [0; 4];
    opened.reader(0).read_exact(&mut first).ok()?;
    match &first {
        b"\xff\xff\xff\xff" => {
            Some("it is an Arrow stream: write it as an Arrow file, as `pyarrow.ipc.new_file` does")
        }
        b"FEA1" => Some("it is a Feather file of version 1: write it in version 2"),
        _ => None,
    }
}

fn damaged(path: &Path, error: &dyn Display) -> OfflineError {
    OfflineError::file("read", path, format!("it is damaged or not whole ({error}); write or copy it again"))
}

/// All rows of a file of the format that its name says.
pub fn read_file(path: &Path) -> Result<RecordBatch, OfflineError> {
    let failed = |error: ArrowError| damaged(path, &error);
    let file = RowFile::open(path, spine_csv::read_text)?;
    let batches = file.batches(None)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    arrow::compute::concat_batches(&file.schema, &batches).map_err(failed)
}
