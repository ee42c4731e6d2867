//! The type as which a column is declared, from a sample of its values.

use std::collections::BTreeSet;

use feature::{DataType, Given, Micros, Scalar, Value};

use super::sample::{SampledColumn, SampledKind};

/// Why a column is left out of a definition, in words that follow its name.
pub(crate) type LeftOut = String;

/// The type of a column that lies in several files, what is to be noted of it, or why it has none.
pub(crate) fn of(parts: &[&SampledColumn]) -> Result<(DataType, Option<String>), LeftOut> {
    if let Some(SampledKind::Other(what)) =
        parts.iter().map(|part| &part.kind).find(|k| matches!(k, SampledKind::Other(_)))
    {
        return Err(format!("holds {what}, which no type is"));
    }
    let values = || parts.iter().flat_map(|part| &part.values).filter(|value| !value.is_null());
    let typed: BTreeSet<String> =
        parts.iter().filter_map(|part| part.kind.data_type()).map(|t| t.to_string()).collect();
    if !typed.is_empty() {
        let types = parts.iter().filter_map(|part| part.kind.data_type());
        let Some(common) = types.map(Some).reduce(|a, b| wider(a?, b?)).flatten() else {
            let all: Vec<String> = typed.into_iter().collect();
            return Err(format!(
                "is {} in one file and {} in another",
                all.join(" and "),
                all.first().cloned().unwrap_or_default()
            ));
        };
        return Ok((common, None));
    }
    if parts.iter().any(|part| part.kind == SampledKind::Json) {
        return of_json(values()).map(|data_type| (data_type, None));
    }
    Ok(of_texts(values()))
}

/// The type that holds the values of both.
fn wider(a: DataType, b: DataType) -> Option<DataType> {
    use Scalar::{Float32, Float64, Int32, Int64};
    if a == b {
        return Some(a);
    }
    let is_number = |kind| matches!(kind, Int32 | Int64 | Float32 | Float64);
    match (a.scalar()?, b.scalar()?) {
        (Int32, Int64) | (Int64, Int32) => Some(Int64.into()),
        (a, b) if is_number(a) && is_number(b) => Some(Float64.into()),
        _ => None,
    }
}

fn of_json<'a>(values: impl Iterator<Item = &'a Value> + Clone) -> Result<DataType, LeftOut> {
    let scalar = |value: &Value| match value {
        Value::Bool(_) => Some(Scalar::Bool),
        Value::Int32(_) | Value::Int64(_) => Some(Scalar::Int64),
        Value::Float32(_) | Value::Float64(_) => Some(Scalar::Float64),
        Value::String(_) => Some(Scalar::String),
        _ => None,
    };
    let common = |values: &mut dyn Iterator<Item = &Value>| -> Result<Option<Scalar>, LeftOut> {
        let mut common: Option<Scalar> = None;
        for value in values.filter(|value| !value.is_null()) {
            let found = scalar(value).ok_or("holds lists and other values")?;
            common = match common {
                None => Some(found),
                Some(before) => {
                    let both = wider(before.into(), found.into()).and_then(DataType::scalar);
                    Some(both.ok_or(format!("holds {} and {} values", before.name(), found.name()))?)
                }
            };
        }
        Ok(common)
    };
    if values.clone().any(|value| matches!(value, Value::List(_))) {
        let mut items = values
            .clone()
            .filter_map(|value| match value {
                Value::List(items) => Some(items.iter()),
                _ => None,
            })
            .flatten();
        if values.clone().any(|value| !matches!(value, Value::List(_))) {
            return Err("holds lists and other values".to_owned());
        }
        return Ok(DataType::List(common(&mut items)?.unwrap_or(Scalar::String), None));
    }
    match common(&mut values.clone())? {
        None => Ok(Scalar::String.into()),
        Some(Scalar::String) if values.clone().all(is_moment) => Ok(Scalar::Timestamp.into()),
        Some(common) => Ok(common.into()),
    }
}

