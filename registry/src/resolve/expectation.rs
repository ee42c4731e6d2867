//! What the rows of a view must satisfy: conditions, and bounds of a column as conditions.

use std::collections::{BTreeMap, BTreeSet};

use feature::{DataType, Expectation, Field, Name};

use crate::nearest::did_you_mean_or_list;
use crate::problem::Report;
use crate::yaml::{Content, Node};

use super::expression;

/// The expectations of a view; the columns that rejecting ones read are added to `used`.
pub(super) fn expectations(
    root: &Node,
    context: &str,
    schema: &[Field],
    used: &mut BTreeMap<Name, DataType>,
    report: &mut Report<'_>,
) -> Vec<Expectation> {
    let mut names = BTreeSet::new();
    let mut expectations = Vec::new();
    for (i, node) in root.get("expect").map(Node::items).unwrap_or_default().iter().enumerate() {
        let what = format!("expectation {} of {context}", i + 1);
        let Some((condition, columns)) = condition(node, &what, schema, report) else { continue };
        let name = node.string("name").unwrap_or_else(|| condition.clone());
        if !names.insert(name.clone()) {
            let at = node.get("name").map_or(node.at, |name| name.at);
            report.at(at, format!("{what} is called `{name}` like another one: give it a `name` of its own"));
        }
        let rejects = node.get("severity").and_then(Node::text) != Some("warn");
        if rejects {
            used.extend(columns);
        }
        expectations.push(Expectation { name, condition, rejects });
    }
    expectations
}

/// The condition as SQL, and the columns that it reads.
fn condition(
    node: &Node,
    what: &str,
    schema: &[Field],
    report: &mut Report<'_>,
) -> Option<(String, BTreeMap<Name, DataType>)> {
    match (node.get("sql"), node.get("column"), node.get("between")) {
        (Some(sql), None, None) => {
            let compiled = expression::condition(schema, sql, what, report)?;
            Some((compiled.sql, compiled.columns))
        }
        (None, Some(column), Some(between)) => {
            let name: Name = column.text()?.parse().ok()?;
            if !schema.iter().any(|field| field.name == name) {
                let near = did_you_mean_or_list(name.as_str(), schema.iter().map(|f| f.name.as_str()));
                report.at(column.at, format!("{what}: unknown column `{name}`{near}"));
                return None;
            }
            let [least, greatest] = between.items() else { return None };
            let column = transform::column_in_sql(&name);
            let sql = format!("{column} BETWEEN {} AND {}", literal(least)?, literal(greatest)?);
            match expression::compile(schema, &sql) {
                Ok(compiled) => Some((compiled.sql, compiled.columns)),
                Err(error) => {
                    report.at(between.at, format!("{what}: {error}"));
                    None
                }
            }
        }
        _ => {
            report.at(node.at, format!("{what} needs either `column` and `between`, or `sql`"));
            None
        }
    }
}

/// A bound as a SQL literal: a number as it stands, anything else as a string.
fn literal(node: &Node) -> Option<String> {
    let Content::Text(text, is_quoted) = &node.content else { return None };
    let is_number = !is_quoted
        && text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'))
        && text.parse::<f64>().is_ok_and(f64::is_finite);
    Some(if is_number { text.clone() } else { format!("'{}'", text.replace('\'', "''")) })
}
