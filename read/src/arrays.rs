//! A column of a store's answers as the array that expressions read, and such an array as a column.

use std::sync::Arc;

use arrow::array::types::{Float32Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray};
use arrow::buffer::NullBuffer;
use feature::{DataType, Scalar, Status};
use online::{Column, Values};
use transform::ComputedColumn;

/// The array of [`transform::arrow_type`] of its type: null wherever there is no value.
pub(crate) fn of_column(column: Column, data_type: DataType) -> ArrayRef {
    let nulls: NullBuffer = column.has_values().collect();
    let nulls = Some(nulls).filter(|nulls| nulls.null_count() > 0);
    match column.values {
        Values::Bool(values) => Arc::new(BooleanArray::new(values.into(), nulls)),
        Values::Int32(values) => Arc::new(PrimitiveArray::<Int32Type>::new(values.into(), nulls)),
        Values::Int64(values) => Arc::new(PrimitiveArray::<Int64Type>::new(values.into(), nulls)),
        Values::Float32(values) => Arc::new(PrimitiveArray::<Float32Type>::new(values.into(), nulls)),
        Values::Float64(values) => Arc::new(PrimitiveArray::<Float64Type>::new(values.into(), nulls)),
        Values::Timestamp(values) => {
            let array = PrimitiveArray::<TimestampMicrosecondType>::new(values.into(), nulls);
            Arc::new(array.with_timezone("UTC"))
        }
        Values::Other(values) => transform::array_of(&values, data_type),
    }
}

/// The column of an on-demand feature: law 3, it is there or null, whatever its inputs were, and its
/// default replaces null.
pub(crate) fn to_column(computed: &ComputedColumn, data_type: DataType) -> Column {
    let is_null = |row| computed.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
    let status = |row| if is_null(row) { Status::NullValue } else { Status::Present };
    Column {
        values: to_values(&computed.values, data_type),
        statuses: (0..computed.values.len()).map(status).collect(),
        has_default: computed.has_default,
    }
}

fn to_values(array: &ArrayRef, data_type: DataType) -> Values {
    match data_type.scalar() {
        Some(Scalar::Int32) => Values::Int32(native::<Int32Type>(array)),
        Some(Scalar::Int64) => Values::Int64(native::<Int64Type>(array)),
        Some(Scalar::Float32) => Values::Float32(native::<Float32Type>(array)),
        Some(Scalar::Float64) => Values::Float64(native::<Float64Type>(array)),
        Some(Scalar::Timestamp) => Values::Timestamp(native::<TimestampMicrosecondType>(array)),
        _ => {
            let mut values = Values::of(data_type, array.len());
            (0..array.len()).for_each(|row| values.push(&transform::value_at(array, row, data_type)));
            values
        }
    }
}

/// The values, zero where null.
fn native<T: ArrowPrimitiveType>(array: &ArrayRef) -> Vec<T::Native> {
    match array.as_primitive_opt::<T>() {
        Some(array) => array.iter().map(Option::unwrap_or_default).collect(),
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use feature::Value;

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
            let status = |value: &Value| if value.is_null() { Status::NullValue } else { Status::Present };
            let statuses: Vec<Status> = values.iter().map(status).collect();
            let mut typed = Values::of(data_type, 0);
            values.iter().for_each(|value| typed.push(value));
            let expected = transform::array_of(&values, data_type);
            let column = Column { values: typed.clone(), statuses: statuses.clone(), has_default: false };
            let filled = of_column(column, data_type);
            let back = to_column(&ComputedColumn::new(filled.clone(), None, data_type).unwrap(), data_type);
            assert_eq!(back.statuses, statuses);
            let shown = |values: &Values| format!("{values:?}");
            assert_eq!(shown(&back.values), shown(&typed));
            assert_eq!(filled.data_type(), expected.data_type());
            let cells = |array: &ArrayRef| -> Vec<Value> {
                (0..array.len()).map(|row| transform::value_at(array, row, data_type)).collect()
            };
            assert_eq!((cells(&filled), filled.null_count()), (cells(&expected), expected.null_count()));
        }
    }

    #[test]
    fn the_default_of_a_computed_feature_is_its_value_and_its_status_stays() {
        for (data_type, default) in [
            ("float64", Value::Float64(-0.0)),
            ("string", Value::String("none".into())),
            ("list<int32>", Value::List([Value::Int32(1)].into())),
            ("list<float32>[2]", Value::List([Value::Float32(0.5), Value::Float32(1.0)].into())),
        ] {
            let data_type: DataType = data_type.parse().unwrap();
            let array = transform::array_of(&[Value::Null, default.clone(), Value::Null], data_type);
            let computed = ComputedColumn::new(array, Some(&default), data_type).unwrap();
            let column = to_column(&computed, data_type);
            assert_eq!(column.statuses, [Status::NullValue, Status::Present, Status::NullValue]);
            let filled = of_column(column, data_type);
            for row in 0..3 {
                assert_eq!(transform::value_at(&filled, row, data_type), default);
                assert_eq!(transform::value_at(&computed.values, row, data_type), default);
            }
        }
    }
}
