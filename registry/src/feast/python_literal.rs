//! What stands in a function for itself: numbers, texts, names of columns, and calls of what prints.

use feature::Scalar;

use super::column_sql::ColumnSql;
use super::python_tree::{Constant, Expression, Node};
use super::python_value::Value;

/// The value of a literal; `None` if SQL has no such.
pub(crate) fn constant<'a>(constant: &Constant) -> Option<Value<'a>> {
    let text = constant.text.as_str();
    Some(match constant.class.as_str() {
        "NoneType" => Value::Missing,
        "bool" => Value::Column(ColumnSql::new(text.to_lowercase(), Scalar::Bool)),
        "int" => {
            text.parse::<i64>().ok()?;
            Value::Column(ColumnSql::new(text, Scalar::Int64))
        }
        "float" if text == "nan" => Value::Missing,
        // As Rust writes it, without an exponent.
        "float" => Value::Column(ColumnSql::new(
            float(text.parse::<f64>().ok().filter(|f| f.is_finite())?),
            Scalar::Float64,
        )),
        "str" => Value::Column(ColumnSql::string(text)),
        _ => return None,
    })
}

fn float(value: f64) -> String {
    let text = value.to_string();
    // Digits beyond those of a decimal literal are those of a double.
    let text = if text.len() > 30 { format!("{value:e}") } else { text };
    if text.contains(['.', 'e']) { text } else { format!("{text}.0") }
}

/// The text of a literal string.
pub(crate) fn text_of(node: &Node) -> Option<String> {
    match &node.expression {
        Expression::Constant { value } if value.class == "str" => Some(value.text.clone()),
        _ => None,
    }
}

/// The texts of a literal string, or of a list of them.
pub(crate) fn texts_of(node: &Node) -> Vec<String> {
    match &node.expression {
        Expression::List { elts } => elts.iter().filter_map(text_of).collect(),
        _ => text_of(node).into_iter().collect(),
    }
}

/// The name of a column that is read as `frame.name`, `frame["name"]` or `col("name")`.
pub(crate) fn last_name(node: &Node) -> Option<String> {
    match &node.expression {
        Expression::Attribute { attr, .. } => Some(attr.clone()),
        Expression::Subscript { slice, .. } => text_of(slice),
        Expression::Call { args, .. } => args.first().and_then(text_of),
        _ => None,
    }
}

/// An attribute of a module: a number, or what lies under a longer path.
pub(crate) fn module_attribute<'a>(path: &str, attribute: &str) -> Value<'a> {
    match (path, attribute) {
        ("numpy", "nan" | "NaN") | ("math", "nan") | ("pandas", "NA" | "NaT") => Value::Missing,
        ("numpy" | "math", "pi") => {
            Value::Column(ColumnSql::new(std::f64::consts::PI.to_string(), Scalar::Float64))
        }
        _ => Value::Path(format!("{path}.{attribute}")),
    }
}

/// Whether an expression stands for itself: a text that documents, or a call of what prints.
pub(crate) fn is_without_effect(node: &Node) -> bool {
    const PRINTING: [&str; 4] = ["print", "logging", "warnings", "logger"];
    match &node.expression {
        Expression::Constant { .. } => true,
        Expression::Call { func, .. } => {
            PRINTING.iter().any(|name| func.text == *name || func.text.starts_with(&format!("{name}.")))
        }
        _ => false,
    }
}
