//! What a value that an encoding holds is as the type of its column: one rule for all ways in. A value that the
//! type does not have is refused, and never rounded to another, cut or wrapped around.
//!
//! Two rules for numbers, by how they are written. Decimal text (JSON, CSV, YAML, a command line) names a number,
//! and a float column takes the double nearest to it, or the single nearest to that. Binary numbers (Avro, protobuf, Arrow) are the
//! number that they are, and a column takes exactly that one; of decimals, which few floats are, the nearest. An integer
//! column takes a float of either kind where it is whole and below 2^53 in magnitude, as many writers have one kind of
//! number only.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;

use crate::value::{DataType, Scalar, Value};

/// A value as an encoding holds it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Given<'a> {
    /// True or false.
    Bool(bool),
    /// A number without fraction and exponent.
    Whole(i128),
    /// A single, or a decimal that was read as one.
    Single(f32),
    /// A double, or a decimal that was read as one.
    Double(f64),
    /// A decimal of a fixed number of digits after the point, by its digits: `-12.50`.
    Decimal(&'a str),
    /// A text.
    Text(&'a str),
}

/// The integers below it have a double each.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl Given<'_> {
    /// The value of this type that a text names: the nearest, where it is a float. `None` if the type has none.
    pub fn written(self, scalar: Scalar) -> Option<Value> {
        Some(match (scalar, self) {
            (Scalar::Float32, Given::Whole(value)) => Value::Float32(value as f32),
            (Scalar::Float64, Given::Whole(value)) => Value::Float64(value as f64),
            // A number is not made an infinity.
            (Scalar::Float32, Given::Double(value)) => {
                let narrow = value as f32;
                (narrow.is_infinite() == value.is_infinite()).then_some(Value::Float32(narrow))?
            }
            // Rounded once: the single nearest to the double is not always the one nearest to the decimal.
            (Scalar::Float32, Given::Decimal(digits)) => {
                let single: f32 = digits.parse().ok()?;
                single.is_finite().then_some(Value::Float32(single))?
            }
            (Scalar::Float64, Given::Decimal(digits)) => Given::Double(decimal(digits)?).written(scalar)?,
            (Scalar::Float32, Given::Text(text)) => Value::Float32(special(text)? as f32),
            (Scalar::Float64, Given::Text(text)) => Value::Float64(special(text)?),
            (Scalar::String, Given::Text(text)) => Value::String(text.into()),
            (Scalar::Bytes, Given::Text(text)) => Value::Bytes(STANDARD.decode(text).ok()?.into()),
            (Scalar::Timestamp, Given::Text(text)) => Value::Timestamp(text.parse().ok()?),
            (scalar, given) => return given.exactly(scalar),
        })
    }

    /// The value of this type that is exactly the given one. `None` if the type has none; a double is not a single.
    pub fn exactly(self, scalar: Scalar) -> Option<Value> {
        Some(match (scalar, self) {
            (Scalar::Bool, Given::Bool(value)) => Value::Bool(value),
            (Scalar::Int32, Given::Whole(value)) => Value::Int32(value.try_into().ok()?),
            (Scalar::Int64, Given::Whole(value)) => Value::Int64(value.try_into().ok()?),
            (Scalar::Int32, Given::Single(value)) => Value::Int32(whole(value.into())?.try_into().ok()?),
            (Scalar::Int32, Given::Double(value)) => Value::Int32(whole(value)?.try_into().ok()?),
            (Scalar::Int64, Given::Single(value)) => Value::Int64(whole(value.into())?),
            (Scalar::Int64, Given::Double(value)) => Value::Int64(whole(value)?),
            (Scalar::Int32 | Scalar::Int64, Given::Decimal(digits)) => {
                Given::Whole(without_decimals(digits)?).exactly(scalar)?
            }
            (Scalar::Float32, Given::Whole(value)) => {
                let float = value as f32;
                (float as i128 == value && value != i128::MAX).then_some(Value::Float32(float))?
            }
            (Scalar::Float64, Given::Whole(value)) => {
                let float = value as f64;
                (float as i128 == value && value != i128::MAX).then_some(Value::Float64(float))?
            }
            (Scalar::Float32, Given::Single(value)) => Value::Float32(value),
            (Scalar::Float64, Given::Single(value)) => Value::Float64(value.into()),
            (Scalar::Float64, Given::Double(value)) => Value::Float64(value),
            (Scalar::String, Given::Text(text)) => Value::String(text.into()),
            (Scalar::Timestamp, Given::Text(text)) => Value::Timestamp(text.parse().ok()?),
            _ => return None,
        })
    }
}

/// The integer that a decimal is; `None` if any digit after the point is not zero.
fn without_decimals(digits: &str) -> Option<i128> {
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    decimals.bytes().all(|digit| digit == b'0').then(|| whole.parse().ok()).flatten()
}

