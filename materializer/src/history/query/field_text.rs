//! What a value of Postgres is in an extract: the text from which a CSV field of the declared type is read, the same for
//! the same value whatever its column is. A value that the declared type cannot hold keeps its own text, so that its row
//! is refused when it is loaded, and named.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use feature::{DataType, Scalar};

use super::query_columns::{Holds, QueryColumn};

/// Below this every whole double is one number only.
const WHOLE_BELOW: f64 = 9_007_199_254_740_992.0;

/// The field of an extract for a value, by the text that Postgres has for it.
pub(super) fn field_text(column: &QueryColumn, text: String) -> String {
    match column.data_type {
        DataType::Scalar(scalar) => value_text(column.holds, scalar, text),
        DataType::List(item, _) => match items(&text) {
            Some(items) => json_list(column.holds, item, items),
            None => text,
        },
    }
}

fn value_text(holds: Holds, declared: Scalar, text: String) -> String {
    let read = match holds {
        Holds::Text => None,
        Holds::Bool => match text.as_str() {
            "t" => Some("true".to_owned()),
            "f" => Some("false".to_owned()),
            _ => None,
        },
        Holds::Bytes => {
            let digits = text.strip_prefix("\\x");
            digits.and_then(bytes).map(|bytes| BASE64_STANDARD.encode(bytes))
        }
        Holds::Date | Holds::Timestamp | Holds::TimestampTz => {
            feature::field(&text, DataType::from(Scalar::Timestamp)).map(|moment| match moment {
                feature::Value::Timestamp(moment) => moment.to_string(),
                _ => text.clone(),
            })
        }
        Holds::Int | Holds::Float4 | Holds::Float8 | Holds::Numeric => match declared {
            Scalar::Float32 | Scalar::Float64 => float_text(holds, declared, &text),
            _ => whole_text(holds, &text),
        },
    };
    read.unwrap_or(text)
}

