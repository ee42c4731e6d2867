//! One SQL expression of a definition, compiled against the columns that it may read.

use std::collections::BTreeMap;

use feature::{DataType, Field, Name, Scalar};
use transform::Expression;

use crate::canonical;
use crate::problem::Report;
use crate::yaml::Node;

/// An expression that compiles.
pub(crate) struct Compiled {
    /// As it is written.
    pub(crate) sql: String,
    /// In the one way in which its tokens can be written.
    pub(crate) canonical: String,
    pub(crate) data_type: DataType,
    /// The columns that it reads, and their types.
    pub(crate) columns: BTreeMap<Name, DataType>,
}

impl Compiled {
    /// The column that the expression is, where it is only that.
    pub(crate) fn bare_column(&self) -> Option<&Name> {
        let (name, _) = self.columns.first_key_value()?;
        (self.canonical == name.as_str()).then_some(name)
    }
}

/// Compiles an expression; the error is one sentence.
pub(crate) fn compile(fields: &[Field], sql: &str) -> Result<Compiled, String> {
    let expression = Expression::compile(fields, sql).map_err(|error| error.to_string())?;
    let typed = |name: &Name| {
        let field = fields.iter().find(|field| field.name == *name)?;
        Some((name.clone(), field.data_type))
    };
    Ok(Compiled {
        sql: sql.trim().to_owned(),
        canonical: canonical::sql(sql),
        data_type: expression.data_type(),
        columns: expression.columns().iter().filter_map(typed).collect(),
    })
}

/// Compiles the expression that a node holds, and reports what is wrong with it as a problem of
/// `what`.
pub(crate) fn expression(
    fields: &[Field],
    node: &Node,
    what: &str,
    report: &mut Report<'_>,
) -> Option<Compiled> {
    let sql = node.text().filter(|sql| !sql.trim().is_empty())?;
    match compile(fields, sql) {
        Ok(compiled) => Some(compiled),
        Err(error) => {
            report.at(node.at, format!("{what}: {error}"));
            None
        }
    }
}

/// As [`expression`], and the value must be true or false.
pub(crate) fn condition(
    fields: &[Field],
    node: &Node,
    what: &str,
    report: &mut Report<'_>,
) -> Option<Compiled> {
    let compiled = expression(fields, node, what, report)?;
    if compiled.data_type != DataType::from(Scalar::Bool) {
        let found = compiled.data_type;
        report.at(node.at, format!("{what} gives {found}: write a condition, which gives bool"));
        return None;
    }
    Some(compiled)
}
