//! A column that is filled value by value, as the array that it becomes.

use std::sync::Arc;

use arrow::array::builder::NullBufferBuilder;
use arrow::array::types::{Float32Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow::array::{ArrayRef, PrimitiveArray};
use feature::{DataType, Scalar, Value};

/// The values so far; nulls hold the zero of their type.
pub(crate) struct Filling {
    values: Values,
    nulls: NullBufferBuilder,
}

enum Values {
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Float32(Vec<f32>),
    Float64(Vec<f64>),
    Timestamp(Vec<i64>),
    /// Those of no fixed width, and truth values, are put together at the end.
    Other(Vec<Value>, DataType),
}

impl Filling {
    /// An empty column that is to have this many values.
    pub fn new(data_type: DataType, rows: usize) -> Self {
        let values = match data_type {
            DataType::Scalar(Scalar::Int32) => Values::Int32(Vec::with_capacity(rows)),
            DataType::Scalar(Scalar::Int64) => Values::Int64(Vec::with_capacity(rows)),
            DataType::Scalar(Scalar::Float32) => Values::Float32(Vec::with_capacity(rows)),
            DataType::Scalar(Scalar::Float64) => Values::Float64(Vec::with_capacity(rows)),
            DataType::Scalar(Scalar::Timestamp) => Values::Timestamp(Vec::with_capacity(rows)),
            _ => Values::Other(Vec::with_capacity(rows), data_type),
        };
        Self { values, nulls: NullBufferBuilder::new(rows) }
    }

    /// Adds a value; one of another type is null, as in any array of values.
    pub fn push(&mut self, value: Value) {
        let is_there = match (&mut self.values, value) {
            (Values::Int32(values), Value::Int32(x)) => push(values, x),
            (Values::Int64(values), Value::Int64(x)) => push(values, x),
            (Values::Float32(values), Value::Float32(x)) => push(values, x),
            (Values::Float64(values), Value::Float64(x)) => push(values, x),
            (Values::Timestamp(values), Value::Timestamp(x)) => push(values, x.get()),
            (Values::Other(values, _), value) => return values.push(value),
            (Values::Int32(values), _) => !push(values, 0),
            (Values::Int64(values) | Values::Timestamp(values), _) => !push(values, 0),
            (Values::Float32(values), _) => !push(values, 0.0),
            (Values::Float64(values), _) => !push(values, 0.0),
        };
        self.nulls.append(is_there);
    }

    /// The array of [`transform::arrow_type`] of its type.
    pub fn finish(mut self) -> ArrayRef {
        let nulls = self.nulls.finish();
        match self.values {
            Values::Int32(values) => Arc::new(PrimitiveArray::<Int32Type>::new(values.into(), nulls)),
            Values::Int64(values) => Arc::new(PrimitiveArray::<Int64Type>::new(values.into(), nulls)),
            Values::Float32(values) => Arc::new(PrimitiveArray::<Float32Type>::new(values.into(), nulls)),
            Values::Float64(values) => Arc::new(PrimitiveArray::<Float64Type>::new(values.into(), nulls)),
            Values::Timestamp(values) => {
                let array = PrimitiveArray::<TimestampMicrosecondType>::new(values.into(), nulls);
                Arc::new(array.with_timezone("UTC"))
            }
            Values::Other(values, data_type) => transform::array_of(&values, data_type),
        }
    }
}

fn push<T>(values: &mut Vec<T>, value: T) -> bool {
    values.push(value);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filled_column_is_the_array_of_its_values_whatever_their_type() {
        let moment = Value::Timestamp("2013-06-01T12:00:00Z".parse().unwrap());
        let columns = [
            ("bool", vec![Value::Bool(true), Value::Null]),
            ("int32", vec![Value::Int32(-7), Value::Null]),
            ("int64", vec![Value::Null, Value::Int64(i64::MIN)]),
            ("float32", vec![Value::Float32(f32::NAN), Value::Null, Value::Float32(-0.0)]),
            ("float64", vec![Value::Float64(1.5), Value::Float64(f64::INFINITY)]),
            ("string", vec![Value::String("ä".into()), Value::Null]),
            ("bytes", vec![Value::Bytes([0].as_slice().into()), Value::Null]),
            ("timestamp", vec![moment, Value::Null]),
            ("list<float32>[1]", vec![Value::List([Value::Float32(0.5)].into()), Value::Null]),
            ("int64", vec![]),
        ];
        for (data_type, values) in columns {
            let data_type: DataType = data_type.parse().unwrap();
            let mut filling = Filling::new(data_type, values.len());
            values.iter().for_each(|value| filling.push(value.clone()));
            let expected = transform::array_of(&values, data_type);
            let filled = filling.finish();
            assert_eq!(filled.data_type(), expected.data_type());
            let cells = |array: &ArrayRef| -> Vec<Value> {
                (0..array.len()).map(|row| transform::value_at(array, row, data_type)).collect()
            };
            assert_eq!((cells(&filled), filled.null_count()), (cells(&expected), expected.null_count()));
        }
    }
}
