//! Values that formats write as text: moments, bytes, and the floats that JSON has no numbers for.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use feature::{DataType, Field, Scalar, Value};

/// The value of this type that a text stands for; none where it stands for none.
pub(super) fn scalar(text: &str, scalar: Scalar) -> Option<Value> {
    match scalar {
        Scalar::String => Some(Value::String(text.into())),
        Scalar::Timestamp => text.parse().ok().map(Value::Timestamp),
        Scalar::Bytes => STANDARD.decode(text).ok().map(|bytes| Value::Bytes(bytes.into())),
        Scalar::Float32 => special(text).map(|x| Value::Float32(x as f32)),
        Scalar::Float64 => special(text).map(Value::Float64),
        Scalar::Bool | Scalar::Int32 | Scalar::Int64 => None,
    }
}

fn special(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// The value of this type that a field of text stands for: a number as JSON writes it, `true` or `false`, a list
/// in JSON, else as texts in JSON are read. Spaces around it belong to strings only.
pub(crate) fn field(text: &str, data_type: DataType) -> Option<Value> {
    let trimmed = text.trim();
    match data_type {
        DataType::Scalar(Scalar::Bool) if trimmed.eq_ignore_ascii_case("true") => Some(Value::Bool(true)),
        DataType::Scalar(Scalar::Bool) if trimmed.eq_ignore_ascii_case("false") => Some(Value::Bool(false)),
        DataType::Scalar(Scalar::Bool) => None,
        DataType::Scalar(kind @ (Scalar::Int32 | Scalar::Int64 | Scalar::Float32 | Scalar::Float64)) => {
            number(trimmed, kind)
        }
        DataType::Scalar(kind @ Scalar::String) => scalar(text, kind),
        DataType::Scalar(kind) => scalar(trimmed, kind),
        DataType::List(..) => {
            let field = Field { name: "list".parse().ok()?, data_type };
            let object = format!("{{\"list\": {trimmed}}}");
            super::json::decode(&[field], &["list".to_owned()], object.as_bytes()).ok()?.into_iter().next()
        }
    }
}

fn number(text: &str, kind: Scalar) -> Option<Value> {
    let is_float = matches!(kind, Scalar::Float32 | Scalar::Float64);
    if is_float && let Some(value) = scalar(text, kind) {
        return Some(value);
    }
    // `nan` and `inf` in any case are what Rust reads too, and a number is never read as infinite.
    if !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return text.parse::<f64>().ok().and_then(|value| super::json::float(value, kind.into()));
    }
    match text.parse::<i64>() {
        Ok(value) => super::json::integer(value, kind.into()),
        Err(_) => {
            let value = text.parse::<f64>().ok().filter(|value| value.is_finite())?;
            super::json::float(value, kind.into())
        }
    }
}
