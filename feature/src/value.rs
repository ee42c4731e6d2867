//! The types that a feature can have, and one value of them.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::hexadecimal::hexadecimal;
use crate::name::Name;
use crate::time::Micros;

/// The type of one value that is not a list.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Scalar {
    /// true or false
    Bool,
    /// 32-bit signed integer
    Int32,
    /// 64-bit signed integer
    Int64,
    /// IEEE 754 single precision
    Float32,
    /// IEEE 754 double precision
    Float64,
    /// UTF-8 text
    String,
    /// uninterpreted bytes
    Bytes,
    /// a moment, in UTC microseconds
    Timestamp,
}

impl Scalar {
    /// Every scalar type, in the order in which the documentation lists them.
    pub const ALL: [Scalar; 8] = [
        Scalar::Bool,
        Scalar::Int32,
        Scalar::Int64,
        Scalar::Float32,
        Scalar::Float64,
        Scalar::String,
        Scalar::Bytes,
        Scalar::Timestamp,
    ];

    /// The name that definitions use.
    pub const fn name(self) -> &'static str {
        match self {
            Scalar::Bool => "bool",
            Scalar::Int32 => "int32",
            Scalar::Int64 => "int64",
            Scalar::Float32 => "float32",
            Scalar::Float64 => "float64",
            Scalar::String => "string",
            Scalar::Bytes => "bytes",
            Scalar::Timestamp => "timestamp",
        }
    }

    /// Whether a join key may have this type: all but the floats.
    pub const fn is_key(self) -> bool {
        !matches!(self, Scalar::Float32 | Scalar::Float64)
    }

    /// Bytes of a value with a fixed width; `None` for string and bytes.
    pub const fn width(self) -> Option<usize> {
        match self {
            Scalar::Bool => Some(1),
            Scalar::Int32 | Scalar::Float32 => Some(4),
            Scalar::Int64 | Scalar::Float64 | Scalar::Timestamp => Some(8),
            Scalar::String | Scalar::Bytes => None,
        }
    }
}

/// The type of a column, a key or a feature: a scalar, or a list of scalars.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DataType {
    /// One value.
    Scalar(Scalar),
    /// A list; with a length, every list has exactly that many items (an embedding).
    List(Scalar, Option<u32>),
}

/// Text that names no type.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "`{0}` is not a type: use bool, int32, int64, float32, float64, string, bytes, timestamp, or a list as in list<float32> or list<float32>[64]"
)]
pub struct TypeError(String);

impl DataType {
    /// The scalar type, where this is one.
    pub const fn scalar(self) -> Option<Scalar> {
        match self {
            DataType::Scalar(scalar) => Some(scalar),
            DataType::List(..) => None,
        }
    }

    /// The scalar type of the value, or of the items of a list.
    pub const fn of(self) -> Scalar {
        match self {
            DataType::Scalar(of) | DataType::List(of, _) => of,
        }
    }
}

impl From<Scalar> for DataType {
    fn from(scalar: Scalar) -> DataType {
        DataType::Scalar(scalar)
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DataType::Scalar(scalar) => f.pad(scalar.name()),
            DataType::List(item, None) => f.pad(&format!("list<{}>", item.name())),
            DataType::List(item, Some(n)) => f.pad(&format!("list<{}>[{n}]", item.name())),
        }
    }
}

impl FromStr for DataType {
    type Err = TypeError;

    fn from_str(text: &str) -> Result<Self, TypeError> {
        let scalar = |name: &str| Scalar::ALL.into_iter().find(|s| s.name() == name);
        let list = |text: &str| {
            let (item, rest) = text.strip_prefix("list<")?.split_once('>')?;
            let length = match rest {
                "" => None,
                rest => Some(rest.strip_prefix('[')?.strip_suffix(']')?.parse().ok().filter(|n| *n > 0)?),
            };
            Some(DataType::List(scalar(item.trim())?, length))
        };
        scalar(text).map(DataType::Scalar).or_else(|| list(text)).ok_or_else(|| TypeError(text.to_owned()))
    }
}

impl TryFrom<String> for DataType {
    type Error = TypeError;

    fn try_from(text: String) -> Result<Self, TypeError> {
        text.parse()
    }
}

impl From<DataType> for String {
    fn from(data_type: DataType) -> String {
        data_type.to_string()
    }
}

/// A name and its type: a join key, a column of a source, a request column.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Field {
    /// What it is called.
    pub name: Name,
    /// What it holds.
    pub data_type: DataType,
}

/// One value. Equality and order are exact: floats by their bits, −0.0 below 0.0, every NaN
/// the one quiet NaN, above all numbers; strings and bytes by bytes; null below all.
#[derive(Clone, Debug)]
pub enum Value {
    /// no value
    Null,
    /// a bool
    Bool(bool),
    /// an int32
    Int32(i32),
    /// an int64
    Int64(i64),
    /// a float32
    Float32(f32),
    /// a float64
    Float64(f64),
    /// a string
    String(Arc<str>),
    /// bytes
    Bytes(Arc<[u8]>),
    /// a timestamp
    Timestamp(Micros),
    /// a list; its items are scalars of one type, or null
    List(Arc<[Value]>),
}

impl Value {
    /// Whether this is a float that is not a number.
    pub(crate) const fn is_nan(&self) -> bool {
        match self {
            Value::Float32(x) => x.is_nan(),
            Value::Float64(x) => x.is_nan(),
            _ => false,
        }
    }

