//! How one value lies in a store: little-endian, without a tag, its type and length known
//! beforehand.

use std::sync::Arc;

use crate::time::Micros;
use crate::value::{DataType, Scalar, Value};

impl DataType {
    /// Bytes of the longest stored value of this type, where no text, bytes or list of any length
    /// takes more than `value_bytes`.
    pub fn longest_value(self, value_bytes: usize) -> usize {
        match self {
            DataType::Scalar(scalar) => scalar.width().unwrap_or(value_bytes),
            DataType::List(_, None) => value_bytes,
            DataType::List(item, Some(length)) => {
                4 + length as usize * (1 + item.width().unwrap_or(4 + value_bytes))
            }
        }
    }
}

impl Value {
    /// Appends the value's bytes; null has none. A scalar is its little-endian bytes, or its text;
    /// a list is its count of items (u32), then for each a byte that says whether it is there,
    /// and, for strings and bytes, its length (u32), then its bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Value::Null => {}
            Value::Bool(x) => out.push(u8::from(*x)),
            Value::Int32(x) => out.extend_from_slice(&x.to_le_bytes()),
            Value::Int64(x) => out.extend_from_slice(&x.to_le_bytes()),
            Value::Float32(x) => out.extend_from_slice(&x.to_le_bytes()),
            Value::Float64(x) => out.extend_from_slice(&x.to_le_bytes()),
            Value::String(x) => out.extend_from_slice(x.as_bytes()),
            Value::Bytes(x) => out.extend_from_slice(x),
            Value::Timestamp(x) => out.extend_from_slice(&x.get().to_le_bytes()),
            Value::List(items) => {
                out.extend_from_slice(&(items.len() as u32).to_le_bytes());
                items.iter().for_each(|item| write_item(item, out));
            }
        }
    }

    /// Appends a scalar's bytes so that their end is known: strings and bytes have their length
    /// (u32) before them.
    pub(crate) fn write_sized(&self, out: &mut Vec<u8>) {
        match self {
            Value::String(text) => out.extend_from_slice(&(text.len() as u32).to_le_bytes()),
            Value::Bytes(bytes) => out.extend_from_slice(&(bytes.len() as u32).to_le_bytes()),
            _ => {}
        }
        self.write(out);
    }

    /// Reads what [`Value::write_sized`] wrote, and leaves what follows it.
    pub(crate) fn read_sized(scalar: Scalar, bytes: &mut &[u8]) -> Option<Value> {
        let width = match scalar.width() {
            Some(width) => width,
            None => take_u32(bytes)? as usize,
        };
        read_scalar(scalar, bytes.split_off(..width)?)
    }

    /// Reads a value of this type from exactly these bytes; `None` if they are not one.
    pub fn read(data_type: DataType, bytes: &[u8]) -> Option<Value> {
        match data_type {
            DataType::Scalar(scalar) => read_scalar(scalar, bytes),
            DataType::List(item, length) => {
                let mut bytes = bytes;
                let count = take_u32(&mut bytes)?;
                if length.is_some_and(|n| n != count) || count as usize > bytes.len() {
                    return None;
                }
                let items: Option<Arc<[Value]>> = (0..count).map(|_| read_item(item, &mut bytes)).collect();
                bytes.is_empty().then_some(Value::List(items?))
            }
        }
    }
}

fn read_scalar(scalar: Scalar, bytes: &[u8]) -> Option<Value> {
    Some(match scalar {
        Scalar::Bool => match bytes {
            [0] => Value::Bool(false),
            [1] => Value::Bool(true),
            _ => return None,
        },
        Scalar::Int32 => Value::Int32(i32::from_le_bytes(bytes.try_into().ok()?)),
        Scalar::Int64 => Value::Int64(i64::from_le_bytes(bytes.try_into().ok()?)),
        Scalar::Float32 => Value::Float32(f32::from_le_bytes(bytes.try_into().ok()?)),
        Scalar::Float64 => Value::Float64(f64::from_le_bytes(bytes.try_into().ok()?)),
        Scalar::String => Value::String(std::str::from_utf8(bytes).ok()?.into()),
        Scalar::Bytes => Value::Bytes(bytes.into()),
        Scalar::Timestamp => Value::Timestamp(Micros::new(i64::from_le_bytes(bytes.try_into().ok()?)).ok()?),
    })
}

fn write_item(item: &Value, out: &mut Vec<u8>) {
    out.push(u8::from(!item.is_null()));
    item.write_sized(out);
}

fn read_item(scalar: Scalar, bytes: &mut &[u8]) -> Option<Value> {
    match bytes.split_off_first()? {
        0 => Some(Value::Null),
        1 => Value::read_sized(scalar, bytes),
        _ => None,
    }
}

fn take_u32(bytes: &mut &[u8]) -> Option<u32> {
    let (count, rest) = bytes.split_first_chunk::<4>()?;
    *bytes = rest;
    Some(u32::from_le_bytes(*count))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_scalar(scalar: Scalar) -> BoxedStrategy<Value> {
        match scalar {
            Scalar::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
            Scalar::Int32 => any::<i32>().prop_map(Value::Int32).boxed(),
            Scalar::Int64 => any::<i64>().prop_map(Value::Int64).boxed(),
            Scalar::Float32 => any::<f32>().prop_map(|x| Value::Float32(x).canonical()).boxed(),
            Scalar::Float64 => any::<f64>().prop_map(|x| Value::Float64(x).canonical()).boxed(),
            Scalar::String => ".{0,9}".prop_map(|x| Value::String(x.into())).boxed(),
            Scalar::Bytes => {
                prop::collection::vec(any::<u8>(), 0..9).prop_map(|x| Value::Bytes(x.into())).boxed()
            }
            Scalar::Timestamp => (Micros::MIN.get()..=Micros::MAX.get())
                .prop_map(|x| Value::Timestamp(Micros::new(x).unwrap()))
                .boxed(),
        }
    }

    fn any_value() -> impl Strategy<Value = (DataType, Value)> {
        prop::sample::select(Scalar::ALL.to_vec()).prop_flat_map(|scalar| {
            let item = prop_oneof![4 => any_scalar(scalar), 1 => Just(Value::Null)];
            prop_oneof![
                any_scalar(scalar).prop_map(move |value| (DataType::Scalar(scalar), value)),
                prop::collection::vec(item, 0..5)
                    .prop_map(move |items| (DataType::List(scalar, None), Value::List(items.into()))),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_value_reads_back_as_it_was_written((data_type, value) in any_value()) {
            let mut bytes = Vec::new();
            value.write(&mut bytes);
            prop_assert_eq!(Value::read(data_type, &bytes), Some(value));
        }

        #[test]
        fn bytes_that_are_no_value_are_refused_and_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            for scalar in Scalar::ALL {
                let _ = Value::read(scalar.into(), &bytes);
                let _ = Value::read(DataType::List(scalar, None), &bytes);
            }
        }
    }
}
