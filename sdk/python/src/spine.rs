//! The join of a training set with rows that Python has: the columns that it reads come as Arrow data, and those that it
//! adds go back.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType};
use feature::{AsOf, ServiceRef, VersionId};
use pyo3::prelude::*;
use pyo3_arrow::PyTable;
use serde_json::{Value as Json, json};
use twinstore::{JoinRows, JoinedRows, LogRange, OpenLabels, QuarantinedRows, Summary};

use crate::answers::parsed;
use crate::error::{fault, wrong};

/// What a join takes beside its rows.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct JoinOptions {
    /// The service, by `name` or `name@version`.
    pub service: String,
    /// The column of label times.
    pub time: String,
    /// `available` or `event`.
    pub as_of: String,
    /// Whether to add the times of each view.
    pub explain: bool,
    /// Threads that read logs.
    pub threads: Option<usize>,
    /// Bytes of memory to keep within.
    pub max_memory: Option<u64>,
}

impl JoinOptions {
    pub fn service(&self, py: Python<'_>) -> PyResult<ServiceRef> {
        parsed(py, &self.service)
    }

    pub fn as_of(&self, py: Python<'_>) -> PyResult<AsOf> {
        match self.as_of.as_str() {
            "available" => Ok(AsOf::Available),
            "event" => Ok(AsOf::Event),
            other => Err(wrong(
                py,
                &format!("`as_of` is `{other}`: write \"available\", or \"event\", which leaks"),
            )),
        }
    }

    /// The rows of a spine, with these options.
    pub fn rows(&self, py: Python<'_>, spine: PyTable, beside: Vec<String>) -> PyResult<JoinRows> {
        let (mut batches, schema) = spine.into_inner();
        if batches.is_empty() {
            batches.push(RecordBatch::new_empty(schema));
        }
        Ok(JoinRows {
            service: self.service(py)?,
            spine: batches,
            beside,
            time: self.time.clone(),
            as_of: self.as_of(py)?,
            explain: self.explain,
            threads: self.threads,
            max_memory: self.max_memory,
        })
    }
}

/// The columns that were added, as naive as the label times.
pub fn added(py: Python<'_>, joined: &JoinedRows) -> PyResult<PyTable> {
    if !joined.naive {
        return PyTable::try_new(joined.batches.clone(), joined.schema.clone());
    }
    let fields: Vec<Field> = joined.schema.fields().iter().map(|field| without_zone(field)).collect();
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    let batches = joined.batches.iter().map(|batch| {
        let columns = batch.columns().iter().zip(schema.fields());
        let columns = columns.map(|(column, field)| without_zone_in(column, field)).collect();
        RecordBatch::try_new(schema.clone(), columns)
    });
    let batches: Result<Vec<_>, _> = batches.collect();
    PyTable::try_new(batches.map_err(|error| fault(py, &error.to_string()))?, schema)
}

fn is_moment(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(TimeUnit::Microsecond, Some(_)))
}

fn without_zone(field: &Field) -> Field {
    match is_moment(field.data_type()) {
        true => field.clone().with_data_type(DataType::Timestamp(TimeUnit::Microsecond, None)),
        false => field.clone(),
    }
}

fn without_zone_in(column: &ArrayRef, field: &Field) -> ArrayRef {
    match is_moment(column.data_type()) && !is_moment(field.data_type()) {
        true => {
            let moments = column.as_primitive::<TimestampMicrosecondType>().clone();
            Arc::new(moments.with_timezone_opt(None::<Arc<str>>))
        }
        false => column.clone(),
    }
}

/// What there is to say of a training set, as the package shows it.
pub fn summary(
    (service, as_of): (&VersionId, AsOf),
    summary: &Summary,
    quarantined: &[QuarantinedRows],
    took: Duration,
) -> Json {
    let feature = |feature: &twinstore::FeatureSummary| {
        json!({
            "name": feature.name, "nulls": feature.nulls, "leaked_by_event_time": feature.leaked,
        })
    };
    let day =
        |midnight: feature::Micros| midnight.to_string().split('T').next().unwrap_or_default().to_owned();
    let outside = |range: &LogRange| {
        json!({
            "view": range.view, "first_day": day(range.first_day), "last_day": day(range.last_day),
            "before": range.before, "after": range.after,
        })
    };
    let open = |OpenLabels { opening, labels }: &OpenLabels| {
        json!({
            "view": opening.view, "features": opening.features, "answers": opening.answers, "labels": labels,
            "from": opening.from.to_string(), "until": opening.until.map(|until| until.to_string()),
            "good_until": opening.good_until.to_string(),
        })
    };
    let breakers: Vec<Json> = summary.openings.iter().filter(|open| open.labels > 0).map(open).collect();
    json!({
        "service": service,
        "as_of": as_of,
        "rows": summary.rows,
        "seconds": took.as_secs_f64(),
        "breakers": breakers,
        "quarantined": quarantined,
        "features": summary.features.iter().map(feature).collect::<Vec<_>>(),
        "outside_log": summary.log_ranges.iter().map(outside).collect::<Vec<_>>(),
        "logs": summary.log_versions.iter().map(|(view, version)| json!({"view": view, "version": version})).collect::<Vec<_>>(),
    })
}
