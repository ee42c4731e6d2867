//! A value as JSON that reads back to the same bits: `{"int64":0}`. Floats are text, as JSON has neither
//! NaN nor infinities, nor says how many digits a reader keeps; bytes are hexadecimal.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::time::Micros;
use crate::value::Value;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Literal {
    Null,
    Bool(bool),
    Int32(i32),
    Int64(i64),
    Float32(String),
    Float64(String),
    String(String),
    Bytes(String),
    Timestamp(Micros),
    List(Vec<Literal>),
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Literal::from(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        value(Literal::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl From<&Value> for Literal {
    fn from(value: &Value) -> Literal {
        match value {
            Value::Null => Literal::Null,
            Value::Bool(x) => Literal::Bool(*x),
            Value::Int32(x) => Literal::Int32(*x),
            Value::Int64(x) => Literal::Int64(*x),
            // The shortest text that reads back to the same float.
            Value::Float32(x) => Literal::Float32(format!("{x:?}")),
            Value::Float64(x) => Literal::Float64(format!("{x:?}")),
            Value::String(x) => Literal::String(x.to_string()),
            Value::Bytes(x) => Literal::Bytes(x.iter().map(|byte| format!("{byte:02x}")).collect()),
            Value::Timestamp(x) => Literal::Timestamp(*x),
            Value::List(items) => Literal::List(items.iter().map(Literal::from).collect()),
        }
    }
}

fn value(literal: Literal) -> Result<Value, String> {
    Ok(match literal {
        Literal::Null => Value::Null,
        Literal::Bool(x) => Value::Bool(x),
        Literal::Int32(x) => Value::Int32(x),
        Literal::Int64(x) => Value::Int64(x),
        Literal::Float32(text) => Value::Float32(float(&text)?).canonical(),
        Literal::Float64(text) => Value::Float64(float(&text)?).canonical(),
        Literal::String(text) => Value::String(text.into()),
        Literal::Bytes(text) => Value::Bytes(bytes(&text)?.into()),
        Literal::Timestamp(x) => Value::Timestamp(x),
        Literal::List(items) => Value::List(items.into_iter().map(value).collect::<Result<_, _>>()?),
    })
}

fn float<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is not a float"))
}

fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| {
        let text = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(text, 16).ok()
    };
    let read: Option<Vec<u8>> = pairs.iter().map(byte).collect();
    read.filter(|_| rest.is_empty()).ok_or_else(|| format!("`{text}` is not hexadecimal"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_reads_back_to_the_same_bits() {
        let list = Value::List([Value::Float32(0.1), Value::Null, Value::Float32(-0.0)].into());
        let values = [
            (Value::Null, r#""null""#),
            (Value::Bool(true), r#"{"bool":true}"#),
            (Value::Int32(i32::MIN), r#"{"int32":-2147483648}"#),
            (Value::Int64(i64::MAX), r#"{"int64":9223372036854775807}"#),
            (Value::Float32(16_777_216.0), r#"{"float32":"16777216.0"}"#),
            (Value::Float64(0.1), r#"{"float64":"0.1"}"#),
            (Value::Float64(-0.0), r#"{"float64":"-0.0"}"#),
            (Value::Float64(f64::NAN), r#"{"float64":"NaN"}"#),
            (Value::Float64(f64::NEG_INFINITY), r#"{"float64":"-inf"}"#),
            (Value::String("a\"b".into()), r#"{"string":"a\"b"}"#),
            (Value::Bytes([0, 255].as_slice().into()), r#"{"bytes":"00ff"}"#),
            (Value::Timestamp(Micros::MIN), r#"{"timestamp":-62135596800000000}"#),
            (list, r#"{"list":[{"float32":"0.1"},"null",{"float32":"-0.0"}]}"#),
        ];
        for (value, text) in values {
            assert_eq!(serde_json::to_string(&value).unwrap(), text);
            assert_eq!(serde_json::from_str::<Value>(text).unwrap(), value);
        }
        assert!(serde_json::from_str::<Value>(r#"{"bytes":"0"}"#).is_err());
        assert!(serde_json::from_str::<Value>(r#"{"float64":"much"}"#).is_err());
    }
}
