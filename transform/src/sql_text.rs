//! Texts as parts of expressions.

/// A text as a part of an expression.
pub fn text_in_sql(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