/// The bytes that hexadecimal digits name.
fn bytes(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// A number as a float of the declared width, with all of its digits.
fn float_text(holds: Holds, declared: Scalar, text: &str) -> Option<String> {
    if holds == Holds::Int {
        let number: i64 = text.parse().ok()?;
        let float = if declared == Scalar::Float32 { f64::from(number as f32) } else { number as f64 };
        let is_equal = float as i128 == i128::from(number);
        // No float is that text either, so its row is refused.
        return Some(if is_equal {
            format!("{float:?}")
        } else {
            format!("{text} (no {} equals it)", declared.name())
        });
    }
    // A single is exactly the double that it widens to, and a decimal is rounded once.
    let float = if holds == Holds::Float4 || declared == Scalar::Float32 {
        f64::from(text.parse::<f32>().ok()?)
    } else {
        text.parse::<f64>().ok()?
    };
    float.is_finite().then(|| format!("{float:?}"))
}

/// A number that is whole without a point and an exponent.
fn whole_text(holds: Holds, text: &str) -> Option<String> {
    match holds {
        Holds::Numeric => {
            let (whole, fraction) = text.split_once('.')?;
            fraction.bytes().all(|digit| digit == b'0').then(|| whole.to_owned())
        }
        Holds::Float4 | Holds::Float8 => {
            let float: f64 = text.parse().ok()?;
            (float.fract() == 0.0 && float.abs() < WHOLE_BELOW).then(|| (float as i64).to_string())
        }
        _ => None,
    }
}

/// The items of an array of one dimension; `None` if it has more, or is no array.
fn items(text: &str) -> Option<Vec<Option<String>>> {
    // Where its first item has not the number 1, its bounds stand before it.
    let text = if text.starts_with('[') { text.split_once('=')?.1 } else { text };
    let text = text.strip_prefix('{')?.strip_suffix('}')?;
    let mut items = Vec::new();
    let mut rest = text.chars().peekable();
    while rest.peek().is_some() {
        let is_quoted = rest.next_if_eq(&'"').is_some();
        let (mut item, mut is_closed) = (String::new(), !is_quoted);
        while let Some(found) = rest.next_if(|next| is_quoted || *next != ',') {
            match found {
                '"' => {
                    is_closed = true;
                    break;
                }
                '\\' => item.push(rest.next()?),
                '{' | '}' if !is_quoted => return None,
                other => item.push(other),
            }
        }
        if !is_closed {
            return None;
        }
        items.push((is_quoted || item != "NULL").then_some(item));
        match rest.next() {
            Some(',') if rest.peek().is_some() => {}
            None => break,
            _ => return None,
        }
    }
    Some(items)
}

fn json_list(holds: Holds, item: Scalar, items: Vec<Option<String>>) -> String {
    let json = |found: Option<String>| {
        let Some(text) = found else { return "null".to_owned() };
        let text = value_text(holds, item, text);
        let is_plain = match item {
            Scalar::Bool => text == "true" || text == "false",
            Scalar::Int32 | Scalar::Int64 | Scalar::Float32 | Scalar::Float64 => {
                text.parse::<f64>().is_ok_and(f64::is_finite)
            }
            Scalar::String | Scalar::Bytes | Scalar::Timestamp => false,
        };
        if is_plain { text } else { serde_json::Value::String(text).to_string() }
    };
    let items: Vec<String> = items.into_iter().map(json).collect();
    format!("[{}]", items.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(holds: Holds, declared: &str, value: &str) -> String {
        let data_type: DataType = declared.parse().unwrap();
        field_text(&QueryColumn { name: "x".to_owned(), holds, data_type }, value.to_owned())
    }

    #[test]
    fn a_value_has_one_text_whatever_its_column_is() {
        let moment = "2013-06-01T12:00:00Z";
        assert_eq!(text(Holds::Timestamp, "timestamp", "2013-06-01 12:00:00"), moment);
        assert_eq!(text(Holds::TimestampTz, "timestamp", "2013-06-01 12:00:00+00"), moment);
        assert_eq!(text(Holds::Date, "timestamp", "2013-06-01"), "2013-06-01T00:00:00Z");
        for (holds, value) in [(Holds::Int, "3"), (Holds::Numeric, "3.00"), (Holds::Float8, "3")] {
            assert_eq!(text(holds, "int64", value), "3");
            assert_eq!(text(holds, "float64", value), "3.0");
        }
        assert_eq!(text(Holds::Bool, "bool", "t"), "true");
        assert_eq!(text(Holds::Bytes, "bytes", "\\x00ff"), "AP8=");
        assert_eq!(text(Holds::Text, "string", "\\x00ff"), "\\x00ff");
    }

    #[test]
    fn a_number_keeps_every_bit_or_its_own_text() {
        // The single nearest to 0.1 is no double nearest to 0.1.
        assert_eq!(text(Holds::Float4, "float64", "0.1"), "0.10000000149011612");
        assert_eq!(text(Holds::Float8, "float64", "0.1"), "0.1");
        assert_eq!(text(Holds::Float8, "float64", "-0"), "-0.0");
        // Just above the middle of two singles.
        assert_eq!(text(Holds::Numeric, "float32", "1.000000059604644775390625000001"), "1.0000001192092896");
        assert_eq!(text(Holds::Numeric, "int64", "9223372036854775807.0"), "9223372036854775807");
        assert_eq!(text(Holds::Int, "float64", "9007199254740992"), "9007199254740992.0");
        for (holds, declared, value) in [
            (Holds::Numeric, "int64", "3.5"),
            (Holds::Numeric, "int64", "NaN"),
            (Holds::Float8, "int64", "9007199254740992"),
            (Holds::Float8, "float64", "Infinity"),
            (Holds::TimestampTz, "timestamp", "infinity"),
            (Holds::TimestampTz, "timestamp", "0044-03-15 12:00:00+00 BC"),
            (Holds::Timestamp, "timestamp", "12013-06-01 12:00:00"),
        ] {
            assert_eq!(text(holds, declared, value), value);
        }
        let refused = text(Holds::Int, "float64", "9007199254740993");
        assert!(
            refused.starts_with("9007199254740993 ")
                && feature::field(&refused, "float64".parse().unwrap()).is_none()
        );
        let refused = text(Holds::Int, "float32", "16777217");
        assert!(feature::field(&refused, "float32".parse().unwrap()).is_none(), "{refused}");
    }

    #[test]
    fn an_array_of_one_dimension_is_a_list() {
        assert_eq!(text(Holds::Int, "list<int64>", "{1,NULL,-3}"), "[1,null,-3]");
        assert_eq!(text(Holds::Int, "list<int64>", "[0:1]={1,2}"), "[1,2]");
        assert_eq!(text(Holds::Float4, "list<float32>[2]", "{0.5,NaN}"), "[0.5,\"NaN\"]");
        assert_eq!(
            text(Holds::Text, "list<string>", "{a,\"b,\\\"c\\\\\",\"NULL\",\"\"}"),
            "[\"a\",\"b,\\\"c\\\\\",\"NULL\",\"\"]"
        );
        assert_eq!(text(Holds::Bool, "list<bool>", "{t,f}"), "[true,false]");
        assert_eq!(text(Holds::Text, "list<string>", "{}"), "[]");
        // What is no list keeps its text, which is no JSON.
        for value in ["{{1,2},{3,4}}", "{\"a", "{1,}", "1"] {
            assert_eq!(text(Holds::Int, "list<int64>", value), value);
        }
    }
}
