//! What the rows of a view must satisfy: conditions on each row in one of its stages, and checks of a column as conditions. What a file of
//! history must satisfy as a whole is in `batch_limits.rs`.

use std::collections::{BTreeMap, BTreeSet};

use feature::{
    BatchCheck, BatchExpectation, BatchLimits, DataType, Expectation, ExpectationStage, Field, Name,
    OnFailure,
};

use crate::nearest::did_you_mean_or_list;
use crate::problem::Report;
use crate::yaml::Node;

use super::batch_limits::{self, Ways};
use super::expected_value::{ExpectedValue, expected_value, is_reversed};
use super::expression::{self, Compiled};

/// The keys of which an expectation has one.
const CHECKS: [&str; 8] = ["between", "in", "matches", "not_null", "sql", "unique", "rows", "newest_within"];

/// What a view expects.
#[derive(Default)]
pub(super) struct Expected {
    pub(super) rows: Vec<Expectation>,
    pub(super) batches: BatchLimits,
}

/// The columns of each stage that expectations may read.
pub(super) struct Stages<'a> {
    /// Of the source.
    pub(super) source: &'a [Field],
    /// Of transformed rows.
    pub(super) row: Vec<Field>,
    /// Of features.
    pub(super) served: Vec<Field>,
}

impl Stages<'_> {
    fn of(&self, stage: ExpectationStage) -> &[Field] {
        match stage {
            ExpectationStage::Source => self.source,
            ExpectationStage::Row => &self.row,
            ExpectationStage::Served => &self.served,
        }
    }
}

/// What expectations are about.
pub(super) struct Expecting<'a> {
    /// The columns of the rows, in each stage.
    pub(super) stages: Stages<'a>,
    /// How the rows come in.
    pub(super) ways: Ways,
    /// The expectations of this version since its first use. A condition that an earlier release wrote for a value
    /// stays what it is.
    pub(super) kept: &'a [Expectation],
}

/// The expectations of a view; the columns that rejecting ones read are added to `used`.
pub(super) fn expectations(
    root: &Node,
    context: &str,
    Expecting { stages, ways, kept }: Expecting<'_>,
    used: &mut BTreeMap<Name, DataType>,
    report: &mut Report<'_>,
) -> Expected {
    let mut names = BTreeSet::new();
    let mut expected = Expected::default();
    for (i, node) in root.get("expect").map(Node::items).unwrap_or_default().iter().enumerate() {
        let what = format!("expectation {} of {context}", i + 1);
        if !has_one_check(node, &what, report) {
            continue;
        }
        let on_failure = on_failure(node, &what, report);
        let named_stage = node.get("stage");
        let stage = named_stage.and_then(Node::text).and_then(ExpectationStage::named).unwrap_or_default();
        let name = |default: &str| node.string("name").unwrap_or_else(|| default.to_owned());
        let name = match batch_limits::check(node, &what, report) {
            Some(check) => {
                if let Some(named) = named_stage {
                    report.at(named.at, format!("{what} is about a file of the source: remove `stage`"));
                }
                let Some(quarantines) = ways.of_batch(node, on_failure, &what, report) else { continue };
                let name = name(&check.to_string());
                expected.batches.expectations.push(BatchExpectation {
                    name: name.clone(),
                    check,
                    quarantines,
                });
                name
            }
            None => {
                let Some(Condition { sql, shown, columns }) =
                    condition(node, &what, stages.of(stage), report)
                else {
                    continue;
                };
                let default = match stage {
                    ExpectationStage::Served => OnFailure::Warn,
                    ExpectationStage::Source | ExpectationStage::Row => OnFailure::Reject,
                };
                let on_failure = on_failure.unwrap_or(default);
                if stage == ExpectationStage::Served && on_failure != OnFailure::Warn {
                    let why = "is about what is served, which is only counted: make `on_failure` `warn`, or remove it";
                    report.at(node.at, format!("{what} {why}"));
                }
                if on_failure == OnFailure::Quarantine {
                    ways.check_quarantine(node, &what, report);
                }
                if on_failure != OnFailure::Warn && stage == ExpectationStage::Source {
                    used.extend(columns);
                }
                let name = name(&shown);
                let is_kept = kept.iter().any(|kept| kept.condition == shown);
                let condition = if is_kept { shown } else { sql };
                expected.rows.push(Expectation { name: name.clone(), condition, on_failure, stage });
                name
            }
        };
        if !names.insert(name.clone()) {
            let at = node.get("name").map_or(node.at, |name| name.at);
            report.at(at, format!("{what} is called `{name}` like another one: give it a `name` of its own"));
        }
    }
    let quarantines = expected.rows.iter().any(|row| row.on_failure == OnFailure::Quarantine)
        || expected.batches.expectations.iter().any(|batch| {
            batch.quarantines && matches!(batch.check, BatchCheck::Unique | BatchCheck::UniqueInLog)
        });
    expected.batches.max_bad_share = batch_limits::max_bad_share(root, context, quarantines, report);
    expected
}

