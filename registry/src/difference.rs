//! Names what differs between two forms of a definition, one change at a time.

use std::collections::BTreeSet;
use std::fmt;

use feature::Micros;
use serde::Serialize;
use serde_json::Value;

/// One thing that differs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub struct Difference {
    /// What differs, as in `window of arrivals_1h`.
    pub what: String,
    /// What it was; `None` if it was not there.
    pub from: Option<String>,
    /// What it would be; `None` if it would be there no more.
    pub to: Option<String>,
    /// Where it stands in the form.
    #[serde(skip)]
    pub(crate) path: Vec<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = &self.what;
        match (&self.from, &self.to) {
            (None, None) => f.write_str(what),
            (from, to) => {
                let none = "none";
                write!(f, "{what}: {} → {}", from.as_deref().unwrap_or(none), to.as_deref().unwrap_or(none))
            }
        }
    }
}

impl Difference {
    /// A difference that has no values to show.
    pub(crate) fn plain(what: impl Into<String>) -> Difference {
        Difference { what: what.into(), from: None, to: None, path: Vec::new() }
    }
}

/// What differs between two JSON forms, in the order of their paths.
pub(crate) fn differences(from: &Value, to: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(&mut Vec::new(), from, to, &mut found);
    found
}

/// Several differences in one sentence.
pub(crate) fn sentence(differences: &[Difference]) -> String {
    differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn compare(path: &mut Vec<String>, from: &Value, to: &Value, found: &mut Vec<Difference>) {
    if from == to {
        return;
    }
    let nothing = || is_of_stored(path).then(Vec::new);
    match (entries(from).or_else(nothing), entries(to).or_else(nothing)) {
        (Some(before), Some(after)) if !is_whole(path) => {
            let names: BTreeSet<&str> = before.iter().chain(&after).map(|(name, _)| name.as_str()).collect();
            let same_names = before.len() == after.len() && names.len() == before.len();
            let at_start = found.len();
            for name in names {
                let get = |list: &[(String, Value)]| {
                    list.iter().find(|(n, _)| n == name).map_or(Value::Null, |(_, value)| value.clone())
                };
                path.push(name.to_owned());
                compare(path, &get(&before), &get(&after), found);
                path.pop();
            }
            if found.len() == at_start && same_names && from.is_array() {
                found.push(difference(path, "order of ", from, to));
            }
        }
        // What may not be missing is not there, or says so.
        _ if path.last().is_some_and(|last| last == "optional") && !is_true(from) && !is_true(to) => {}
        _ => found.push(difference(path, "", from, to)),
    }
}

fn is_true(value: &Value) -> bool {
    *value == Value::Bool(true)
}

/// Lists and maps that are compared as one value: they were there or not.
fn is_whole(path: &[String]) -> bool {
    path.last().is_some_and(|last| last == "on")
}

/// How columns stand in files: one that is not there stands there by its own name, and is never missing.
fn is_of_stored(path: &[String]) -> bool {
    path.iter().rev().take(2).any(|part| part == "stored")
}

/// The named parts of a map, of a list of named maps, or of a list of texts; none of a scalar.
fn entries(value: &Value) -> Option<Vec<(String, Value)>> {
    match value {
        Value::Object(map) => Some(map.iter().map(|(k, v)| (k.clone(), v.clone())).collect()),
        Value::Array(items) => items.iter().map(named).collect(),
        _ => None,
    }
}

fn named(item: &Value) -> Option<(String, Value)> {
    let text = match item {
        Value::String(text) => text.clone(),
        Value::Object(map) => map.get("name").or_else(|| map.get("from"))?.as_str()?.to_owned(),
        _ => return None,
    };
    Some((text, item.clone()))
}

fn difference(path: &[String], prefix: &str, from: &Value, to: &Value) -> Difference {
    let what = format!("{prefix}{}", words(path));
    let whole = from.is_object()
        || to.is_object()
        || path.first().is_some_and(|first| matches!(first.as_str(), "expect" | "warnings"));
    let (what, from, to) = match (from.is_null(), to.is_null()) {
        (true, false) if whole => (format!("{what} added"), None, None),
        (false, true) if whole => (format!("{what} removed"), None, None),
        _ if !prefix.is_empty() => (what, None, None),
        _ if path.ends_with(&["stream".to_owned(), "from".to_owned()]) => (what, moment(from), moment(to)),
        _ => (what, shown(from), shown(to)),
    };
    Difference { what, from, to, path: path.to_vec() }
}

/// A moment, which canonical forms hold as microseconds.
fn moment(value: &Value) -> Option<String> {
    let moment = value.as_i64().and_then(|micros| Micros::new(micros).ok());
    moment.map(|moment| moment.to_string()).or_else(|| shown(value))
}

fn shown(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Object(map) => {
            let pairs: Vec<String> =
                map.iter().map(|(k, v)| format!("{k}: {}", shown(v).unwrap_or_default())).collect();
            Some(format!("{{{}}}", pairs.join(", ")))
        }
        other => Some(other.to_string()),
    }
}

