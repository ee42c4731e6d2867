//! The values of `between` and `in`: each is a value of the column's type, read as a `default` is, and written as the
//! SQL that is exactly this value.

use std::cmp::Ordering;

use feature::{DataType, Scalar, Value, hexadecimal};

use crate::yaml::{Content, Node};

use super::default_value::{sample, scalar_value};

/// A value that rows are compared with.
pub(super) struct ExpectedValue {
    pub(super) value: Value,
    /// The value as SQL.
    pub(super) sql: String,
    /// As it is written, by which an expectation without a name is called.
    pub(super) shown: String,
}

/// The value that a node holds, of a column of this type; else what is wrong with it, in words that follow the
/// key that has the value.
pub(super) fn expected_value(node: &Node, data_type: DataType) -> Result<ExpectedValue, String> {
    let DataType::Scalar(scalar) = data_type else {
        return Err(format!("cannot be compared with {data_type}: write a condition in `sql`"));
    };
    let Content::Text(text, is_quoted) = &node.content else {
        return Err(format!(
            "is {}, and the column is {data_type}: write {}",
            node.is_a(),
            sample(data_type)
        ));
    };
    let value = match scalar {
        // Whatever is no number is text, also without quotes.
        Scalar::String if *is_quoted || !is_number(text) => Some(Value::String(text.as_str().into())),
        Scalar::String => None,
        Scalar::Bool => text.parse().ok().map(Value::Bool),
        _ => scalar_value(text, *is_quoted, scalar),
    };
    let value = value.ok_or_else(|| {
        let given = if *is_quoted { format!("\"{text}\"") } else { text.clone() };
        format!("is {given}, and the column is {data_type}: write {}", sample(data_type))
    })?;
    let is_plain = matches!(scalar, Scalar::Bool | Scalar::Float32 | Scalar::Float64);
    let is_plain = is_plain || !is_quoted && is_number(text);
    let shown = if is_plain { text.clone() } else { transform::text_in_sql(text) };
    Ok(ExpectedValue { sql: sql(&value, text), value, shown })
}

/// The SQL of a value that is written as `text`: the text itself, wherever that is exactly the value.
fn sql(value: &Value, text: &str) -> String {
    match value {
        Value::Float32(single) => float_sql(f64::from(*single), text),
        Value::Float64(double) => float_sql(*double, text),
        Value::String(_) | Value::Timestamp(_) => transform::text_in_sql(text),
        Value::Bytes(bytes) => format!("X'{}'", hexadecimal(bytes)),
        _ => text.to_owned(),
    }
}

/// A number by its digits. SQL has no numbers for infinities and NaN, and none beyond an int64 without a point.
fn float_sql(float: f64, text: &str) -> String {
    if !float.is_finite() {
        let name = match float {
            f64::INFINITY => "Infinity",
            f64::NEG_INFINITY => "-Infinity",
            _ => "NaN",
        };
        return format!("CAST('{name}' AS DOUBLE)");
    }
    let is_written = text.parse().is_ok_and(|written: f64| written == float);
    let is_wide = !text.contains(['.', 'e', 'E']) && text.parse::<i64>().is_err();
    if is_written && !is_wide { text.to_owned() } else { format!("{float:?}") }
}

/// Whether the second of two values of one type lies before the first, or no value lies between them.
pub(super) fn is_reversed(least: &Value, greatest: &Value) -> bool {
    // Values are ordered, but NaN lies between no two.
    let order = match (least, greatest) {
        (Value::Float32(a), Value::Float32(b)) => a.partial_cmp(b),
        (Value::Float64(a), Value::Float64(b)) => a.partial_cmp(b),
        _ => Some(least.cmp(greatest)),
    };
    !order.is_some_and(Ordering::is_le)
}

/// Whether a text begins as numbers do, and is one.
fn is_number(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'))
        && text.parse::<f64>().is_ok_and(f64::is_finite)
}
