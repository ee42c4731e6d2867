//! The reference documentation of the definition format, written from the tables that the reader
//! follows.

use std::fmt::Write;

use feature::{DataType, Function, Scalar, Span, Window};

use crate::keys::{Kind, record_of};
use crate::permission::POLICY;
use crate::record::{Need, Record, Shape};
use crate::shape::noun;

/// `docs/definitions.md`: every kind and key, every type, aggregate and allowed function.
pub fn reference() -> String {
    let mut text = String::from(HEAD);
    for kind in Kind::ALL {
        record(&mut text, record_of(kind), 2);
    }
    record(&mut text, &POLICY, 2);
    text.push_str(TYPES);
    for scalar in Scalar::ALL {
        let key = if scalar.is_key() { "yes" } else { "no" };
        let _ = writeln!(text, "| `{}` | {} | {key} |", scalar.name(), type_doc(scalar));
    }
    text.push_str("| `list<float32>`, `list<string>`, … | a list of one of the above | no |\n");
    text.push_str("| `list<float32>[64]`, … | a list of exactly that many items: an embedding | no |\n");
    text.push_str(WIDENING);
    durations(&mut text);
    aggregates(&mut text);
    text.push_str(STATUSES);
    text.push_str(FUNCTIONS);
    for function in transform::functions() {
        let aliases: Vec<String> = function.aliases.iter().map(|alias| format!("`{alias}`")).collect();
        let (syntax, gives) = (cell(&function.syntax), cell(&function.description));
        let _ = writeln!(text, "| `{syntax}` | {} | {gives} |", aliases.join(", "));
    }
    text
}

const HEAD: &str = "# Definitions

This page is written by `twinstore` itself, from the tables that its reader follows.

Definitions are YAML files (`.yaml`, `.yml`) under `features/`, in any depth, with any number of
documents each, read in any order. Each document has a `kind`. Names match
`[a-z][a-z0-9_]{0,62}`; a version of a view or a service is written `name@1`. Comments, layout and
the order of keys mean nothing, with three exceptions: the join keys of an entity, the choices of a
service and the names under `take` stand in the order that counts. YAML aliases are not read.

What a version computes never changes from its first use on: once it was loaded, pushed to, streamed or
read, by itself or through a service, an edit of it under the same version is refused, and every change
is named. Before that it may be edited, or taken out of the registry. Descriptions, owners, tags, freshness, warnings, offline retention, and of a source
its paths, topic, format and lateness may change, and are kept as revisions. The features of a
version keep the order in which they were first registered.

";

const TYPES: &str = "## Types

| type | holds | may be a join key |
|---|---|---|
";

const WIDENING: &str = "
A file's narrower column is widened to the declared type where nothing can be lost (int16 to int32,
date to timestamp, float32 to float64, a dictionary to its values), and a wider integer value by value:
one that does not fit makes its row a dead letter. Any other difference is refused, naming both types
([sources.md](sources.md)). A timestamp without a zone is UTC.

";

const STATUSES: &str = "## Statuses

Each value comes with the first of these that holds.

| status | when |
|---|---|
| `NOT_FOUND` | the entity has no visible row in the view, or its key has a null |
| `OUTSIDE_MAX_AGE` | a `latest` feature, and the latest row is older than the view's `ttl` |
| `NULL_VALUE` | the value is null; the feature's `default` replaces it, if it has one |
| `PRESENT` | there is a value |

While the circuit breaker of a view is open, there is `LAST_KNOWN_GOOD` instead of `PRESENT`, or `BREAKER_OPEN` instead of all of them.

";

const FUNCTIONS: &str = "## Expressions

Expressions are SQL scalar expressions over the source's columns, or over the inputs and request
columns of an on-demand view: columns, literals, arithmetic, comparisons, `AND`, `OR`, `NOT`,
`BETWEEN`, `IN` lists, `LIKE`, `IS NULL`, `IS DISTINCT FROM`, `CASE`, `CAST`, `TRY_CAST`, `||`, and
the functions below. An expression that fails on a row makes that row bad in a feature view, and a
null in an on-demand view. An expression that is only the name of a column is that column; as a part of
another one, a column called as a SQL keyword (`user`, `interval`) needs double quotes.

| function | other names | gives |
|---|---|---|
";

