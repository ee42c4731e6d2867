//! The features of a view, and the columns of its log that they fold.

use std::collections::{BTreeMap, BTreeSet};

use feature::{Column, DataType, Feature, Field, Fold, Function, Name, Scalar, Span, Window};

use crate::nearest::did_you_mean;
use crate::problem::Report;
use crate::yaml::{Content, Node};

use super::default_value::default_value;
use super::expression::{self, Compiled};

/// Features with the columns that they fold, and the source's columns that these read.
#[derive(Default)]
pub(super) struct Folded {
    pub(super) features: Vec<Feature>,
    pub(super) columns: Vec<Column>,
    pub(super) used: BTreeMap<Name, DataType>,
}

/// What the features of a view may read, and what they are called after.
pub(super) struct Ground<'a> {
    pub(super) context: &'a str,
    /// The join keys; `None` if the entity is not known.
    pub(super) keys: Option<&'a [Field]>,
    /// The source's columns; `None` if the source is not known.
    pub(super) schema: Option<&'a [Field]>,
    pub(super) is_static: bool,
}

pub(super) fn features(root: &Node, ground: &Ground<'_>, report: &mut Report<'_>) -> Folded {
    let mut columns =
        Columns { ground, taken: BTreeSet::new(), canonical: Vec::new(), folded: Folded::default() };
    for entry in root.get("features").map(Node::entries).unwrap_or_default() {
        let Ok(name) = entry.key.parse::<Name>() else { continue };
        if ground.keys.is_some_and(|keys| keys.iter().any(|key| key.name == name)) {
            let what =
                format!("feature `{name}` of {} has the name of a join key: rename it", ground.context);
            report.at(entry.at, what);
        }
        let what = format!("feature `{name}` of {}", ground.context);
        if let Some((fold, data_type)) = columns.fold(&name, &entry.value, &what, report) {
            columns.folded.features.push(Feature {
                name,
                data_type,
                fold,
                unit: entry.value.string("unit"),
                description: entry.value.string("description"),
                default: default_value(&entry.value, data_type, &what, report),
            });
        }
    }
    columns.folded
}

struct Columns<'a> {
    ground: &'a Ground<'a>,
    taken: BTreeSet<String>,
    canonical: Vec<String>,
    folded: Folded,
}

