//! How values look in JSON, in both directions: NaN and infinities as the strings `"NaN"`,
//! `"Infinity"`, `"-Infinity"`, bytes in base64, timestamps as RFC 3339, int64 as numbers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use feature::{DataType, Scalar, Value, excerpt};
use serde::ser::{Serialize, SerializeSeq, Serializer};
use serde_json::Value as Json;

/// A value as it looks in JSON.
#[derive(Clone, Copy, Debug)]
pub struct AsJson<'a>(pub &'a Value);

impl Serialize for AsJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(x) => serializer.serialize_bool(*x),
            Value::Int32(x) => serializer.serialize_i32(*x),
            Value::Int64(x) => serializer.serialize_i64(*x),
            Value::Float32(x) if x.is_finite() => serializer.serialize_f32(*x),
            Value::Float32(x) => serializer.serialize_str(special(f64::from(*x))),
            Value::Float64(x) if x.is_finite() => serializer.serialize_f64(*x),
            Value::Float64(x) => serializer.serialize_str(special(*x)),
            Value::String(x) => serializer.serialize_str(x),
            Value::Bytes(x) => serializer.serialize_str(&STANDARD.encode(x)),
            Value::Timestamp(x) => serializer.collect_str(x),
            Value::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                items.iter().try_for_each(|item| list.serialize_element(&AsJson(item)))?;
                list.end()
            }
        }
    }
}

fn special(x: f64) -> &'static str {
    if x.is_nan() {
        "NaN"
    } else if x > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
}

/// A value of the given type from JSON, null from null. An error says what stands there and what
/// is needed, as in `12, where a string is needed`.
pub fn from_json(json: &Json, data_type: DataType) -> Result<Value, String> {
    match (json, data_type) {
        (Json::Array(items), DataType::List(_, Some(length))) if length as usize != items.len() => {
            Err(format!("a list of {}, where {} is needed", items.len(), needed(data_type)))
        }
        (Json::Array(items), DataType::List(item, _)) => {
            let items: Result<_, String> = items.iter().map(|json| from_json(json, item.into())).collect();
            Ok(Value::List(items?))
        }
        _ => feature::from_json(json, data_type).ok_or_else(|| misfit(json, data_type)),
    }
}

/// A value of the given type from the text of a command line: a string as it is, everything else
/// as JSON or a field of CSV writes it.
pub fn from_text(text: &str, data_type: DataType) -> Result<Value, String> {
    if data_type == Scalar::String.into() {
        return Ok(Value::String(text.into()));
    }
    let written = |error: String| feature::field(text, data_type).ok_or(error);
    match serde_json::from_str::<Json>(text) {
        Ok(json) => from_json(&json, data_type).or_else(written),
        Err(_) => written(misfit(&Json::String(text.to_owned()), data_type)),
    }
}

fn misfit(given: &Json, data_type: DataType) -> String {
    const LONGEST_CHARS: usize = 36;
    format!("{}, where {} is needed", excerpt(&given.to_string(), LONGEST_CHARS), needed(data_type))
}

