//! The columns of a source as its definition declares them.

use feature::{DataType, Name, Value};

/// A column as it is declared.
#[derive(Clone, Debug)]
pub(crate) struct OutlinedColumn {
    pub(crate) name: Name,
    /// Its name in the files.
    pub(crate) stored: String,
    pub(crate) data_type: DataType,
    pub(crate) is_optional: bool,
    /// The sampled values, in its type.
    pub(crate) values: Vec<Value>,
    pub(crate) note: Option<String>,
}

impl OutlinedColumn {
    /// The column in an expression.
    pub(crate) fn sql(&self) -> String {
        transform::column_in_sql(&self.name)
    }
}
