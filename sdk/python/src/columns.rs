//! The columns of a read as Python has them: lists of objects, or anything that exports Arrow data.

use arrow::array::ArrayRef;
use arrow::compute::concat;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use feature::DataType;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyFloat, PyInt, PyList, PyString, PyTuple};
use pyo3_arrow::input::AnyArray;
use read::RequestColumn;
use serde_json::Value as Json;

/// One column.
#[derive(Clone)]
pub enum Column {
    /// Objects, as JSON has them.
    Objects(Vec<Json>),
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
            Self::Objects(values) => values.read(data_type),
            Self::Arrow(array) => array.read(data_type),
        }
    }
}

impl Column {
    /// A column by its name; the error names it.
    pub fn of(name: &str, column: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let Ok(list) = column.cast::<PyList>() {
            let mut values = Vec::with_capacity(list.len());
            for (row, value) in list.iter().enumerate() {
                let json = json(&value).map_err(|error| {
                    PyTypeError::new_err(format!("`{name}`, row {}: {}", row + 1, error.value(value.py())))
                })?;
                values.push(json);
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

/// An object as JSON writes it in a request: NaN and infinities as text, bytes in base64, times as RFC 3339.
fn json(value: &Bound<'_, PyAny>) -> PyResult<Json> {
    if value.is_none() {
        return Ok(Json::Null);
    }
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(Json::String(text.to_str()?.to_owned()));
    }
    if let Ok(truth) = value.cast::<PyBool>() {
        return Ok(Json::Bool(truth.is_true()));
    }
    if value.is_instance_of::<PyInt>() {
        // One that is larger is no value of any type; its text says so.
        return Ok(match value.extract::<i64>() {
            Ok(number) => number.into(),
            Err(_) => Json::String(value.str()?.to_str()?.to_owned()),
        });
    }
    if let Ok(number) = value.cast::<PyFloat>() {
        let number = number.value();
        let special = || {
            if number.is_nan() {
                "NaN"
            } else if number > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            }
        };
        return Ok(serde_json::Number::from_f64(number).map_or_else(|| special().into(), Json::Number));
    }
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(Json::String(STANDARD.encode(bytes.as_bytes())));
    }
    if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        return value.try_iter()?.map(|item| json(&item?)).collect::<PyResult<Vec<_>>>().map(Json::Array);
    }
    // Times, the scalars of NumPy and pandas: said by Python what they are.
    let plain = value.py().import("twinstore._values")?.getattr("plain")?.call1((value,))?;
    json(&plain)
}
