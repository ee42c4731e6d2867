//! How a line, a moment and a value are written in a specification.

use feature::{DataType, Micros, Scalar, Value};

/// The day of a time that names none.
const DAY: &str = "2013-06-01";

/// The cells of a line, up to its comment. What stands in quotes or brackets is not divided.
pub(super) fn cells(line: &str) -> Result<Vec<String>, String> {
    let mut cells = Vec::new();
    let mut cell = String::new();
    let (mut quoted, mut depth) = (false, 0_usize);
    for character in line.chars() {
        let divides = !quoted && depth == 0;
        match character {
            '#' if divides && cell.is_empty() => break,
            ' ' if divides => cells.extend((!cell.is_empty()).then(|| std::mem::take(&mut cell))),
            '"' => quoted = !quoted,
            '[' | '(' if !quoted => depth += 1,
            ']' | ')' if !quoted => depth = depth.checked_sub(1).ok_or("a bracket closes nothing")?,
            _ => {}
        }
        if !(character == ' ' && divides) {
            cell.push(character);
        }
    }
    if quoted || depth > 0 {
        return Err("a quote or a bracket is not closed".to_owned());
    }
    cells.extend((!cell.is_empty()).then_some(cell));
    Ok(cells)
}

/// `12:30`, `12:30:15` or `12:30:15.250000` on the day of all times, or RFC 3339.
pub(super) fn time(text: &str) -> Result<Micros, String> {
    let wrong = || format!("`{text}` is not a time: write 12:30, 12:30:15.250000 or RFC 3339");
    let whole = match text.matches(':').count() {
        _ if text.contains('-') => text.to_owned(),
        1 => format!("{DAY}T{text}:00Z"),
        2 => format!("{DAY}T{text}Z"),
        _ => return Err(wrong()),
    };
    whole.parse().map_err(|_| wrong())
}

/// A value of this type, or `null`.
pub(super) fn value(text: &str, data_type: DataType) -> Result<Value, String> {
    if text == "null" {
        return Ok(Value::Null);
    }
    let value = match data_type {
        DataType::Scalar(scalar) => self::scalar(text, scalar),
        DataType::List(item, _) => list(text, item),
    };
    let value = value.map(Value::canonical).filter(|value| value.is_of(data_type));
    value.ok_or_else(|| format!("`{text}` is not {data_type}"))
}

fn list(text: &str, item: Scalar) -> Option<Value> {
    let items = text.strip_prefix('[')?.strip_suffix(']')?;
    let items = items.split(',').map(str::trim).filter(|item| !item.is_empty());
    Some(Value::List(items.map(|text| value(text, item.into()).ok()).collect::<Option<_>>()?))
}

fn scalar(text: &str, scalar: Scalar) -> Option<Value> {
    Some(match scalar {
        Scalar::Bool => Value::Bool(text.parse().ok()?),
        Scalar::Int32 => Value::Int32(text.parse().ok()?),
        Scalar::Int64 => Value::Int64(text.parse().ok()?),
        Scalar::Float32 => Value::Float32(text.parse().ok()?),
        Scalar::Float64 => Value::Float64(text.parse().ok()?),
        Scalar::String => {
            let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
            Value::String(quoted.unwrap_or(text).into())
        }
        Scalar::Bytes => {
            let digits = text.strip_prefix("0x").filter(|digits| digits.len() % 2 == 0)?;
            let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
            Value::Bytes((0..digits.len()).step_by(2).map(byte).collect::<Option<_>>()?)
        }
        Scalar::Timestamp => Value::Timestamp(time(text).ok()?),
    })
}

#[test]
fn cells_end_at_spaces_outside_of_quotes_and_brackets() {
    let found = cells("  a  \"b # c\" [1, 2]  last_n(x, 3) | 0x00 # why").unwrap();
    assert_eq!(found, ["a", "\"b # c\"", "[1, 2]", "last_n(x, 3)", "|", "0x00"]);
    assert!(cells("[1, 2").is_err() && cells("\"a").is_err() && cells("a]").is_err());
}

#[test]
fn a_value_of_another_type_is_refused() {
    let refused = [
        ("1.5", "int64"),
        ("3000000000", "int32"),
        ("yes", "bool"),
        ("0x1", "bytes"),
        ("[1, 2]", "list<int32>[3]"),
        ("12", "timestamp"),
    ];
    for (text, data_type) in refused {
        let why = value(text, data_type.parse().unwrap()).unwrap_err();
        assert_eq!(why, format!("`{text}` is not {data_type}"));
    }
    assert_eq!(value("-0.0", Scalar::Float64.into()), Ok(Value::Float64(-0.0)));
    assert_eq!(value("[a, null]", "list<string>".parse().unwrap()).unwrap().to_string(), "[\"a\", null]");
}