impl Columns<'_> {
    fn fold(
        &mut self,
        name: &Name,
        node: &Node,
        what: &str,
        report: &mut Report<'_>,
    ) -> Option<(Fold, DataType)> {
        match (node.get("latest"), node.get("aggregate")) {
            (Some(latest), None) => {
                for key in ["window", "hop"] {
                    if let Some(node) = node.get(key) {
                        let why = "which only an aggregate has: remove it, or write `aggregate`";
                        report.at(node.at, format!("{what} is latest and has a `{key}`, {why}"));
                    }
                }
                let compiled = expression::expression(self.ground.schema?, latest, what, report)?;
                let data_type = compiled.data_type;
                Some((Fold::Latest { column: self.column_index(compiled, name) }, data_type))
            }
            (None, Some(aggregate)) => self.aggregate(name, node, aggregate, what, report),
            (Some(_), Some(aggregate)) => {
                report.at(aggregate.at, format!("{what} has both `latest` and `aggregate`: remove one"));
                None
            }
            (None, None) => {
                let is_map = matches!(node.content, Content::Map(_));
                if is_map {
                    report.at(node.at, format!("{what} has neither `latest` nor `aggregate`: add one"));
                }
                None
            }
        }
    }

    fn aggregate(
        &mut self,
        name: &Name,
        node: &Node,
        aggregate: &Node,
        what: &str,
        report: &mut Report<'_>,
    ) -> Option<(Fold, DataType)> {
        let window = self.window(node, what, report);
        let text = aggregate.text().filter(|text| !text.trim().is_empty())?;
        let (function, argument) = match split(text) {
            Ok(parts) => parts,
            Err(error) => {
                report.at(aggregate.at, format!("{what}: {error}"));
                return None;
            }
        };
        let compiled = match argument {
            None => None,
            Some(argument) => match expression::compile(self.ground.schema?, argument) {
                Ok(compiled) => Some(compiled),
                Err(error) => {
                    report.at(aggregate.at, format!("{what}: {error}"));
                    return None;
                }
            },
        };
        match function.result_type(compiled.as_ref().map(|compiled| compiled.data_type)) {
            Ok(data_type) => {
                let column = compiled.map(|compiled| self.column_index(compiled, name));
                Some((Fold::Aggregate { function, column, window: window? }, data_type))
            }
            Err(error) => {
                report.at(aggregate.at, format!("{what}: {error}"));
                None
            }
        }
    }

    /// The window of an aggregate, or that there is none; nothing where it was refused.
    fn window(&self, node: &Node, what: &str, report: &mut Report<'_>) -> Option<Option<Window>> {
        let hop = node.get("hop");
        let Some(length) = node.get("window") else {
            if let Some(hop) = hop {
                report.at(
                    hop.at,
                    format!("{what} has a `hop` and no `window`: add the window, or remove the hop"),
                );
            }
            return hop.is_none().then_some(None);
        };
        if self.ground.is_static {
            let why = "its source has no event time: remove it, or name the source's `event_time`";
            report.at(length.at, format!("{what} has a window, and {why}"));
            return None;
        }
        let step: Option<Span> = match hop {
            Some(hop) => Some(hop.text()?.parse().ok()?),
            None => None,
        };
        match Window::new(length.text()?.parse().ok()?, step) {
            Ok(window) => Some(Some(window)),
            Err(error) => {
                report.at(length.at, format!("{what}: {error}"));
                None
            }
        }
    }

    /// The index of an argument among the columns; equal arguments share one.
    fn column_index(&mut self, compiled: Compiled, feature: &Name) -> usize {
        if let Some(found) = self.canonical.iter().position(|canonical| *canonical == compiled.canonical) {
            return found;
        }
        let is_key = |name: &Name| self.ground.keys.unwrap_or_default().iter().any(|key| key.name == *name);
        let bare = compiled.bare_column().filter(|name| !is_key(name));
        let name = self.unlike_others(bare.unwrap_or(feature));
        self.taken.insert(name.to_string());
        self.canonical.push(compiled.canonical);
        self.folded.used.extend(compiled.columns);
        let (expression, data_type) = (compiled.sql, compiled.data_type);
        self.folded.columns.push(Column { name, expression, data_type });
        self.folded.columns.len() - 1
    }

    fn unlike_others(&self, name: &Name) -> Name {
        let is_taken = |name: &Name| {
            let keys = self.ground.keys.unwrap_or_default();
            self.taken.contains(name.as_str()) || keys.iter().any(|key| key.name == *name)
        };
        if !is_taken(name) {
            return name.clone();
        }
        // A view has fewer features than there are numbers, so one of these is free.
        let numbered = (2_u32..).filter_map(|n| {
            let stem: String = name.as_str().chars().take(52).collect();
            format!("{stem}_{n}").parse::<Name>().ok()
        });
        numbered.into_iter().find(|name| !is_taken(name)).unwrap_or_else(|| name.clone())
    }
}

/// `last_n(arr_delay, 5)` as the function with its parameter and the text of its argument; `count(*)`
/// has none.
fn split(text: &str) -> Result<(Function, Option<&str>), String> {
    let text = text.trim();
    let (name, inner) = match text.split_once('(') {
        None => (text, None),
        Some((name, rest)) => (
            name.trim(),
            Some(inside(rest).ok_or_else(|| {
                format!(
                    "`{text}` is no aggregate: write one function of one expression, as in mean(arr_delay)"
                )
            })?),
        ),
    };
    let function = named(name)?;
    let (argument, parameter) = match inner {
        Some(inner) if function.parameter().is_some() => match last_comma(inner) {
            Some((argument, parameter)) => (Some(argument), Some(parameter.trim())),
            None => (Some(inner), None),
        },
        inner => (inner, None),
    };
    let argument = argument.map(str::trim).filter(|argument| !argument.is_empty());
    let function = function.with_parameter(parameter).map_err(|error| error.to_string())?;
    let counts_rows = function == Function::Count && argument == Some("*");
    Ok((function, argument.filter(|_| !counts_rows)))
}

/// The function of this name, with any parameter.
fn named(name: &str) -> Result<Function, String> {
    const USUAL: [(&str, &str); 14] = [
        ("avg", "mean"),
        ("average", "mean"),
        ("std", "stddev"),
        ("var", "variance"),
        ("var_samp", "variance"),
        ("stddev_samp", "stddev"),
        ("unique_count", "approx_count_distinct"),
        ("approx_unique_count", "approx_count_distinct"),
        ("count_distinct", "approx_count_distinct"),
        ("percentile", "approx_percentile"),
        ("median", "approx_percentile"),
        ("last_distinct", "distinct_last_n"),
        ("first_distinct", "distinct_first_n"),
        ("top_k", "top_n"),
    ];
    let lower = name.to_lowercase();
    Function::ALL.into_iter().find(|function| function.name() == lower).ok_or_else(|| {
        let near = match USUAL.iter().find(|(usual, _)| *usual == lower) {
            Some((_, ours)) => did_you_mean(ours, [*ours]),
            None => did_you_mean(name, Function::ALL.iter().map(|f| f.name())),
        };
        let known: Vec<&str> = Function::ALL.iter().map(|function| function.name()).collect();
        format!("unknown aggregate `{name}`{near} (there is {})", known.join(", "))
    })
}

