//! Columns as messages pack them: Arrow arrays into messages, and back.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::DataType as ArrowType;
use arrow::error::ArrowError;
use feature::{DataType, Micros, Scalar, Status, Value};
use proto::v1::{self, values::Kind};

/// Columns by their names.
pub(super) fn packed(columns: Vec<(String, ArrayRef)>) -> Result<HashMap<String, v1::Values>, ArrowError> {
    let pack_one = |(name, array): (String, ArrayRef)| {
        let (array, scalar) = natural(&array)?;
        let values = (0..array.len()).map(|row| transform::value_at(&array, row, scalar.into()));
        Ok((name, pack(&values.collect::<Vec<_>>(), scalar)))
    };
    columns.into_iter().map(pack_one).collect()
}

/// An array in the type of ours that holds all of its values; text where there is none, and of lists.
fn natural(array: &ArrayRef) -> Result<(ArrayRef, Scalar), ArrowError> {
    let exactly = CastOptions { safe: false, ..CastOptions::default() };
    let cast = |array: &ArrayRef, to: &ArrowType| cast_with_options(array, to, &exactly);
    if let ArrowType::Dictionary(_, values) = array.data_type() {
        return natural(&cast(array, values)?);
    }
    Ok(match transform::declarable(array.data_type()).and_then(|data_type| data_type.scalar()) {
        Some(Scalar::Timestamp) => (Arc::new(transform::moments(array)), Scalar::Timestamp),
        Some(scalar) => (cast(array, &transform::arrow_type(scalar.into()))?, scalar),
        None => (cast(array, &ArrowType::Utf8)?, Scalar::String),
    })
}

/// Scalars of a type as a message packs them: nothing of a null but that it is one.
pub(super) fn pack(values: &[Value], scalar: Scalar) -> v1::Values {
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
    let kind = match scalar {
        Scalar::Bool => packed!(Bools, Bools, values, Bool, |x: &bool| *x),
        Scalar::Int32 => packed!(Int32s, Int32s, values, Int32, |x: &i32| *x),
        Scalar::Int64 => packed!(Int64s, Int64s, values, Int64, |x: &i64| *x),
        Scalar::Float32 => packed!(Float32s, Float32s, values, Float32, |x: &f32| *x),
        Scalar::Float64 => packed!(Float64s, Float64s, values, Float64, |x: &f64| *x),
        Scalar::String => packed!(Strings, Strings, values, String, |x: &Arc<str>| x.to_string()),
        Scalar::Bytes => packed!(Bytes, ByteStrings, values, Bytes, |x: &Arc<[u8]>| x.to_vec()),
        Scalar::Timestamp => packed!(Timestamps, Timestamps, values_us, Timestamp, |x: &Micros| x.get()),
    };
    let nulls = values.iter().enumerate().filter(|(_, value)| value.is_null());
    v1::Values { nulls: nulls.map(|(row, _)| row as u32).collect(), kind: Some(kind) }
}

/// Packed values, null where they are said to be, and their type.
pub(super) fn unpack(values: &v1::Values) -> (Vec<Value>, DataType) {
    let (mut all, data_type): (Vec<Value>, DataType) = match &values.kind {
        None => (Vec::new(), Scalar::String.into()),
        Some(Kind::Lists(lists)) => {
            let (items, item) = lists.items.as_deref().map_or((Vec::new(), Scalar::String.into()), unpack);
            let mut items = items.into_iter();
            let list = |length: &u32| Value::List(items.by_ref().take(*length as usize).collect());
            let item = item.scalar().unwrap_or(Scalar::String);
            (lists.lengths.iter().map(list).collect(), DataType::List(item, None))
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
