//! The columns of a read as Python has them: lists of objects, or anything that exports Arrow data.

use arrow::array::ArrayRef;
use arrow::compute::concat;
use feature::{DataType, Micros, Scalar, Value};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyFloat, PyInt, PyList, PyString, PyTuple};
use pyo3_arrow::input::AnyArray;
use read::RequestColumn;
use twinstore::AsJson;

use crate::error::wrong;

/// One column.
#[derive(Clone)]
pub enum Column {
    /// Objects, each in the widest type of its kind. They are read as JSON has them, so that any number of a kind fits.
    Objects(Vec<Value>),
    /// Arrow data.
    Arrow(ArrayRef),
}

impl RequestColumn for Column {
    fn rows(&self) -> usize {
        match self {
            Self::Objects(values) => values.len(),
            Self::Arrow(array) => array.rows(),
        }
    }

    fn read(self, data_type: DataType) -> Result<ArrayRef, String> {
        match self {
            // JSON has texts for what is none, such as bytes and times.
            Self::Objects(values) if data_type == Scalar::String.into() => values.read(data_type),
            Self::Objects(values) => {
                let json = values.iter().map(|value| serde_json::to_value(AsJson(value)));
                json.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?.read(data_type)
            }
            Self::Arrow(array) => array.read(data_type),
        }
    }
}

impl Column {
    /// A column by its name; the error names it.
    pub fn of(name: &str, column: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let Ok(list) = column.cast::<PyList>() {
            let mut values = Vec::with_capacity(list.len());
            for (row, object) in list.iter().enumerate() {
                values.push(value(&object).map_err(|error| {
                    let py = object.py();
                    wrong(py, &format!("`{name}`, row {}: {}", row + 1, error.value(py)))
                })?);
            }
            return Ok(Self::Objects(values));
        }
        let (chunks, field) = column.extract::<AnyArray>()?.into_chunked_array()?.into_inner();
        let chunks: Vec<&dyn arrow::array::Array> = chunks.iter().map(|chunk| chunk.as_ref()).collect();
        let array = match chunks.as_slice() {
            [] => arrow::array::new_empty_array(field.data_type()),
            chunks => concat(chunks).map_err(|error| PyValueError::new_err(format!("`{name}`: {error}")))?,
        };
        Ok(Self::Arrow(array))
    }
}

/// An object as a value of the widest type of its kind.
fn value(object: &Bound<'_, PyAny>) -> PyResult<Value> {
    if object.is_none() {
        return Ok(Value::Null);
    }
    if let Ok(text) = object.cast::<PyString>() {
        return Ok(Value::String(text.to_str()?.into()));
    }
    if let Ok(truth) = object.cast::<PyBool>() {
        return Ok(Value::Bool(truth.is_true()));
    }
    if object.is_instance_of::<PyInt>() {
        // One that is larger is no value of any type; its text says so.
        return Ok(match object.extract::<i64>() {
            Ok(number) => Value::Int64(number),
            Err(_) => Value::String(object.str()?.to_str()?.into()),
        });
    }
    if let Ok(number) = object.cast::<PyFloat>() {
        return Ok(Value::Float64(number.value()));
    }
    if let Ok(bytes) = object.cast::<PyBytes>() {
        return Ok(Value::Bytes(bytes.as_bytes().into()));
    }
    if object.is_instance_of::<PyList>() || object.is_instance_of::<PyTuple>() {
        let items = object.try_iter()?.map(|item| value(&item?));
        return items.collect::<PyResult<Vec<_>>>().map(|items| Value::List(items.into()));
    }
    // Times, and the scalars of NumPy and pandas: Python says what they are.
    let (kind, plain): (String, Bound<'_, PyAny>) =
        object.py().import("twinstore._values")?.getattr("plain")?.call1((object,))?.extract()?;
    if kind != "moment" {
        return value(&plain);
    }
    let moment = Micros::new(plain.extract()?).map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(Value::Timestamp(moment))
}
