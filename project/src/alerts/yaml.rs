//! JSON values as YAML in block style: every string is quoted as in JSON, which YAML reads the same.

use std::fmt::Write;

use serde_json::Value;

/// A document.
pub(super) fn document(value: &Value) -> String {
    let mut text = String::new();
    block(&mut text, value, 0);
    text
}

/// A value in lines of its own, so far to the right.
fn block(text: &mut String, value: &Value, indent: usize) {
    let pad = " ".repeat(indent);
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let _ = write!(text, "{pad}{key}:");
                nested(text, value, indent + 2);
            }
        }
        Value::Array(items) => {
            for item in items {
                let mut lines = String::new();
                block(&mut lines, item, indent + 2);
                // The first line begins behind the dash.
                let _ = write!(text, "{pad}- {}", lines.trim_start());
            }
        }
        scalar => {
            let _ = writeln!(text, "{pad}{scalar}");
        }
    }
}

/// A value behind its key.
fn nested(text: &mut String, value: &Value, indent: usize) {
    let is_empty = match value {
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => true,
    };
    if is_empty {
        let _ = writeln!(text, " {value}");
    } else {
        text.push('\n');
        block(text, value, indent);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_and_lists_are_written_in_lines_and_strings_in_quotes() {
        let value =
            json!({"groups": [{"name": "a: b", "rules": [], "for": "1m"}, {"n": 1.5}], "of": {"x": null}});
        let lines = [
            "groups:",
            "  - name: \"a: b\"",
            "    rules: []",
            "    for: \"1m\"",
            "  - n: 1.5",
            "of:",
            "  x: null",
            "",
        ];
        assert_eq!(document(&value), lines.join("\n"));
    }
}