/// Reports an expectation with no check, or with several.
fn has_one_check(node: &Node, what: &str, report: &mut Report<'_>) -> bool {
    let checks: Vec<&str> = CHECKS.into_iter().filter(|check| node.get(check).is_some()).collect();
    let needs_column = |check: &str| matches!(check, "between" | "in" | "matches" | "not_null");
    match checks.as_slice() {
        [check] if needs_column(check) == node.get("column").is_some() => true,
        [check] if needs_column(check) => {
            report
                .at(node.at, format!("{what} has `{check}` and no `column`: name the column that it checks"));
            false
        }
        [check] => {
            report.at(
                node.at,
                format!("{what} has `column` beside `{check}`, which is not of one column: remove it"),
            );
            false
        }
        [] => {
            let what = format!("{what} checks nothing: give it one of {}", CHECKS.join(", "));
            report.at(node.at, what);
            false
        }
        several => {
            let several = several.join(" and ");
            report.at(node.at, format!("{what} has {several}: make an expectation of each"));
            false
        }
    }
}

/// What happens on a failure, if it is named.
fn on_failure(node: &Node, what: &str, report: &mut Report<'_>) -> Option<OnFailure> {
    let named = node.get("on_failure").and_then(Node::text).and_then(OnFailure::named);
    let severity = node.get("severity").filter(|_| node.get("on_failure").is_some());
    if let Some(severity) = severity {
        report.at(severity.at, format!("{what} has both `on_failure` and `severity`: remove `severity`"));
    }
    named.or_else(|| match node.get("severity").and_then(Node::text) {
        Some("warn") => Some(OnFailure::Warn),
        Some("error") => Some(OnFailure::Reject),
        _ => None,
    })
}

/// What each row must satisfy.
struct Condition {
    sql: String,
    /// The condition with its values as they are written.
    shown: String,
    /// The columns that it reads.
    columns: BTreeMap<Name, DataType>,
}

impl Condition {
    fn of(compiled: Compiled, shown: Option<String>) -> Condition {
        let shown = shown.unwrap_or_else(|| compiled.sql.clone());
        Condition { sql: compiled.sql, shown, columns: compiled.columns }
    }
}

fn condition(node: &Node, what: &str, schema: &[Field], report: &mut Report<'_>) -> Option<Condition> {
    if let Some(sql) = node.get("sql") {
        return Some(Condition::of(expression::condition(schema, sql, what, report)?, None));
    }
    let column = node.get("column")?;
    let name: Name = column.text()?.parse().ok()?;
    let Some(field) = schema.iter().find(|field| field.name == name) else {
        let near = did_you_mean_or_list(name.as_str(), schema.iter().map(|f| f.name.as_str()));
        report.at(column.at, format!("{what}: unknown column `{name}`{near}"));
        return None;
    };
    let column = transform::column_in_sql(&name);
    let (at, sql, shown) = if let Some(bounds) = node.get("between") {
        let (sql, shown) = between(bounds, &column, field, what, report)?;
        (bounds.at, sql, Some(shown))
    } else if let Some(values) = node.get("in") {
        if values.items().is_empty() {
            report.at(values.at, format!("{what} allows no value: name at least one in `in`"));
            return None;
        }
        let values_of = expected_values(values, "in", field, what, report)?;
        let list = |of: fn(&ExpectedValue) -> &str| {
            format!("{column} IN ({})", values_of.iter().map(of).collect::<Vec<_>>().join(", "))
        };
        (values.at, list(|one| &one.sql), Some(list(|one| &one.shown)))
    } else if let Some(pattern) = node.get("matches") {
        (pattern.at, format!("regexp_like({column}, {})", transform::text_in_sql(pattern.text()?)), None)
    } else {
        (node.at, format!("{column} IS NOT NULL"), None)
    };
    match expression::compile(schema, &sql) {
        Ok(compiled) => Some(Condition::of(compiled, shown)),
        Err(error) => {
            report.at(at, format!("{what}: {error}"));
            None
        }
    }
}

/// The condition that a column lies between two values, as SQL and as it is written.
fn between(
    bounds: &Node,
    column: &str,
    field: &Field,
    what: &str,
    report: &mut Report<'_>,
) -> Option<(String, String)> {
    let values = expected_values(bounds, "between", field, what, report)?;
    let [least, greatest] = values.as_slice() else { return None };
    if is_reversed(&least.value, &greatest.value) {
        let (least, greatest) = (&least.shown, &greatest.shown);
        let problem = format!(
            "{what}: no value lies between {least} and {greatest}: write the least value first, then the greatest"
        );
        report.at(bounds.at, problem);
        return None;
    }
    Some((
        format!("{column} BETWEEN {} AND {}", least.sql, greatest.sql),
        format!("{column} BETWEEN {} AND {}", least.shown, greatest.shown),
    ))
}

/// The values of a key, each of the column's type; every one that is not is a problem.
fn expected_values(
    values: &Node,
    key: &str,
    field: &Field,
    what: &str,
    report: &mut Report<'_>,
) -> Option<Vec<ExpectedValue>> {
    let mut all = Some(Vec::new());
    for node in values.items() {
        match (expected_value(node, field.data_type), &mut all) {
            (Ok(value), Some(values)) => values.push(value),
            (Ok(_), None) => {}
            (Err(problem), _) => {
                report.at(node.at, format!("{what}: a value of `{key}` {problem}"));
                all = None;
            }
        }
    }
    all
}
