//! Feast's protobuf values, to and from ours.

use std::sync::Arc;

use arrow::array::ArrayRef;
use feature::{DataType, Given, Micros, Scalar, Value};
use proto::feast::types::value::Val;
use proto::feast::types::{self as feast, RepeatedValue};
use read::{RequestColumn, json};

use super::json::seconds;

/// A column of a request as Feast's client sends it.
#[derive(Clone)]
pub(super) struct FeastColumn(pub RepeatedValue);

impl RequestColumn for FeastColumn {
    fn rows(&self) -> usize {
        self.0.val.len()
    }

    fn read(self, data_type: DataType) -> Result<ArrayRef, String> {
        let read = |(row, value): (usize, feast::Value)| {
            let needed = || {
                format!("holds no {data_type}, where {} is needed (row {})", json::needed(data_type), row + 1)
            };
            match value.val {
                None | Some(Val::NullVal(_)) => Ok(Value::Null),
                Some(val) => from_feast(val, data_type).filter(|v| v.is_of(data_type)).ok_or_else(needed),
            }
        };
        let values: Result<Vec<Value>, String> = self.0.val.into_iter().enumerate().map(read).collect();
        let values: Vec<Value> = values?.into_iter().map(Value::canonical).collect();
        Ok(transform::array_of(&values, data_type))
    }
}

/// A value as the type that is needed; none where it is of another kind or does not fit.
fn from_feast(val: Val, data_type: DataType) -> Option<Value> {
    let scalar = match data_type {
        DataType::Scalar(scalar) => scalar,
        DataType::List(item, _) => return list_from_feast(val, item),
    };
    let given = match (&val, scalar) {
        (Val::UnixTimestampVal(x), Scalar::Timestamp) => {
            return Some(Value::Timestamp(Micros::new(x.checked_mul(1_000_000)?).ok()?));
        }
        (Val::BytesVal(x), Scalar::Bytes) => return Some(Value::Bytes(x.as_slice().into())),
        // Feast takes a number where a string is needed.
        (Val::Int32Val(x), Scalar::String) => return Some(Value::String(x.to_string().into())),
        (Val::Int64Val(x), Scalar::String) => return Some(Value::String(x.to_string().into())),
        (Val::StringVal(text) | Val::UuidVal(text) | Val::TimeUuidVal(text), _) => {
            return Given::Text(text).exactly(scalar);
        }
        (Val::BoolVal(x), _) => Given::Bool(*x),
        (Val::Int32Val(x), _) => Given::Whole((*x).into()),
        (Val::Int64Val(x), _) => Given::Whole((*x).into()),
        (Val::FloatVal(x), _) => Given::Single(*x),
        (Val::DoubleVal(x), _) => Given::Double(*x),
        _ => return None,
    };
    // A number of Python's is a double or an int, whatever its column is.
    given.written(scalar)
}

fn list_from_feast(val: Val, item: Scalar) -> Option<Value> {
    let items: Vec<Val> = match val {
        Val::BoolListVal(list) => list.val.into_iter().map(Val::BoolVal).collect(),
        Val::StringListVal(list) => list.val.into_iter().map(Val::StringVal).collect(),
        Val::BytesListVal(list) => list.val.into_iter().map(Val::BytesVal).collect(),
        Val::Int32ListVal(list) => list.val.into_iter().map(Val::Int32Val).collect(),
        Val::Int64ListVal(list) => list.val.into_iter().map(Val::Int64Val).collect(),
        Val::FloatListVal(list) => list.val.into_iter().map(Val::FloatVal).collect(),
        Val::DoubleListVal(list) => list.val.into_iter().map(Val::DoubleVal).collect(),
        Val::UnixTimestampListVal(list) => list.val.into_iter().map(Val::UnixTimestampVal).collect(),
        _ => return None,
    };
    let items: Option<Vec<Value>> = items.into_iter().map(|val| from_feast(val, item.into())).collect();
    Some(Value::List(items?.into()))
}

/// A value as Feast packs it; null is a value of no kind.
pub(super) fn to_feast(value: &Value, data_type: DataType) -> feast::Value {
    let item = match data_type {
        DataType::Scalar(scalar) | DataType::List(scalar, _) => scalar,
    };
    let val = match value {
        Value::Null => None,
        Value::Bool(x) => Some(Val::BoolVal(*x)),
        Value::Int32(x) => Some(Val::Int32Val(*x)),
        Value::Int64(x) => Some(Val::Int64Val(*x)),
        Value::Float32(x) => Some(Val::FloatVal(*x)),
        Value::Float64(x) => Some(Val::DoubleVal(*x)),
        Value::String(x) => Some(Val::StringVal(x.to_string())),
        Value::Bytes(x) => Some(Val::BytesVal(x.to_vec())),
        Value::Timestamp(x) => Some(Val::UnixTimestampVal(seconds(*x))),
        Value::List(items) => Some(list_to_feast(items, item)),
    };
    feast::Value { val }
}

/// Feast's lists have no nulls: a null item is the zero of its type, as in Feast.
fn list_to_feast(items: &Arc<[Value]>, item: Scalar) -> Val {
    macro_rules! list {
        ($kind:ident, $list:ident, $of:ident, $give:expr) => {{
            let give = |value: &Value| if let Value::$of(x) = value { $give(x) } else { Default::default() };
            Val::$kind(feast::$list { val: items.iter().map(give).collect() })
        }};
    }
    match item {
        Scalar::Bool => list!(BoolListVal, BoolList, Bool, |x: &bool| *x),
        Scalar::Int32 => list!(Int32ListVal, Int32List, Int32, |x: &i32| *x),
        Scalar::Int64 => list!(Int64ListVal, Int64List, Int64, |x: &i64| *x),
        Scalar::Float32 => list!(FloatListVal, FloatList, Float32, |x: &f32| *x),
        Scalar::Float64 => list!(DoubleListVal, DoubleList, Float64, |x: &f64| *x),
        Scalar::String => list!(StringListVal, StringList, String, |x: &Arc<str>| x.to_string()),
        Scalar::Bytes => list!(BytesListVal, BytesList, Bytes, |x: &Arc<[u8]>| x.to_vec()),
        Scalar::Timestamp => list!(UnixTimestampListVal, Int64List, Timestamp, |x: &Micros| seconds(*x)),
    }
}