/// A path in the words of its author: `window of arrivals_1h`.
fn words(path: &[String]) -> String {
    let parts: Vec<&str> = path.iter().map(String::as_str).collect();
    match parts.as_slice() {
        [] => "definition".to_owned(),
        ["features" | "outputs", name] => format!("feature {name}"),
        ["inputs", name] => format!("input {name}"),
        ["features" | "outputs" | "inputs", name, "fold"] => format!("function of {name}"),
        ["features" | "outputs" | "inputs", name, rest @ ..] => format!("{} of {name}", rest.join(" ")),
        ["request", name] => format!("request column {name}"),
        ["expect" | "warnings", condition] => format!("expectation `{condition}`"),
        ["entity", "keys"] => "join keys of the entity".to_owned(),
        ["entity", "keys", name] => format!("join key {name}"),
        ["entity", "keys", name, "data_type"] => format!("type of join key {name}"),
        ["keys", name] => format!("join key {name}"),
        ["keys", name, "data_type"] => format!("type of join key {name}"),
        ["stored", name, "column"] | ["source", "stored", name, "column"] => {
            format!("name in files of column {name}")
        }
        ["stored", name, "optional"] | ["source", "stored", name, "optional"] => {
            format!("whether files may lack column {name}")
        }
        ["source", "columns", name] => format!("type of source column {name}"),
        ["source", "schema", name, "data_type"] => format!("type of column {name}"),
        ["source", "schema", name] => format!("column {name}"),
        ["source", rest @ ..] if !rest.is_empty() => rest.join(" "),
        ["retention"] => "online retention".to_owned(),
        ["about", rest @ ..] if !rest.is_empty() => rest.join(" "),
        parts => parts.join(" "),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(from: &Value, to: &Value) -> Vec<String> {
        differences(from, to).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_change_is_named_in_the_words_of_its_author() {
        let from = json!({"ttl": null, "features": {"a": {"fold": "mean", "window": "1h"}, "b": {"fold": "count"}},
            "expect": ["x > 0"], "source": {"columns": {"x": "int32"}}});
        let to = json!({"ttl": "2d", "features": {"a": {"fold": "sum", "window": "2h"}, "c": {"fold": "count"}},
            "expect": ["x > 1"], "source": {"columns": {"x": "int64"}}});
        assert_eq!(
            said(&from, &to),
            [
                "expectation `x > 0` removed",
                "expectation `x > 1` added",
                "function of a: mean → sum",
                "window of a: 1h → 2h",
                "feature b removed",
                "feature c added",
                "type of source column x: int32 → int64",
                "ttl: none → 2d",
            ]
        );
    }

    #[test]
    fn another_name_in_files_and_a_column_that_may_be_missing_are_named_column_by_column() {
        let columns = |stored: Value| json!({"name": "s", "stored": stored});
        let before = json!({"name": "s"});
        let after = columns(json!({"x": {"column": "XX", "optional": false}, "y": {"optional": true}}));
        assert_eq!(
            said(&before, &after),
            ["name in files of column x: none → XX", "whether files may lack column y: none → true"]
        );
        let later = columns(json!({"x": {"column": "X", "optional": false}}));
        assert_eq!(
            said(&after, &later),
            ["name in files of column x: XX → X", "whether files may lack column y: true → none"]
        );
    }

    #[test]
    fn another_order_of_the_same_names_is_a_change_of_order() {
        let keys =
            |names: &[&str]| json!({"outputs": names.iter().map(|n| json!({"name": n})).collect::<Vec<_>>()});
        assert_eq!(said(&keys(&["a", "b"]), &keys(&["b", "a"])), ["order of outputs"]);
    }

    #[test]
    fn a_moment_is_shown_as_one() {
        let stream = |from: Value| json!({"source": {"stream": {"from": from}}});
        assert_eq!(
            said(&stream(Value::Null), &stream(json!(1_388_620_800_000_000_i64))),
            ["stream from: none → 2014-01-02T00:00:00Z"]
        );
    }
}
