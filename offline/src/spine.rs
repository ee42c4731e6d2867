//! The spine: the entities and moments that a training set is made for, as its author wrote them.

use std::fs::File;
use std::path::Path;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Int64Type, SchemaRef, TimeUnit};
use arrow::error::ArrowError;
use feature::{Micros, ServicePlan};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use transform::ConformError;

use crate::error::OfflineError;
use crate::file_format::FileFormat;
use crate::spine_csv;

/// A spine that fits a service: every check on it has passed.
#[derive(Debug)]
pub struct Spine {
    /// Its rows and columns, as they are in the file.
    pub(crate) batch: RecordBatch,
    /// Each row's label time, in microseconds.
    pub(crate) times: Vec<i64>,
    /// The join keys of the service's plan, in its order and types.
    pub(crate) keys: Vec<ArrayRef>,
    /// The request columns of the service's plan, in its order and types.
    pub(crate) request: Vec<ArrayRef>,
    /// Whether its times have no zone, and were read as UTC.
    pub naive: bool,
}

impl Spine {
    /// Reads a spine and checks it against the service's plan; says all that is wrong at once.
    pub fn read(path: &Path, time: &str, plan: &ServicePlan) -> Result<Spine, OfflineError> {
        let batch = read_file(path, time, plan)?;
        let mut problems = Vec::new();
        let mut wrong = |what: String| problems.push(format!("{}: {what}", path.display()));
        for output in &plan.outputs {
            if batch.schema().column_with_name(&output.name).is_some() {
                wrong(format!(
                    "it already has a column `{}`, which is a feature of {}: rename the column or give the feature a prefix",
                    output.name, plan.id
                ));
            }
        }
        let times = label_times(&batch, time, &mut wrong);
        let keys = conformed(&batch, &plan.keys, "join key", &mut wrong);
        let request = conformed(&batch, &plan.request, "request column", &mut wrong);
        match times {
            Some((times, naive)) if problems.is_empty() => Ok(Spine { batch, times, keys, request, naive }),
            _ => Err(OfflineError::Spine(problems)),
        }
    }

    /// How many rows it has.
    pub fn rows(&self) -> usize {
        self.batch.num_rows()
    }
}

/// The named columns in their declared types.
fn conformed(
    batch: &RecordBatch,
    fields: &[feature::Field],
    what: &str,
    wrong: &mut impl FnMut(String),
) -> Vec<ArrayRef> {
    let mut columns = Vec::new();
    for field in fields {
        let one = std::slice::from_ref(field);
        match transform::Conform::new(one, &batch.schema()) {
            Ok(conform) => match conform.apply(batch).map(|batch| batch.columns().to_vec()) {
                Ok(found) => columns.extend(found),
                Err(ConformError::Value { row, declared, reason, .. }) => wrong(format!(
                    "row {}: the {what} `{}` cannot be read as {declared}: {reason}",
                    row + 1,
                    field.name
                )),
                Err(error) => wrong(format!("the {what} `{}`: {error}", field.name)),
            },
            Err(mismatches) => {
                mismatches
                    .iter()
                    .for_each(|mismatch| wrong(format!("the {what} `{}`: {mismatch}", field.name)));
            }
        }
    }
    columns
}

/// The label times in UTC microseconds, and whether they had no zone.
fn label_times(batch: &RecordBatch, time: &str, wrong: &mut impl FnMut(String)) -> Option<(Vec<i64>, bool)> {
    let Some(column) = batch.column_by_name(time) else {
        let names: Vec<_> = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
        wrong(match names.as_slice() {
            [] => "it has no columns".to_owned(),
            names => format!("there is no time column `{time}`: its columns are {}", names.join(", ")),
        });
        return None;
    };
    let DataType::Timestamp(_, zone) = column.data_type() else {
        let found = match column.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string".to_owned(),
            other => other.to_string().to_lowercase(),
        };
        wrong(format!("the time column `{time}` is {found}, and must be a timestamp"));
        return None;
    };
    if column.null_count() > 0 {
        let first = (0..column.len()).find(|row| column.is_null(*row)).unwrap_or(0);
        wrong(format!(
            "row {}: the time column `{time}` is null, as in {} of {} rows: every label needs a time",
            first + 1,
            column.null_count(),
            column.len()
        ));
        return None;
    }
    let times = match micros(column) {
        Ok(times) => times,
        Err(error) => {
            wrong(format!("the time column `{time}`: {error}"));
            return None;
        }
    };
    if let Some((row, at)) = times.iter().enumerate().find(|(_, at)| Micros::new(**at).is_err()) {
        wrong(format!(
            "row {}: the time column `{time}` is {at} microseconds since 1970, outside the years 0001 to 9999",
            row + 1
        ));
        return None;
    }
    Some((times, zone.is_none()))
}

/// Timestamps of any unit in microseconds, nanoseconds towards the past, so that none can leak.
fn micros(column: &ArrayRef) -> Result<Vec<i64>, ArrowError> {
    let ticks = cast(column, &DataType::Int64)?;
    let ticks = ticks.as_primitive::<Int64Type>().values().iter();
    let scale = |by: i64| move |tick: &i64| tick.checked_mul(by).unwrap_or(i64::MAX);
    Ok(match column.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => ticks.map(scale(1_000_000)).collect(),
        DataType::Timestamp(TimeUnit::Millisecond, _) => ticks.map(scale(1_000)).collect(),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => ticks.map(|tick| tick.div_euclid(1_000)).collect(),
        _ => ticks.copied().collect(),
    })
}

fn read_file(path: &Path, time: &str, plan: &ServicePlan) -> Result<RecordBatch, OfflineError> {
    let file = || File::open(path).map_err(|error| OfflineError::file("read", path, error));
    let damaged = |error: &dyn std::fmt::Display| {
        OfflineError::file(
            "read",
            path,
            format!("it is damaged or not whole ({error}); write or copy it again"),
        )
    };
    let (schema, batches): (SchemaRef, Vec<RecordBatch>) = match FileFormat::of(path)? {
        FileFormat::Parquet => {
            let reader =
                ParquetRecordBatchReaderBuilder::try_new(file()?).map_err(|error| damaged(&error))?;
            let schema = reader.schema().clone();
            let reader = reader.with_batch_size(65_536).build().map_err(|error| damaged(&error))?;
            (schema, reader.collect::<Result<_, _>>().map_err(|error| damaged(&error))?)
        }
        FileFormat::Csv => return spine_csv::read(path, time, plan),
        FileFormat::Arrow => {
            let reader =
                arrow::ipc::reader::FileReader::try_new(file()?, None).map_err(|error| damaged(&error))?;
            (reader.schema(), reader.collect::<Result<_, _>>().map_err(|error| damaged(&error))?)
        }
    };
    concat_batches(&schema, &batches).map_err(|error| damaged(&error))
}
