//! Names, types, texts and expressions as YAML holds them in a line.

use feature::DataType;

/// A list's type ends a flow map where it stands bare.
pub(crate) fn quoted_type(data_type: DataType) -> String {
    match data_type {
        DataType::Scalar(scalar) => scalar.name().to_owned(),
        list => quoted(&list.to_string()),
    }
}

/// A key, or a name as a value: in quotes where YAML reads it as something else.
pub(crate) fn yaml_key(name: &str) -> String {
    match ["null", "true", "false", "yes", "no", "on", "off", "y", "n"].contains(&name) {
        true => quoted(name),
        false => name.to_owned(),
    }
}

/// An expression as a value of a map in braces.
pub(crate) fn sql_value(sql: &str) -> String {
    let is_plain = sql.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '(' | ')'));
    if is_plain { yaml_key(sql) } else { quoted(sql) }
}

/// A text in double quotes, as YAML reads what JSON writes.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::String(text.to_owned()).to_string()
}

/// A text without line breaks.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