/// What a value of a type looks like, in words.
pub fn needed(data_type: DataType) -> String {
    let scalar = match data_type {
        DataType::Scalar(scalar) => scalar,
        DataType::List(item, None) => return format!("a list of {} values", item.name()),
        DataType::List(item, Some(n)) => return format!("a list of {n} {} values", item.name()),
    };
    match scalar {
        Scalar::Bool => "true or false",
        Scalar::Int32 => "a whole number from -2147483648 to 2147483647 (int32)",
        Scalar::Int64 => "a whole number from -2^63 to 2^63 - 1 (int64)",
        Scalar::Float32 => "a number up to 3.4028235e38 (float32)",
        Scalar::Float64 => "a number up to 1.7976931348623157e308 (float64)",
        Scalar::String => "a string",
        Scalar::Bytes => "a string of base64 (bytes)",
        Scalar::Timestamp => "a time as in \"2013-06-01T12:00:00Z\" (timestamp, of the years 0001 to 9999)",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use feature::Micros;

    use super::*;

    fn round_trip(value: &Value, data_type: DataType) -> String {
        let text = serde_json::to_string(&AsJson(value)).unwrap();
        let json: Json = serde_json::from_str(&text).unwrap();
        assert_eq!(from_json(&json, data_type).as_ref(), Ok(value), "{text}");
        text
    }

    #[test]
    fn every_type_reads_back_as_it_was_written() {
        let moment: Micros = "2013-06-01T12:00:00.25Z".parse().unwrap();
        let cases = [
            (Value::Null, Scalar::Bool, "null"),
            (Value::Bool(true), Scalar::Bool, "true"),
            (Value::Int32(-7), Scalar::Int32, "-7"),
            (Value::Int64(i64::MIN), Scalar::Int64, "-9223372036854775808"),
            (Value::Float32(0.1), Scalar::Float32, "0.1"),
            (Value::Float64(-0.0), Scalar::Float64, "-0.0"),
            (Value::Float64(-1.510_356_653_285_877_9), Scalar::Float64, "-1.5103566532858779"),
            (Value::Float64(f64::NAN), Scalar::Float64, "\"NaN\""),
            (Value::Float32(f32::INFINITY), Scalar::Float32, "\"Infinity\""),
            (Value::Float64(f64::NEG_INFINITY), Scalar::Float64, "\"-Infinity\""),
            (Value::String("ä\"".into()), Scalar::String, "\"ä\\\"\""),
            (Value::Bytes([0, 255].as_slice().into()), Scalar::Bytes, "\"AP8=\""),
            (Value::Timestamp(moment), Scalar::Timestamp, "\"2013-06-01T12:00:00.25Z\""),
        ];
        for (value, scalar, text) in cases {
            assert_eq!(round_trip(&value, scalar.into()), text);
        }
        let list = Value::List([Value::Float32(1.5), Value::Null].into());
        assert_eq!(round_trip(&list, DataType::List(Scalar::Float32, Some(2))), "[1.5,null]");
    }

    #[test]
    fn what_is_no_value_of_the_type_is_named_beside_what_is_needed() {
        let refused = |text: &str, data_type: &str| {
            let json: Json = serde_json::from_str(text).unwrap();
            from_json(&json, data_type.parse().unwrap()).unwrap_err()
        };
        assert_eq!(refused("12", "string"), "12, where a string is needed");
        assert_eq!(
            refused("2147483648", "int32"),
            "2147483648, where a whole number from -2147483648 to 2147483647 (int32) is needed"
        );
        assert_eq!(
            refused("1.5", "int64"),
            "1.5, where a whole number from -2^63 to 2^63 - 1 (int64) is needed"
        );
        assert!(refused("9223372036854775808", "int64").contains("int64"));
        assert!(refused("1e39", "float32").contains("float32"));
        assert!(refused("\"nan\"", "float64").contains("a number"));
        assert!(refused("\"AP8\"", "bytes").contains("base64"));
        assert!(refused("\"yesterday\"", "timestamp").contains("2013-06-01"));
        assert!(refused("[1]", "list<int32>[2]").contains("a list of 1, where a list of 2 int32"));
        assert!(refused("[\"x\"]", "list<int32>").contains("\"x\", where a whole number"));
        assert!(refused(&format!("\"{}\"", "ä".repeat(99)), "int32").len() < 150);
    }

    #[test]
    fn a_command_line_needs_no_quotes() {
        let read = |text: &str, data_type: &str| from_text(text, data_type.parse().unwrap());
        assert_eq!(read("12", "string"), Ok(Value::String("12".into())));
        assert_eq!(read("12", "int64"), Ok(Value::Int64(12)));
        assert_eq!(read("null", "int64"), Ok(Value::Null));
        assert_eq!(read("Infinity", "float64"), Ok(Value::Float64(f64::INFINITY)));
        assert_eq!(read("2013-06-01", "timestamp").unwrap().to_string(), "2013-06-01T00:00:00Z");
        assert_eq!(read("1234", "bytes").unwrap().to_string(), "0xd76df8");
        assert_eq!(read("[1, 2]", "list<int32>").unwrap().to_string(), "[1, 2]");
        assert!(read("twelve", "int64").is_err());
    }
}