    /// Whether there is no value.
    pub const fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// The value with every NaN made the one quiet NaN, as rows hold it.
    pub fn canonical(self) -> Value {
        match self {
            Value::Float32(x) if x.is_nan() => Value::Float32(f32::NAN),
            Value::Float64(x) if x.is_nan() => Value::Float64(f64::NAN),
            Value::List(items) => Value::List(items.iter().cloned().map(Value::canonical).collect()),
            other => other,
        }
    }

    /// Whether the value may stand in a column of this type; null may in any.
    pub fn is_of(&self, data_type: DataType) -> bool {
        match (self, data_type) {
            (Value::Null, _) => true,
            (Value::List(items), DataType::List(item, length)) => {
                length.is_none_or(|n| items.len() == n as usize)
                    && items.iter().all(|value| value.is_of(item.into()))
            }
            (value, DataType::Scalar(scalar)) => value.scalar() == Some(scalar),
            _ => false,
        }
    }

    fn scalar(&self) -> Option<Scalar> {
        Some(match self {
            Value::Null | Value::List(_) => return None,
            Value::Bool(_) => Scalar::Bool,
            Value::Int32(_) => Scalar::Int32,
            Value::Int64(_) => Scalar::Int64,
            Value::Float32(_) => Scalar::Float32,
            Value::Float64(_) => Scalar::Float64,
            Value::String(_) => Scalar::String,
            Value::Bytes(_) => Scalar::Bytes,
            Value::Timestamp(_) => Scalar::Timestamp,
        })
    }

    /// The index of the value's kind in the order of values of different kinds.
    fn rank(&self) -> u8 {
        match self {
            Value::Null => 0,
            Value::Bool(_) => 1,
            Value::Int32(_) => 2,
            Value::Int64(_) => 3,
            Value::Float32(_) => 4,
            Value::Float64(_) => 5,
            Value::String(_) => 6,
            Value::Bytes(_) => 7,
            Value::Timestamp(_) => 8,
            Value::List(_) => 9,
        }
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
            (Value::Int32(a), Value::Int32(b)) => a.cmp(b),
            (Value::Int64(a), Value::Int64(b)) => a.cmp(b),
            (Value::Float32(a), Value::Float32(b)) => a.total_cmp(b),
            (Value::Float64(a), Value::Float64(b)) => a.total_cmp(b),
            (Value::String(a), Value::String(b)) => a.as_bytes().cmp(b.as_bytes()),
            (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
            (Value::Timestamp(a), Value::Timestamp(b)) => a.cmp(b),
            (Value::List(a), Value::List(b)) => a.cmp(b),
            (a, b) => a.rank().cmp(&b.rank()),
        }
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Value {}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Bool(x) => write!(f, "{x}"),
            Value::Int32(x) => write!(f, "{x}"),
            Value::Int64(x) => write!(f, "{x}"),
            Value::Float32(x) => write!(f, "{x}"),
            Value::Float64(x) => write!(f, "{x}"),
            Value::String(x) => f.write_str(x),
            Value::Bytes(x) => write!(f, "0x{}", hexadecimal(x)),
            Value::Timestamp(x) => write!(f, "{x}"),
            Value::List(items) => {
                f.write_str("[")?;
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        f.write_str(", ")?;
                    }
                    // Several items are not to look as one, nor one as none.
                    match item {
                        Value::String(text) => write!(f, "{text:?}")?,
                        item => write!(f, "{item}")?,
                    }
                }
                f.write_str("]")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_texts_look_different_where_they_are() {
        let shown = |items: &[&str]| {
            let items: Vec<Value> = items.iter().map(|item| Value::String((*item).into())).collect();
            Value::List(items.into()).to_string()
        };
        assert_eq!([shown(&[]), shown(&[""])], ["[]", "[\"\"]"]);
        assert_eq!([shown(&["x, y"]), shown(&["x", "y"])], ["[\"x, y\"]", "[\"x\", \"y\"]"]);
    }

    #[test]
    fn a_type_reads_back_as_it_was_written() {
        for text in ["bool", "int32", "timestamp", "list<string>", "list<float32>[64]"] {
            assert_eq!(text.parse::<DataType>().unwrap().to_string(), text);
        }
        for text in ["integer", "list<>", "list<int8>", "list<int32>[0]", "list<int32>[x]", "list<int32"] {
            assert!(text.parse::<DataType>().is_err(), "{text}");
        }
    }

    #[test]
    fn values_differ_by_their_bits() {
        assert!(Value::Float64(-0.0) < Value::Float64(0.0));
        assert_eq!(Value::Float64(f64::NAN), Value::Float64(f64::NAN));
        assert_ne!(Value::Int32(1), Value::Int64(1));
        assert!(Value::String("a".into()) < Value::String("ä".into()));
    }

    #[test]
    fn a_list_of_fixed_length_has_exactly_that_many_items() {
        let list = Value::List([Value::Float32(1.0), Value::Null].into());
        assert!(list.is_of(DataType::List(Scalar::Float32, Some(2))));
        assert!(list.is_of(DataType::List(Scalar::Float32, None)));
        assert!(!list.is_of(DataType::List(Scalar::Float32, Some(3))));
        assert!(!list.is_of(DataType::List(Scalar::Float64, None)));
    }
}
