//! How each of our types lies in Arrow, and single values in and out of arrays.
//!
//! The paths that are fast read arrays themselves; values are for folds of single rows, keys,
//! requests and tests.

use std::sync::Arc;

use arrow::array::builder::{
    BinaryBuilder, BooleanBuilder, FixedSizeListBuilder, ListBuilder, PrimitiveBuilder, StringBuilder,
};
use arrow::array::{Array, ArrayBuilder, ArrayRef, ArrowPrimitiveType, AsArray, make_builder};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    DataType as ArrowType, Field as ArrowField, Float32Type, Float64Type, Int32Type, Int64Type, Schema,
    SchemaRef, TimeUnit, TimestampMicrosecondType,
};
use arrow::error::ArrowError;
use feature::{DataType, Field, Micros, Scalar, Value};

/// The time zone that every timestamp of ours carries in Arrow.
pub(crate) const UTC: &str = "UTC";

/// The Arrow type of a type: `Utf8`, `Binary`, `Timestamp(us, "UTC")`, and lists of nullable
/// items named `item`.
pub fn arrow_type(data_type: DataType) -> ArrowType {
    match data_type {
        DataType::Scalar(scalar) => arrow_scalar(scalar),
        DataType::List(item, None) => ArrowType::List(item_field(item)),
        DataType::List(item, Some(length)) => {
            ArrowType::FixedSizeList(item_field(item), i32::try_from(length).unwrap_or(i32::MAX))
        }
    }
}

/// The Arrow schema of these fields, in their order, all nullable.
pub fn arrow_schema(fields: &[Field]) -> SchemaRef {
    let fields = fields.iter().map(|field| arrow_field(field.name.as_str(), field.data_type));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

pub(crate) fn arrow_field(name: &str, data_type: DataType) -> ArrowField {
    ArrowField::new(name, arrow_type(data_type), true)
}

pub(crate) fn item_field(item: Scalar) -> Arc<ArrowField> {
    Arc::new(ArrowField::new("item", arrow_scalar(item), true))
}

fn arrow_scalar(scalar: Scalar) -> ArrowType {
    match scalar {
        Scalar::Bool => ArrowType::Boolean,
        Scalar::Int32 => ArrowType::Int32,
        Scalar::Int64 => ArrowType::Int64,
        Scalar::Float32 => ArrowType::Float32,
        Scalar::Float64 => ArrowType::Float64,
        Scalar::String => ArrowType::Utf8,
        Scalar::Bytes => ArrowType::Binary,
        Scalar::Timestamp => ArrowType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
    }
}

/// The value in a row of an array of [`arrow_type`]`(data_type)`. Null where the array is of
/// another type, has no such row, or holds a time outside the years 0001 to 9999.
pub fn value_at(array: &dyn Array, row: usize, data_type: DataType) -> Value {
    if row >= array.len() || array.is_null(row) {
        return Value::Null;
    }
    match data_type {
        DataType::Scalar(scalar) => scalar_at(array, row, scalar).unwrap_or(Value::Null),
        DataType::List(item, length) => {
            let items = match length {
                None => array.as_list_opt::<i32>().map(|list| list.value(row)),
                Some(_) => array.as_fixed_size_list_opt().map(|list| list.value(row)),
            };
            items.map_or(Value::Null, |items| {
                Value::List((0..items.len()).map(|i| value_at(&items, i, item.into())).collect())
            })
        }
    }
}

fn scalar_at(array: &dyn Array, row: usize, scalar: Scalar) -> Option<Value> {
    fn primitive<T: ArrowPrimitiveType>(array: &dyn Array, row: usize) -> Option<T::Native> {
        Some(array.as_primitive_opt::<T>()?.value(row))
    }
    Some(match scalar {
        Scalar::Bool => Value::Bool(array.as_boolean_opt()?.value(row)),
        Scalar::Int32 => Value::Int32(primitive::<Int32Type>(array, row)?),
        Scalar::Int64 => Value::Int64(primitive::<Int64Type>(array, row)?),
        Scalar::Float32 => Value::Float32(primitive::<Float32Type>(array, row)?),
        Scalar::Float64 => Value::Float64(primitive::<Float64Type>(array, row)?),
        Scalar::String => Value::String(array.as_string_opt::<i32>()?.value(row).into()),
        Scalar::Bytes => Value::Bytes(array.as_binary_opt::<i32>()?.value(row).into()),
        Scalar::Timestamp => {
            Value::Timestamp(Micros::new(primitive::<TimestampMicrosecondType>(array, row)?).ok()?)
        }
    })
}

/// An array of [`arrow_type`]`(data_type)`. A value of another type becomes null.
pub fn array_of<'a>(values: impl IntoIterator<Item = &'a Value>, data_type: DataType) -> ArrayRef {
    let values = values.into_iter();
    match data_type {
        DataType::Scalar(scalar) => {
            let mut builder = make_builder(&arrow_scalar(scalar), values.size_hint().0);
            values.for_each(|value| append(&mut *builder, scalar, value));
            builder.finish()
        }
        DataType::List(item, None) => {
            let items = make_builder(&arrow_scalar(item), 0);
            let mut builder = ListBuilder::new(items).with_field(item_field(item));
            for value in values {
                let items = list_items(value, data_type);
                for value in items.unwrap_or_default() {
                    append(builder.values(), item, value);
                }
                builder.append(items.is_some());
            }
            Arc::new(builder.finish())
        }
        DataType::List(item, Some(length)) => {
            let items = make_builder(&arrow_scalar(item), 0);
            let width = i32::try_from(length).unwrap_or(i32::MAX);
            let mut builder = FixedSizeListBuilder::new(items, width).with_field(item_field(item));
            for value in values {
                match list_items(value, data_type) {
                    Some(items) => {
                        items.iter().for_each(|value| append(builder.values(), item, value));
                        builder.append(true);
                    }
                    None => {
                        (0..length).for_each(|_| append(builder.values(), item, &Value::Null));
                        builder.append(false);
                    }
                }
            }
            Arc::new(builder.finish())
        }
    }
}

