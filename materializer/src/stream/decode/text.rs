//! Values that formats write as text: moments, bytes, and the floats that JSON has no numbers for.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use feature::{Scalar, Value};

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