/// The integer that a double is, where no other integer has the same double.
fn whole(value: f64) -> Option<i64> {
    (value.fract() == 0.0 && value.abs() < EXACT).then_some(value as i64)
}

/// The floats that JSON has no numbers for.
fn special(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// A value from JSON, null from null; `None` if the type does not have it.
pub fn from_json(json: &Json, data_type: DataType) -> Option<Value> {
    match (json, data_type) {
        (Json::Null, _) => Some(Value::Null),
        (Json::Array(items), DataType::List(item, length)) => {
            if length.is_some_and(|length| length as usize != items.len()) {
                return None;
            }
            let items: Option<_> = items.iter().map(|json| from_json(json, item.into())).collect();
            Some(Value::List(items?))
        }
        (json, DataType::Scalar(scalar)) => given(json)?.written(scalar),
        _ => None,
    }
}

fn given(json: &Json) -> Option<Given<'_>> {
    Some(match json {
        Json::Bool(value) => Given::Bool(*value),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => Given::Whole(value.into()),
            (None, Some(value)) => Given::Whole(value.into()),
            (None, None) => Given::Double(number.as_f64().filter(|value| value.is_finite())?),
        },
        Json::String(text) => Given::Text(text),
        Json::Null | Json::Array(_) | Json::Object(_) => return None,
    })
}

/// The value of this type that a field of CSV, or the name of a folder, stands for: a decimal number, `true` or
/// `false` in any case, a list in JSON, else as texts in JSON are read. Spaces around it belong to strings only.
pub fn field(text: &str, data_type: DataType) -> Option<Value> {
    let trimmed = text.trim();
    match data_type {
        DataType::Scalar(Scalar::String) => Some(Value::String(text.into())),
        DataType::Scalar(Scalar::Bool) if trimmed.eq_ignore_ascii_case("true") => Some(Value::Bool(true)),
        DataType::Scalar(Scalar::Bool) if trimmed.eq_ignore_ascii_case("false") => Some(Value::Bool(false)),
        DataType::Scalar(Scalar::Bool) => None,
        DataType::Scalar(scalar @ (Scalar::Int32 | Scalar::Int64)) => match trimmed.parse() {
            Ok(value) => Given::Whole(value).written(scalar),
            Err(_) => Given::Double(decimal(trimmed)?).written(scalar),
        },
        DataType::Scalar(scalar @ (Scalar::Float32 | Scalar::Float64)) => {
            Given::Double(decimal(trimmed)?).written(scalar)
        }
        DataType::Scalar(scalar) => Given::Text(trimmed).written(scalar),
        DataType::List(..) => {
            let json = serde_json::from_str(trimmed).ok().filter(Json::is_array)?;
            from_json(&json, data_type)
        }
    }
}

/// The double that a decimal number, or in upper or lower case a `nan`, `inf` or `infinity` with its sign, names.
fn decimal(text: &str) -> Option<f64> {
    let value: f64 = text.parse().ok()?;
    // Beyond the range of a double Rust reads an infinity.
    (!value.is_infinite() || !text.bytes().any(|byte| byte.is_ascii_digit())).then_some(value)
}