/// The text before and after the last comma that stands in no parentheses and no quotes.
fn last_comma(text: &str) -> Option<(&str, &str)> {
    let mut found = None;
    let (mut depth, mut quote) = (0_usize, None);
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (Some(open), c) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(character),
            (None, '(' | '[') => depth += 1,
            (None, ')' | ']') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => found = Some(at),
            _ => {}
        }
    }
    found.and_then(|at| Some((text.get(..at)?, text.get(at + 1..)?)))
}

/// The text up to the parenthesis that closes the one before it, which must be the last character.
fn inside(rest: &str) -> Option<&str> {
    let (mut depth, mut quote) = (1_usize, None);
    for (at, character) in rest.char_indices() {
        match (quote, character) {
            (Some(open), c) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(character),
            (None, '(') => depth += 1,
            (None, ')') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return rest.get(at + 1..)?.trim().is_empty().then(|| rest.get(..at)).flatten();
        }
    }
    None
}

/// The longest time that the features of a view look back: the ttl of latest features, and each
/// window with its hop; the error names a feature that looks back forever.
pub(super) fn reach(features: &[Feature], ttl: Option<Span>) -> Result<Option<Span>, &Name> {
    let mut longest: Option<Span> = None;
    for feature in features {
        let reach = match feature.fold {
            Fold::Latest { .. } => ttl,
            Fold::Aggregate { window, .. } => window.map(|window| window.length().plus(window.hop())),
        };
        longest = longest.max(Some(reach.ok_or(&feature.name)?));
    }
    Ok(longest)
}

/// Whether an expression of this type may give a join key of that type: the same, or wider.
pub(super) fn gives_key(given: DataType, key: DataType) -> bool {
    let (int32, int64) = (DataType::from(Scalar::Int32), DataType::from(Scalar::Int64));
    given == key || (given == int32 && key == int64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aggregate_is_one_function_of_one_expression() {
        assert_eq!(split("count").unwrap(), (Function::Count, None));
        assert_eq!(split("count(*)").unwrap(), (Function::Count, None));
        assert_eq!(split(" Mean( a * (b + 1) ) ").unwrap(), (Function::Mean, Some("a * (b + 1)")));
        assert_eq!(split("max(strpos(a, ')'))").unwrap(), (Function::Max, Some("strpos(a, ')')")));
        for bad in ["sum(a) / count(b)", "sum(a", "sum(a))"] {
            assert!(split(bad).unwrap_err().contains("one function of one expression"), "{bad}");
        }
        assert!(split("avg(a)").unwrap_err().contains("did you mean `mean`? (there is "));
        assert!(split("last_distinct(a, 3)").unwrap_err().contains("did you mean `distinct_last_n`?"));
        let unknown = split("mdain(a)").unwrap_err();
        for function in Function::ALL {
            assert!(unknown.contains(function.name()), "{unknown}");
        }
    }

    #[test]
    fn a_parameter_follows_the_last_comma_outside_parentheses() {
        let parsed = |text: &str| {
            let (function, argument) = split(text).unwrap();
            (function.usage(), argument.map(str::to_owned))
        };
        let expected = |usage: &str, argument: &str| (usage.to_owned(), Some(argument.to_owned()));
        assert_eq!(parsed("last_n(a, 5)"), expected("last_n(column, 5)", "a"));
        assert_eq!(parsed("TOP_N( nvl(a, 0) , 12 )"), expected("top_n(column, 12)", "nvl(a, 0)"));
        assert_eq!(parsed("last_n(concat(a, ','), 2)"), expected("last_n(column, 2)", "concat(a, ',')"));
        assert_eq!(parsed("approx_percentile(a, 0.990)"), expected("approx_percentile(column, 0.99)", "a"));
        assert_eq!(parsed("count_if(a > 1)"), expected("count_if(condition)", "a > 1"));
        let refusal = |text: &str| split(text).unwrap_err();
        assert!(refusal("last_n(nvl(a, 0))").contains("write last_n(column, 3)"));
        assert!(refusal("last_n").contains("needs a whole number"));
        assert!(refusal("last_n(a, k)").starts_with("`k` is not a whole number"));
        assert!(refusal("approx_percentile(a, 50)").contains("above 0 and below 1"));
    }
}
