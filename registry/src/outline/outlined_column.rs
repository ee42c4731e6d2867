//! The columns of a source as its definition declares them.

use feature::{DataType, Field, Name, Value};
use transform::Expression;

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
    /// The column in an expression: its bare name, in quotes where SQL reads that as something else.
    pub(crate) fn sql(&self) -> String {
        let field = Field { name: self.name.clone(), data_type: self.data_type };
        let name = self.name.as_str();
        let compiled = Expression::compile(std::slice::from_ref(&field), name);
        let is_column = compiled.is_ok_and(|read| read.columns() == [self.name.clone()]);
        if is_column { name.to_owned() } else { format!("\"{name}\"") }
    }
}