fn list_items(value: &Value, data_type: DataType) -> Option<&[Value]> {
    match value {
        Value::List(items) if value.is_of(data_type) => Some(items),
        _ => None,
    }
}

/// Appends a value to a builder that was made for `scalar`.
fn append<B: ArrayBuilder + ?Sized>(builder: &mut B, scalar: Scalar, value: &Value) {
    fn primitive<T: ArrowPrimitiveType, B: ArrayBuilder + ?Sized>(builder: &mut B, value: Option<T::Native>) {
        if let Some(builder) = builder.as_any_mut().downcast_mut::<PrimitiveBuilder<T>>() {
            builder.append_option(value);
        }
    }
    macro_rules! option {
        ($kind:ident) => {
            match value {
                Value::$kind(value) => Some(value),
                _ => None,
            }
        };
    }
    match scalar {
        Scalar::Bool => {
            if let Some(builder) = builder.as_any_mut().downcast_mut::<BooleanBuilder>() {
                builder.append_option(option!(Bool).copied());
            }
        }
        Scalar::String => {
            if let Some(builder) = builder.as_any_mut().downcast_mut::<StringBuilder>() {
                builder.append_option(option!(String));
            }
        }
        Scalar::Bytes => {
            if let Some(builder) = builder.as_any_mut().downcast_mut::<BinaryBuilder>() {
                builder.append_option(option!(Bytes));
            }
        }
        Scalar::Int32 => primitive::<Int32Type, B>(builder, option!(Int32).copied()),
        Scalar::Int64 => primitive::<Int64Type, B>(builder, option!(Int64).copied()),
        Scalar::Float32 => primitive::<Float32Type, B>(builder, option!(Float32).copied()),
        Scalar::Float64 => primitive::<Float64Type, B>(builder, option!(Float64).copied()),
        Scalar::Timestamp => {
            primitive::<TimestampMicrosecondType, B>(builder, option!(Timestamp).map(|at| at.get()));
        }
    }
}

/// The array in another type. Fails where a value has none there.
pub(crate) fn checked_cast(array: &dyn Array, to: &ArrowType) -> Result<ArrayRef, ArrowError> {
    cast_with_options(array, to, &CastOptions { safe: false, ..CastOptions::default() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_type() -> impl Strategy<Value = DataType> {
        let scalar = prop::sample::select(Scalar::ALL.to_vec());
        (scalar, 0_u32..5).prop_map(|(scalar, kind)| match kind {
            0 | 1 => DataType::Scalar(scalar),
            2 => DataType::List(scalar, None),
            length => DataType::List(scalar, Some(length - 2)),
        })
    }

    fn value_of(data_type: DataType, seed: u64) -> Value {
        let scalar = |scalar: Scalar, seed: u64| match scalar {
            _ if seed % 7 == 3 => Value::Null,
            Scalar::Bool => Value::Bool(seed & 1 == 0),
            Scalar::Int32 => Value::Int32(seed as i32),
            Scalar::Int64 => Value::Int64(seed as i64),
            Scalar::Float32 => Value::Float32(f32::from_bits(seed as u32)).canonical(),
            Scalar::Float64 => Value::Float64(f64::from_bits(seed)).canonical(),
            Scalar::String => Value::String(format!("ä{seed}").into()),
            Scalar::Bytes => Value::Bytes(seed.to_le_bytes().as_slice().into()),
            Scalar::Timestamp => Value::Timestamp(Micros::new((seed % 1_000_000) as i64).unwrap()),
        };
        match data_type {
            DataType::Scalar(kind) => scalar(kind, seed),
            DataType::List(..) if seed % 5 == 2 => Value::Null,
            DataType::List(item, length) => {
                let length = length.map_or(seed % 4, u64::from);
                Value::List((0..length).map(|i| scalar(item, seed.wrapping_add(i))).collect())
            }
        }
    }

    proptest! {
        #[test]
        fn values_come_back_from_an_array_as_they_went_in(
            data_type in any_type(),
            seeds in prop::collection::vec(any::<u64>(), 0..8),
        ) {
            let values: Vec<Value> = seeds.iter().map(|seed| value_of(data_type, *seed)).collect();
            let array = array_of(&values, data_type);
            prop_assert_eq!(array.data_type(), &arrow_type(data_type));
            let back: Vec<Value> = (0..array.len()).map(|row| value_at(&array, row, data_type)).collect();
            prop_assert_eq!(back, values);
            prop_assert_eq!(value_at(&array, seeds.len(), data_type), Value::Null);
        }
    }

    #[test]
    fn a_value_of_another_type_is_null() {
        let values = [Value::Int32(1), Value::List([Value::Int32(1)].into())];
        let types = [
            Scalar::String.into(),
            DataType::List(Scalar::Int32, Some(2)),
            DataType::List(Scalar::Bool, None),
        ];
        for data_type in types {
            let array = array_of(&values, data_type);
            assert_eq!((array.len(), array.null_count()), (2, 2), "{data_type}");
        }
    }
}