/// Which values a type has, where a value may lie outside of them, as a message adds it.
pub const fn limits(data_type: DataType) -> &'static str {
    match data_type {
        DataType::Scalar(Scalar::Int32) => " (a whole number from -2147483648 to 2147483647)",
        DataType::Scalar(Scalar::Int64) => {
            " (a whole number from -2^63 to 2^63 - 1; beyond 2^53 without a point and an exponent)"
        }
        DataType::Scalar(Scalar::Float32) => " (a number up to 3.4028235e38)",
        DataType::Scalar(Scalar::Float64) => " (a number up to 1.7976931348623157e308)",
        DataType::Scalar(Scalar::Bytes) => " (in base64)",
        DataType::Scalar(Scalar::Timestamp) => " (as in 2013-06-01T12:00:00Z, of the years 0001 to 9999)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, data_type: &str) -> Option<Value> {
        field(text, data_type.parse().unwrap())
    }

    fn json(text: &str, data_type: &str) -> Option<Value> {
        from_json(&serde_json::from_str(text).unwrap(), data_type.parse().unwrap())
    }

    #[test]
    fn a_decimal_is_rounded_once() {
        // Just above the middle of two singles: the nearest double is that middle, which goes to the even one below.
        let digits = "1.000000059604644775390625000001";
        assert_eq!(digits.parse::<f64>().unwrap() as f32, 1.0);
        let single = Given::Decimal(digits).written(Scalar::Float32);
        assert_eq!(single, Some(Value::Float32(1.000_000_1)));
        assert_eq!(Given::Decimal("-0.10").written(Scalar::Float64), Some(Value::Float64(-0.1)));
        assert_eq!(Given::Decimal(&"9".repeat(39)).written(Scalar::Float32), None);
    }

    #[test]
    fn a_whole_number_is_one_however_it_is_written_and_fits_or_is_refused() {
        for (text, value) in [
            ("3", Some(3)),
            ("3.0", Some(3)),
            ("3e2", Some(300)),
            ("-0", Some(0)),
            ("-0.0", Some(0)),
            ("2147483647", Some(2_147_483_647)),
            ("2147483648", None),
            ("-2147483649", None),
            ("2147483648.0", None),
            ("1.5", None),
            ("1e300", None),
        ] {
            assert_eq!(of(text, "int32"), value.map(Value::Int32), "{text}");
            assert_eq!(json(text, "int32"), value.map(Value::Int32), "{text}");
        }
        for (text, value) in [
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("9007199254740993", Some(9_007_199_254_740_993)),
            ("9007199254740991.0", Some(9_007_199_254_740_991)),
            // Its double is that of another integer.
            ("9007199254740993.0", None),
        ] {
            assert_eq!(of(text, "int64"), value.map(Value::Int64), "{text}");
            assert_eq!(json(text, "int64"), value.map(Value::Int64), "{text}");
        }
    }

    #[test]
    fn a_decimal_is_the_nearest_float_and_never_an_infinity() {
        for (text, single, double) in [
            ("0.1", Some(0.1), Some(0.1)),
            ("-0", Some(-0.0), Some(-0.0)),
            ("9007199254740993", Some(9_007_199_254_740_992.0), Some(9_007_199_254_740_992.0)),
            ("18446744073709551615", Some(18_446_744_073_709_551_616.0), Some(18_446_744_073_709_551_616.0)),
            ("1e39", None, Some(1e39)),
            ("3.5e38", None, Some(3.5e38)),
        ] {
            assert_eq!(of(text, "float32"), single.map(Value::Float32), "{text}");
            assert_eq!(of(text, "float64"), double.map(Value::Float64), "{text}");
            assert_eq!(json(text, "float32"), single.map(Value::Float32), "{text}");
            assert_eq!(json(text, "float64"), double.map(Value::Float64), "{text}");
        }
        assert_eq!(of("1e400", "float64"), None);
        for (text, value) in [("NaN", f64::NAN), ("-inf", f64::NEG_INFINITY), ("Infinity", f64::INFINITY)] {
            assert_eq!(of(text, "float64").map(Value::canonical), Some(Value::Float64(value)), "{text}");
        }
        assert_eq!(json("\"-Infinity\"", "float32"), Some(Value::Float32(f32::NEG_INFINITY)));
        assert_eq!(json("\"1\"", "float32"), None);
    }

    #[test]
    fn a_binary_number_is_taken_exactly_or_refused() {
        assert_eq!(Given::Whole(1 << 53).exactly(Scalar::Float64), Some(Value::Float64(EXACT)));
        assert_eq!(Given::Whole((1 << 53) + 1).exactly(Scalar::Float64), None);
        assert_eq!(Given::Whole(1 << 60).exactly(Scalar::Float32), Some(Value::Float32(1.152_921_5e18)));
        assert_eq!(Given::Whole((1 << 24) + 1).exactly(Scalar::Float32), None);
        assert_eq!(Given::Whole(u64::MAX.into()).exactly(Scalar::Int64), None);
        assert_eq!(Given::Double(0.5).exactly(Scalar::Float32), None);
        assert_eq!(Given::Single(0.1).exactly(Scalar::Float64), Some(Value::Float64(f64::from(0.1_f32))));
        assert_eq!(Given::Double(3.0).exactly(Scalar::Int64), Some(Value::Int64(3)));
        assert_eq!(Given::Double(f64::NAN).exactly(Scalar::Int64), None);
        assert_eq!(Given::Whole(1).exactly(Scalar::Bool), None);
        assert_eq!(Given::Bool(true).exactly(Scalar::Int32), None);
    }

    #[test]
    fn lists_are_json_and_spaces_belong_to_strings() {
        assert_eq!(of(" [1, null] ", "list<int32>[2]"), json("[1, null]", "list<int32>"));
        assert_eq!(of("[1]", "list<int32>[2]"), None);
        assert_eq!(of("null", "list<int32>"), None);
        assert_eq!(of(" a ", "string"), Some(Value::String(" a ".into())));
        assert_eq!(of(" TRUE ", "bool"), Some(Value::Bool(true)));
        assert_eq!((of("1", "bool"), of("yes", "bool")), (None, None));
    }
}