fn of_texts<'a>(values: impl Iterator<Item = &'a Value> + Clone) -> (DataType, Option<String>) {
    let texts = || values.clone().filter_map(text).filter(|text| !text.is_empty());
    if texts().next().is_none() {
        return (Scalar::String.into(), Some("no value was seen".to_owned()));
    }
    let found = if texts().all(is_bool) {
        Scalar::Bool
    } else if texts().all(is_integer) {
        Scalar::Int64
    } else if texts().all(is_number) {
        Scalar::Float64
    } else if values.clone().filter(|value| text(value) != Some("")).all(is_moment) {
        Scalar::Timestamp
    } else {
        Scalar::String
    };
    let numbers = texts().filter(|text| is_number(text)).count();
    let odd = texts().find(|text| !is_number(text));
    let note = match odd {
        Some(odd) if found == Scalar::String && numbers * 10 >= texts().count() * 9 => {
            Some(format!("numbers, and texts such as {odd:?}, which no number is"))
        }
        _ => None,
    };
    (found.into(), note)
}

pub(crate) fn text(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

fn is_bool(text: &str) -> bool {
    let text = text.trim();
    text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false")
}

/// Whether a text is a whole number, and no code that begins with zeros.
fn is_integer(text: &str) -> bool {
    let text = text.trim();
    let digits = text.trim_start_matches(['-', '+']);
    (digits.len() == 1 || !digits.starts_with('0')) && text.parse::<i64>().is_ok()
}

fn is_number(text: &str) -> bool {
    let text = text.trim();
    let digits = text.trim_start_matches(['-', '+']);
    let is_code = digits.bytes().all(|byte| byte.is_ascii_digit());
    is_integer(text)
        || !is_code
            && (digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') || text == "NaN")
            && (!digits.starts_with('0')
                || digits.len() == 1
                || digits.starts_with("0.")
                || digits.starts_with("0e"))
            && text.parse::<f64>().is_ok_and(|value| value.is_finite() || text == "NaN")
}

/// Whether a value is a text that says a moment.
fn is_moment(value: &Value) -> bool {
    text(value).is_some_and(|text| {
        let text = text.trim();
        text.len() >= 8 && text.contains('-') && text.parse::<Micros>().is_ok()
    })
}

/// A sampled value in the type of its column, by the rules for all encodings; null where the type does not have it.
pub(crate) fn value(value: &Value, data_type: DataType) -> Value {
    let Some(scalar) = data_type.scalar() else { return value.clone() };
    let read = match value {
        Value::String(text) if scalar != Scalar::String => feature::field(text, data_type),
        Value::Int32(value) => Given::Whole((*value).into()).written(scalar),
        Value::Int64(value) => Given::Whole((*value).into()).written(scalar),
        Value::Float32(value) => Given::Single(*value).written(scalar),
        Value::Float64(value) => Given::Double(*value).written(scalar),
        value if value.is_of(data_type) => Some(value.clone()),
        _ => None,
    };
    read.unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> String {
        let values = texts
            .iter()
            .map(|text| if *text == "null" { Value::Null } else { Value::String((*text).into()) });
        let column = SampledColumn {
            name: "x".to_owned(),
            kind: SampledKind::Text,
            values: values.collect(),
            is_of_folder: false,
        };
        of(&[&column]).unwrap().0.to_string()
    }

    #[test]
    fn texts_are_of_the_narrowest_type_that_all_of_them_are() {
        for (given, data_type) in [
            (&["1", "-2", "null", "", "0"][..], "int64"),
            (&["007", "010"], "string"),
            (&["1", "2.5", "1e3", "NaN"], "float64"),
            (&["99999999999999999999"], "string"),
            (&["True", "FALSE"], "bool"),
            (&["2024-01-31", "2024-01-31T10:00:00Z", "2024-01-31 10:00:00.5+02:00"], "timestamp"),
            (&["2024-01-31", "soon"], "string"),
            (&["1", "NA"], "string"),
            (&["null"], "string"),
        ] {
            assert_eq!(texts(given), data_type, "{given:?}");
        }
    }

    #[test]
    fn values_of_json_are_of_the_type_that_holds_all_of_them() {
        let json = |values: &[Value]| of_json(values.iter()).map(|data_type| data_type.to_string());
        assert_eq!(json(&[Value::Int64(1), Value::Float64(0.5)]), Ok("float64".to_owned()));
        assert_eq!(json(&[Value::String("2024-01-31".into())]), Ok("timestamp".to_owned()));
        assert_eq!(json(&[Value::String("1".into())]), Ok("string".to_owned()));
        assert_eq!(json(&[Value::List([Value::Int64(1)].into())]), Ok("list<int64>".to_owned()));
        assert_eq!(
            json(&[Value::Int64(1), Value::String("x".into())]),
            Err("holds int64 and string values".to_owned())
        );
    }
}
