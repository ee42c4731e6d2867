//! Columns as messages pack them: values into messages, and back into Arrow arrays.

use std::sync::Arc;

use arrow::array::ArrayRef;
use feature::{DataType, Micros, Scalar, Status, Value};
use proto::v1::{self, values::Kind};

/// Values of a type as a message packs them: nothing of a null but that it is one.
pub(super) fn pack(values: &[Value], data_type: DataType) -> v1::Values {
    let kind = match data_type {
        DataType::Scalar(scalar) => packed_scalars(values, scalar),
        DataType::List(item, length) => {
            let items = |value: &Value| match value {
                Value::List(items) => items.to_vec(),
                _ => Vec::new(),
            };
            let lists: Vec<Vec<Value>> = values.iter().map(items).collect();
            let lengths = lists.iter().map(|items| items.len() as u32).collect();
            let items = Box::new(pack(&lists.concat(), item.into()));
            let length = length.unwrap_or(0);
            Kind::Lists(Box::new(v1::Lists { lengths, items: Some(items), length }))
        }
    };
    v1::Values { nulls: nulls(values), kind: Some(kind) }
}

/// The rows that are null.
pub(super) fn nulls(values: &[Value]) -> Vec<u32> {
    values.iter().zip(0..).filter(|(value, _)| value.is_null()).map(|(_, row)| row).collect()
}

fn packed_scalars(values: &[Value], scalar: Scalar) -> Kind {
    macro_rules! packed {
        ($kind:ident, $message:ident, $field:ident, $variant:ident, $convert:expr) => {
            Kind::$kind(v1::$message {
                $field: values
                    .iter()
                    .map(|value| match value {
                        Value::$variant(x) => $convert(x),
                        _ => Default::default(),
                    })
                    .collect(),
            })
        };
    }
    match scalar {
        Scalar::Bool => packed!(Bools, Bools, values, Bool, |x: &bool| *x),
        Scalar::Int32 => packed!(Int32s, Int32s, values, Int32, |x: &i32| *x),
        Scalar::Int64 => packed!(Int64s, Int64s, values, Int64, |x: &i64| *x),
        Scalar::Float32 => packed!(Float32s, Float32s, values, Float32, |x: &f32| *x),
        Scalar::Float64 => packed!(Float64s, Float64s, values, Float64, |x: &f64| *x),
        Scalar::String => packed!(Strings, Strings, values, String, |x: &Arc<str>| x.to_string()),
        Scalar::Bytes => packed!(Bytes, ByteStrings, values, Bytes, |x: &Arc<[u8]>| x.to_vec()),
        Scalar::Timestamp => packed!(Timestamps, Timestamps, values_us, Timestamp, |x: &Micros| x.get()),
    }
}

/// Packed values, null where they are said to be, and their type.
pub(super) fn unpack(values: &v1::Values) -> (Vec<Value>, DataType) {
    let (mut all, data_type): (Vec<Value>, DataType) = match &values.kind {
        // Only requests have JSON.
        None | Some(Kind::Json(_)) => (Vec::new(), Scalar::String.into()),
        Some(Kind::Lists(lists)) => {
            let (items, item) = lists.items.as_deref().map_or((Vec::new(), Scalar::String.into()), unpack);
            let mut items = items.into_iter();
            let list = |length: &u32| Value::List(items.by_ref().take(*length as usize).collect());
            let item = item.scalar().unwrap_or(Scalar::String);
            let length = Some(lists.length).filter(|length| *length > 0);
            (lists.lengths.iter().map(list).collect(), DataType::List(item, length))
        }
        Some(Kind::Bools(x)) => (x.values.iter().copied().map(Value::Bool).collect(), Scalar::Bool.into()),
        Some(Kind::Int32s(x)) => (x.values.iter().copied().map(Value::Int32).collect(), Scalar::Int32.into()),
        Some(Kind::Int64s(x)) => (x.values.iter().copied().map(Value::Int64).collect(), Scalar::Int64.into()),
        Some(Kind::Float32s(x)) => {
            (x.values.iter().copied().map(Value::Float32).collect(), Scalar::Float32.into())
        }
        Some(Kind::Float64s(x)) => {
            (x.values.iter().copied().map(Value::Float64).collect(), Scalar::Float64.into())
        }
        Some(Kind::Strings(x)) => {
            (x.values.iter().map(|text| Value::String(text.as_str().into())).collect(), Scalar::String.into())
        }
        Some(Kind::Bytes(x)) => {
            let bytes = x.values.iter().map(|bytes| Value::Bytes(bytes.as_slice().into()));
            (bytes.collect(), Scalar::Bytes.into())
        }
        Some(Kind::Timestamps(x)) => {
            let moment = |micros: &i64| Micros::new(*micros).map_or(Value::Null, Value::Timestamp);
            (x.values_us.iter().map(moment).collect(), Scalar::Timestamp.into())
        }
    };
    for row in &values.nulls {
        if let Some(value) = all.get_mut(*row as usize) {
            *value = Value::Null;
        }
    }
    (all, data_type)
}

/// Packed values as an array.
pub(super) fn unpacked(values: &v1::Values) -> (ArrayRef, DataType) {
    let (values, data_type) = unpack(values);
    (transform::array_of(&values, data_type), data_type)
}

pub(super) fn status(status: v1::column::Status) -> Option<Status> {
    match status {
        v1::column::Status::Unspecified => None,
        v1::column::Status::Present => Some(Status::Present),
        v1::column::Status::NullValue => Some(Status::NullValue),
        v1::column::Status::NotFound => Some(Status::NotFound),
        v1::column::Status::OutsideMaxAge => Some(Status::OutsideMaxAge),
        v1::column::Status::LastKnownGood => Some(Status::LastKnownGood),
        v1::column::Status::BreakerOpen => Some(Status::BreakerOpen),
    }
}