/// A record's table, then those of the records that its keys hold.
fn record(text: &mut String, record: &'static Record, level: usize) {
    let _ = writeln!(text, "{} `{}`\n\n{}\n", "#".repeat(level), record.title, record.doc);
    text.push_str("| key | holds | default | meaning |\n|---|---|---|---|\n");
    for key in record.keys {
        let default = match key.need {
            Need::Required => "**required**",
            Need::Default(default) => default,
        };
        let holds = if key.name == "kind" { format!("`{}`", record.title) } else { cell(&noun(&key.shape)) };
        let _ = writeln!(text, "| `{}` | {holds} | {default} | {} |", key.name, cell(key.doc));
    }
    text.push('\n');
    for key in record.keys {
        if let Some(inner) = inner(&key.shape)
            // Services choose features as on-demand views do: once is enough.
            && !text.contains(&format!(" `{}`\n\n{}", inner.title, inner.doc))
        {
            self::record(text, inner, level + 1);
        }
    }
}

fn inner(shape: &'static Shape) -> Option<&'static Record> {
    match shape {
        Shape::Record(record) | Shape::Or(_, record) => Some(record),
        Shape::List(shape) | Shape::Map(shape) | Shape::Labels(shape) => inner(shape),
        _ => None,
    }
}

fn type_doc(scalar: Scalar) -> &'static str {
    match scalar {
        Scalar::Bool => "true or false",
        Scalar::Int32 => "a 32-bit signed integer",
        Scalar::Int64 => "a 64-bit signed integer",
        Scalar::Float32 => "an IEEE 754 single",
        Scalar::Float64 => "an IEEE 754 double",
        Scalar::String => "UTF-8 text",
        Scalar::Bytes => "uninterpreted bytes",
        Scalar::Timestamp => "a moment in UTC microseconds, years 0001 to 9999",
    }
}

fn durations(text: &mut String) {
    text.push_str(
        "## Durations and windows

A duration is a whole number and a unit: `us`, `ms`, `s`, `m`, `h` or `d`, as in `90s`, `5m`, `1h`,
`7d`. A day has 24 hours.

A window of length W and hop H folds, at t, the rows with an event time in [floor(t - W, H), t]: the
tail moves in hops that are aligned to 1970-01-01T00:00:00Z, the head is exact. W must be a multiple
of H. Where a feature names no hop, it is:

| window | hop |
|---|---|
",
    );
    let rows = [
        ("under 1 hour", "30m"),
        ("under 12 hours", "1h"),
        ("under 12 days", "12h"),
        ("12 days and more", "12d"),
    ];
    for (length, sample) in rows {
        let hop = sample.parse::<Span>().ok().and_then(|span| Window::new(span, None).ok());
        let hop = hop.map(|window| window.hop().to_string()).unwrap_or_default();
        let _ = writeln!(text, "| {length} | {hop} |");
    }
    text.push('\n');
}

fn aggregates(text: &mut String) {
    text.push_str(
        "## Aggregates

Every aggregate passes over nulls; of no values it is null, but for `count` and `count_if`, which are 0
where the entity is known. NaN propagates through sum, mean, variance, min, max and percentiles.
Results do not depend on the order of rows.

| aggregate | takes | gives | type of the result |
|---|---|---|---|
",
    );
    for function in Function::ALL {
        let (takes, gives) = (function.takes(), function.description());
        let _ = writeln!(text, "| `{}` | {takes} | {gives} | {} |", function.usage(), result_types(function));
    }
    text.push_str(
        "
The second argument of a list is its greatest length, from 1 to 1000; that of `approx_percentile` is
above 0 and below 1, with at most 6 decimals. A second argument is a number and no expression.
What each costs in a packed row, and what feature stores elsewhere call it, stands in
[aggregates.md](aggregates.md).

",
    );
}

/// The type of the result in words: one type, one for each of the numbers, or the argument's.
fn result_types(function: Function) -> String {
    let given = [Scalar::Bool, Scalar::Int32, Scalar::Float32];
    let of = |scalar: Scalar| function.result_type(Some(DataType::from(scalar))).ok();
    let [first, int, float] = given.map(of);
    match (first, int, float) {
        (_, Some(DataType::List(..)), _) => "a list of the argument's".to_owned(),
        (_, Some(int), Some(float)) if int == float => int.to_string(),
        (_, Some(int), Some(_)) if int == DataType::from(Scalar::Int32) => "the argument's".to_owned(),
        (_, Some(int), Some(float)) => format!("{int} for integers, {float} for floats"),
        (Some(only), ..) => only.to_string(),
        _ => String::new(),
    }
}

/// Text that may stand in a cell of a Markdown table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
