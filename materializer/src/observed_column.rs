//! The values of a column as they are observed: what distributions are compared by.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{Float32Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use feature::{DataType, Scalar, Value};
use monitor::Observed;

/// The values of a column, each read without an allocation where its type allows.
#[derive(Debug)]
pub struct ObservedColumn<'a>(Values<'a>);

#[derive(Debug)]
enum Values<'a> {
    Bool(&'a arrow::array::BooleanArray),
    Int32(&'a arrow::array::Int32Array),
    Int64(&'a arrow::array::Int64Array),
    Time(&'a arrow::array::TimestampMicrosecondArray),
    Float32(&'a arrow::array::Float32Array),
    Float64(&'a arrow::array::Float64Array),
    Text(&'a arrow::array::StringArray),
    Bytes(&'a arrow::array::BinaryArray),
    Other(&'a ArrayRef, DataType),
}

impl<'a> ObservedColumn<'a> {
    /// A column of a declared type.
    pub fn of(array: &'a ArrayRef, data_type: DataType) -> Self {
        Self(match data_type.scalar() {
            Some(Scalar::Bool) => Values::Bool(array.as_boolean()),
            Some(Scalar::Int32) => Values::Int32(array.as_primitive::<Int32Type>()),
            Some(Scalar::Int64) => Values::Int64(array.as_primitive::<Int64Type>()),
            Some(Scalar::Timestamp) => Values::Time(array.as_primitive::<TimestampMicrosecondType>()),
            Some(Scalar::Float32) => Values::Float32(array.as_primitive::<Float32Type>()),
            Some(Scalar::Float64) => Values::Float64(array.as_primitive::<Float64Type>()),
            Some(Scalar::String) => Values::Text(array.as_string()),
            Some(Scalar::Bytes) => Values::Bytes(array.as_binary()),
            None => Values::Other(array, data_type),
        })
    }

    /// The value in a row; `bytes` is a buffer for one that has to be encoded.
    pub fn at<'b>(&'b self, row: usize, bytes: &'b mut Vec<u8>) -> Observed<'b> {
        let is_null = match &self.0 {
            Values::Bool(array) => array.is_null(row),
            Values::Int32(array) => array.is_null(row),
            Values::Int64(array) => array.is_null(row),
            Values::Time(array) => array.is_null(row),
            Values::Float32(array) => array.is_null(row),
            Values::Float64(array) => array.is_null(row),
            Values::Text(array) => array.is_null(row),
            Values::Bytes(array) => array.is_null(row),
            Values::Other(array, _) => array.is_null(row),
        };
        if is_null {
            return Observed::Null;
        }
        match &self.0 {
            Values::Bool(array) => Observed::Text(if array.value(row) { "true" } else { "false" }),
            Values::Int32(array) => Observed::Int(array.value(row).into()),
            Values::Int64(array) => Observed::Int(array.value(row)),
            Values::Time(array) => Observed::Int(array.value(row)),
            Values::Float32(array) => Observed::Float(array.value(row).into()),
            Values::Float64(array) => Observed::Float(array.value(row)),
            Values::Text(array) => Observed::Text(array.value(row)),
            Values::Bytes(array) => Observed::Bytes(array.value(row)),
            Values::Other(array, data_type) => {
                bytes.clear();
                encode(&transform::value_at(array.as_ref(), row, *data_type), bytes);
                Observed::Bytes(bytes)
            }
        }
    }
}

/// Bytes that are equal for equal values of one type, and only for them.
fn encode(value: &Value, bytes: &mut Vec<u8>) {
    let mut part = |part: &[u8]| {
        bytes.extend((part.len() as u64).to_le_bytes());
        bytes.extend(part);
    };
    match value.clone().canonical() {
        Value::Null => bytes.push(0),
        Value::Float32(x) => part(&x.to_bits().to_le_bytes()),
        Value::Float64(x) => part(&x.to_bits().to_le_bytes()),
        Value::String(x) => part(x.as_bytes()),
        Value::Bytes(x) => part(&x),
        Value::List(items) => {
            bytes.extend((items.len() as u64).to_le_bytes());
            for item in items.iter() {
                bytes.push(1);
                encode(item, bytes);
            }
        }
        other => part(other.to_string().as_bytes()),
    }
}
