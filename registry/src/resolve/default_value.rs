//! The default of a feature: one value, written in YAML, of the feature's type.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use feature::{DataType, Given, Scalar, Value};

use crate::problem::Report;
use crate::yaml::{Content, Node};

/// The `default` of a feature of this type; a value that does not fit the type is a problem of `what`.
pub(super) fn default_value(
    feature: &Node,
    data_type: DataType,
    what: &str,
    report: &mut Report<'_>,
) -> Option<Value> {
    let node = feature.get("default")?;
    // A map was reported by the shape of its key.
    if matches!(node.content, Content::Map(_)) {
        return None;
    }
    match value(node, data_type) {
        Ok(value) => Some(value),
        Err(problem) => {
            report.at(node.at, format!("the `default` of {what} {problem}"));
            None
        }
    }
}

fn value(node: &Node, data_type: DataType) -> Result<Value, String> {
    match (&node.content, data_type) {
        (Content::Text(text, is_quoted), DataType::Scalar(scalar)) => {
            scalar_value(text, *is_quoted, scalar).ok_or_else(|| misfit(text, *is_quoted, scalar))
        }
        (Content::List(items), DataType::List(item, length)) => {
            if let Some(length) = length.filter(|length| items.len() != *length as usize) {
                return Err(format!(
                    "has {} items, and its lists have {length}: give it as many",
                    items.len()
                ));
            }
            let item = |(index, node): (usize, &Node)| {
                value(node, item.into())
                    .map_err(|problem| format!("has an item {}, which {problem}", index + 1))
            };
            Ok(Value::List(items.iter().enumerate().map(item).collect::<Result<_, _>>()?))
        }
        (Content::Text(text, _), _) => {
            Err(format!("is {text}, and its type is {data_type}: write {}", sample(data_type)))
        }
        _ => Err(format!("is {}, and its type is {data_type}: write {}", node.is_a(), sample(data_type))),
    }
}

/// The value of a scalar of YAML, where it is one of this type.
pub(super) fn scalar_value(text: &str, is_quoted: bool, scalar: Scalar) -> Option<Value> {
    let plain = (!is_quoted).then_some(text);
    Some(match scalar {
        Scalar::Bool => Value::Bool(plain?.parse().ok()?),
        Scalar::Int32 | Scalar::Int64 => feature::field(plain?, scalar.into())?,
        Scalar::Float32 | Scalar::Float64 => {
            Given::Double(float(text, is_quoted)?).written(scalar)?.canonical()
        }
        Scalar::String if is_quoted || !is_number_or_bool(text) => Value::String(text.into()),
        Scalar::String => return None,
        Scalar::Bytes => Value::Bytes(BASE64_STANDARD.decode(text).ok()?.into()),
        Scalar::Timestamp => Value::Timestamp(text.parse().ok()?),
    })
}

/// A number that is within the range of a double; NaN and the infinities as JSON answers and as YAML
/// write them.
fn float(text: &str, is_quoted: bool) -> Option<f64> {
    match text {
        "NaN" | ".nan" | ".NaN" | ".NAN" => Some(f64::NAN),
        "Infinity" | ".inf" | "+.inf" | ".Inf" | ".INF" => Some(f64::INFINITY),
        "-Infinity" | "-.inf" | "-.Inf" | "-.INF" => Some(f64::NEG_INFINITY),
        _ if is_quoted => None,
        // Names of infinities that Rust reads, and numbers beyond the range, are not finite numbers.
        text => text.parse::<f64>().ok().filter(|number| number.is_finite()),
    }
}

fn is_number_or_bool(text: &str) -> bool {
    float(text, false).is_some() || matches!(text, "true" | "false")
}

fn misfit(text: &str, is_quoted: bool, scalar: Scalar) -> String {
    let given = if is_quoted { format!("\"{text}\"") } else { text.to_owned() };
    format!("is {given}, and its type is {}: write {}", scalar.name(), sample(scalar.into()))
}

/// What to write instead, for a message.
pub(super) fn sample(data_type: DataType) -> String {
    match data_type {
        DataType::Scalar(Scalar::Bool) => "true or false".to_owned(),
        DataType::Scalar(Scalar::Int32) => "a whole number of 32 bits, as in 0".to_owned(),
        DataType::Scalar(Scalar::Int64) => "a whole number of 64 bits, as in 0".to_owned(),
        DataType::Scalar(Scalar::Float32) => "a number in the range of float32, as in 0.5".to_owned(),
        DataType::Scalar(Scalar::Float64) => "a number, as in 0.5".to_owned(),
        DataType::Scalar(Scalar::String) => "text, in quotes where it looks like something else".to_owned(),
        DataType::Scalar(Scalar::Bytes) => "bytes in base64, as in \"AAE=\"".to_owned(),
        DataType::Scalar(Scalar::Timestamp) => "a time, as in 2013-06-01T12:00:00Z".to_owned(),
        DataType::List(_, None) => "a list, as in []".to_owned(),
        DataType::List(_, Some(length)) => format!("a list of {length} items"),
    }
}
