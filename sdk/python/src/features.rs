//! The features of a read, as Python's objects or as Arrow data.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float64Array, RecordBatch, StringArray, StructArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{Field, Schema};
use feature::{Micros, Times, Value};
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use pyo3_arrow::PyTable;
use read::{FeatureColumn, Features as Read};

/// The features of some entities at one moment.
#[pyclass(frozen, module = "twinstore._twinstore")]
pub struct Features {
    pub features: Read,
    pub notice: Option<String>,
}

#[pymethods]
impl Features {
    /// The version of the service that was read.
    #[getter]
    fn service(&self) -> String {
        self.features.service.to_string()
    }

    /// The moment, in microseconds since 1970.
    #[getter]
    fn at_us(&self) -> i64 {
        self.features.at.get()
    }

    /// How many entities there are.
    #[getter]
    fn rows(&self) -> usize {
        self.features.rows
    }

    /// What is said of deprecated versions among those that were read.
    #[getter]
    fn notice(&self) -> Option<String> {
        self.notice.clone()
    }

    /// The names of the features.
    #[getter]
    fn names(&self) -> Vec<String> {
        self.features.columns.iter().map(|column| column.name.clone()).collect()
    }

    /// The values of each feature, by its name.
    fn values<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let all = PyDict::new(py);
        for column in &self.features.columns {
            let value = |row| object(py, &transform_value(column, row));
            let values: Vec<_> = (0..self.features.rows).map(value).collect::<PyResult<_>>()?;
            all.set_item(&column.name, PyList::new(py, values)?)?;
        }
        Ok(all)
    }

    /// The statuses of each feature, by its name.
    fn statuses<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let all = PyDict::new(py);
        for column in &self.features.columns {
            let statuses = column.statuses.iter().map(|status| status.name());
            all.set_item(&column.name, PyList::new(py, statuses.collect::<Vec<_>>())?)?;
        }
        Ok(all)
    }

    /// For each row of a feature when it happened, when it could first be read, both in microseconds since 1970, and its age
    /// in seconds; none where there is no row.
    fn times(&self, name: &str) -> PyResult<Vec<Option<(i64, i64, f64)>>> {
        let features = &self.features;
        let times = features.times_of(self.column(name)?).iter();
        Ok(times
            .map(|times| {
                times.map(|times| (times.event_time.get(), times.available_at.get(), features.age_s(times)))
            })
            .collect())
    }

    /// The features as Arrow data; with `details`, each as a struct of value, status and times.
    fn table(&self, details: bool) -> PyResult<PyTable> {
        let features = &self.features;
        let columns: Vec<(String, ArrayRef)> = features
            .columns
            .iter()
            .map(|column| {
                let array = if details { self.detailed(column) } else { column.values.clone() };
                (column.name.clone(), array)
            })
            .collect();
        let fields: Vec<Field> =
            columns.iter().map(|(name, array)| Field::new(name, array.data_type().clone(), true)).collect();
        let schema = Arc::new(Schema::new(fields));
        let arrays = columns.into_iter().map(|(_, array)| array).collect();
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(features.rows));
        let batch = RecordBatch::try_new_with_options(schema.clone(), arrays, &options);
        let batch = batch.map_err(|error| PyKeyError::new_err(error.to_string()))?;
        PyTable::try_new(vec![batch], schema)
    }
}

impl Features {
    fn column(&self, name: &str) -> PyResult<&FeatureColumn> {
        let found = self.features.columns.iter().find(|column| column.name == name);
        found.ok_or_else(|| PyKeyError::new_err(name.to_owned()))
    }

    /// A column with everything that is known of each value.
    fn detailed(&self, column: &FeatureColumn) -> ArrayRef {
        let features = &self.features;
        let times = features.times_of(column);
        let moment = |of: fn(&Times) -> Micros| -> ArrayRef {
            let moments = times.iter().map(|times| times.as_ref().map(|times| of(times).get()));
            Arc::new(moments.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
        };
        let ages: Float64Array = times.iter().map(|times| times.map(|times| features.age_s(times))).collect();
        let statuses: StringArray = column.statuses.iter().map(|status| Some(status.name())).collect();
        let parts: [(&str, ArrayRef); 5] = [
            ("value", column.values.clone()),
            ("status", Arc::new(statuses)),
            ("event_time", moment(|times| times.event_time)),
            ("available_at", moment(|times| times.available_at)),
            ("age_s", Arc::new(ages)),
        ];
        let parts: Vec<(Arc<Field>, ArrayRef)> = parts
            .into_iter()
            .map(|(name, array)| (Arc::new(Field::new(name, array.data_type().clone(), true)), array))
            .collect();
        Arc::new(StructArray::from(parts))
    }
}

fn transform_value(column: &FeatureColumn, row: usize) -> Value {
    transform::value_at(&column.values, row, column.data_type)
}

/// A value as Python has it.
fn object<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Null => py.None().into_bound(py),
        Value::Bool(x) => x.into_pyobject(py)?.to_owned().into_any(),
        Value::Int32(x) => x.into_pyobject(py)?.into_any(),
        Value::Int64(x) => x.into_pyobject(py)?.into_any(),
        Value::Float32(x) => f64::from(*x).into_pyobject(py)?.into_any(),
        Value::Float64(x) => x.into_pyobject(py)?.into_any(),
        Value::String(x) => (&**x).into_pyobject(py)?.into_any(),
        Value::Bytes(x) => PyBytes::new(py, x).into_any(),
        Value::Timestamp(x) => py.import("twinstore._values")?.getattr("moment")?.call1((x.get(),))?,
        Value::List(items) => {
            let items: Vec<_> = items.iter().map(|item| object(py, item)).collect::<PyResult<_>>()?;
            PyList::new(py, items)?.into_any()
        }
    })
}
