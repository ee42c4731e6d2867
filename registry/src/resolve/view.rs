//! Feature views.

use std::collections::BTreeMap;

use feature::{
    About, Column, DataType, Feature, Field, Fold, Freshness, Name, Retention, Source, SourceTime, Span,
    View, ViewSource,
};

use crate::body::Body;
use crate::canonical;
use crate::definition::Definition;
use crate::draft::Draft;
use crate::nearest::did_you_mean_or_list;
use crate::problem::Report;
use crate::yaml::{Content, Node};

use super::batch_limits::Ways;
use super::breaker::breaker;
use super::expectation::{Expecting, Stages, expectations};
use super::expected_change::expected_changes;
use super::expression::{self, Compiled};
use super::features::{self, Ground, features, gives_key};
use super::known::{Known, referred};
use super::rows::{Rows, rows};

pub(super) fn view(draft: &Draft, known: &Known<'_>, report: &mut Report<'_>) -> Option<Definition> {
    let (root, context) = (draft.root(), draft.context());
    let entity = referred(root, "entity", &known.entities, known.is_complete, report);
    let rows = rows(root, &context, known, report);
    let source = rows.as_ref().map(|rows| rows.source.as_ref());
    let is_static = source.is_some_and(|source| source.event_time.is_none());
    let ground = Ground {
        context: &context,
        keys: entity.map(|entity| entity.keys.as_slice()),
        schema: source.map(|source| source.schema.as_slice()),
        is_static,
    };
    let folded = features(root, &ground, report);
    let ttl = root.parse::<Span>("ttl");
    if let Some(node) = root.get("ttl").filter(|_| is_static) {
        let why = "its source has no event time: remove it, or name the source's `event_time`";
        report.at(node.at, format!("{context} has a `ttl`, and {why}"));
    }
    let retention = retention(root, &context, &folded.features, ttl, report);
    let (entity, rows, source) = (entity?, rows.as_ref()?, source?);

    let mut used = folded.used;
    let key_expressions = keys(root, &context, &entity.keys, rows, &mut used, report);
    let filter = root.get("where").and_then(|node| {
        let compiled = expression::condition(&source.schema, node, &format!("`where` of {context}"), report)?;
        used.extend(compiled.columns);
        Some(compiled.sql)
    });
    let ways = Ways::of(source, rows.input.is_some());
    let stages = stages((&folded.columns, &folded.features), (&entity.keys, &source.schema), draft, known);
    let kept = match known.registered.definition(&draft.id).map(|registered| &registered.body) {
        Some(Body::FeatureView(view)) if known.registered.is_used(&draft.id) => view.expectations.as_slice(),
        _ => &[],
    };
    let expecting = Expecting { stages, ways, kept };
    let expected = expectations(root, &context, expecting, &mut used, report);
    let names = root.get("features").map(Node::entries).unwrap_or_default();
    let expect_change = expected_changes(draft, names.iter().map(|entry| entry.key.as_str()), report);
    let feature_freshness = feature_freshness(root, &context, is_static, report);
    for time in source.event_time.iter().chain(&source.available_at) {
        if let SourceTime::Sql { sql } = time
            && let Ok(compiled) = transform::Expression::compile(&source.schema, sql)
        {
            let column = |name: &Name| Some((name.clone(), source.column(name.as_str())?));
            used.extend(compiled.columns().iter().filter_map(column));
        }
    }
    let breaker = breaker(root, &context, (&folded.features, source.stream.is_some(), is_static), report);
    let mut view = View {
        id: draft.version_id(),
        entity: entity.name.clone(),
        keys: entity.keys.clone(),
        source: rows.named.clone(),
        key_expressions,
        filter,
        columns: folded.columns,
        features: folded.features,
        expectations: expected.rows,
        batches: expected.batches,
        ttl,
        is_static,
        retention,
        freshness: root.get("freshness").and_then(freshness),
        feature_freshness,
        breaker: breaker.map(Box::new),
        about: About { expect_change, ..draft.about() },
        hash: String::new(),
    };
    if report.has_problems() {
        return None;
    }
    let canonical = canonical::view(&view, source, rows.input.as_deref(), &used);
    view.hash = canonical.hash();
    if let Some(Body::FeatureView(old)) = known.registered.definition(&draft.id).map(|old| &old.body)
        && old.hash == view.hash
    {
        view = laid_out_as(old, view);
    }
    let body = Body::FeatureView(view);
    Some(Definition::new(body, canonical, &draft.document.text, &draft.document.file))
}

/// What expectations may read. A column that was registered under another name keeps that one.
fn stages<'a>(
    (columns, features): (&[Column], &[Feature]),
    (keys, source): (&[Field], &'a [Field]),
    draft: &Draft,
    known: &Known<'_>,
) -> Stages<'a> {
    let registered = match known.registered.definition(&draft.id).map(|old| &old.body) {
        Some(Body::FeatureView(old)) => old.columns.as_slice(),
        _ => &[],
    };
    let columns = columns.iter().map(|column| {
        let old = registered.iter().find(|old| old.expression == column.expression);
        Field { name: old.unwrap_or(column).name.clone(), data_type: column.data_type }
    });
    let features =
        features.iter().map(|feature| Field { name: feature.name.clone(), data_type: feature.data_type });
    Stages { source, row: keys.iter().cloned().chain(columns).collect(), served: features.collect() }
}

fn has(source: &Source, column: &Name) -> bool {
    source.column(column.as_str()).is_some()
}

/// The same view with its features and columns in the order in which they were registered: stored
/// rows are laid out in it, and no order in a file may move them.
fn laid_out_as(old: &View, view: View) -> View {
    let described = |feature: &Feature| {
        let now = view.feature(feature.name.as_str()).and_then(|i| view.features.get(i));
        Feature { description: now.and_then(|now| now.description.clone()), ..feature.clone() }
    };
    View { features: old.features.iter().map(described).collect(), columns: old.columns.clone(), ..view }
}

/// For each join key the expression that gives it; the columns that they read are added to `used`.
fn keys(
    root: &Node,
    context: &str,
    keys: &[Field],
    rows: &Rows<'_>,
    used: &mut BTreeMap<Name, DataType>,
    report: &mut Report<'_>,
) -> Vec<String> {
    let source = rows.source.as_ref();
    let entries = root.get("keys").map(Node::entries).unwrap_or_default();
    for entry in entries.iter().filter(|entry| !keys.iter().any(|key| key.name.as_str() == entry.key)) {
        let near = did_you_mean_or_list(&entry.key, keys.iter().map(|key| key.name.as_str()));
        report.at(entry.at, format!("`keys` of {context} names `{}`, which is no join key{near}", entry.key));
    }
    let mut expressions = Vec::with_capacity(keys.len());
    for key in keys {
        let what = format!("join key `{}` of {context}", key.name);
        let node = entries.iter().find(|entry| entry.key == key.name.as_str()).map(|entry| &entry.value);
        let (at, compiled) = match node {
            Some(node) => (node.at, expression::expression(&source.schema, node, &what, report)),
            None if has(source, &key.name) => (root.at, column_itself(source, &key.name)),
            None => {
                let none = match &rows.named {
                    ViewSource::Named(source) => format!("has no column of its name in source `{source}`"),
                    ViewSource::View { view } => format!("is no join key and no feature of {view}"),
                };
                report.at(root.at, format!("{what} {none}: say which in `keys: {{{}: COLUMN}}`", key.name));
                continue;
            }
        };
        let Some(compiled) = compiled else { continue };
        if !gives_key(compiled.data_type, key.data_type) {
            let (given, declared) = (compiled.data_type, key.data_type);
            report.at(
                at,
                format!("{what} is {declared}, and `{}` gives {given}: cast one of them", compiled.sql),
            );
        }
        used.extend(compiled.columns);
        expressions.push(compiled.sql);
    }
    expressions
}

/// The column of this name. One that is called as a keyword of SQL, as `user`, is quoted; no other is, as
/// the text is part of what a version is.
fn column_itself(source: &Source, name: &Name) -> Option<Compiled> {
    let compile = |sql: &str| expression::compile(&source.schema, sql).ok();
    // In parentheses, as the name alone is the column, also if it is a keyword.
    let is_plain = compile(&format!("({name})")).is_some_and(|compiled| compiled.columns.keys().eq([name]));
    if is_plain { compile(name.as_str()) } else { compile(&format!("\"{name}\"")) }
}

/// How fresh features are to be kept. One without a bound on the age of what is read says nothing that the view does not.
fn feature_freshness(
    root: &Node,
    context: &str,
    is_static: bool,
    report: &mut Report<'_>,
) -> BTreeMap<Name, Freshness> {
    let mut by_name = BTreeMap::new();
    for entry in root.get("features").map(Node::entries).unwrap_or_default() {
        let Some(node) = entry.value.get("freshness") else { continue };
        let what = format!("`freshness` of the feature `{}` of {context}", entry.key);
        if is_static {
            report.at(
                node.at,
                format!("{what}: rows of a source without an event time have no age: remove it"),
            );
        } else if node.get("objective").is_none() {
            report.at(node.at, format!("{what} has no `objective`: say how stale a good read is at most"));
        } else if let Some((name, freshness)) = entry.key.parse().ok().zip(freshness(node)) {
            by_name.insert(name, freshness);
        }
    }
    by_name
}

fn freshness(node: &Node) -> Option<Freshness> {
    Some(Freshness { objective: node.parse("objective"), target: node.parse("target")? })
}

fn retention(
    root: &Node,
    context: &str,
    features: &[Feature],
    ttl: Option<Span>,
    report: &mut Report<'_>,
) -> Option<Retention> {
    let node = root.get("retention").filter(|node| matches!(node.content, Content::Map(_)))?;
    let (online, offline) = (node.parse::<Span>("online"), node.parse::<Span>("offline"));
    if node.get("online").is_none() && node.get("offline").is_none() {
        report.at(node.at, format!("`retention` of {context} is empty: add `online`, `offline` or both"));
        return None;
    }
    match features::reach(features, ttl) {
        Err(name) => {
            let is_latest = features.iter().any(|f| f.name == *name && matches!(f.fold, Fold::Latest { .. }));
            let (why, how) = match is_latest {
                true => ("a latest feature without ttl", "add a `ttl`"),
                false => ("a fold of the whole history", "add a `window`"),
            };
            let what =
                format!("`retention` of {context} would cut `{name}`, {why}: {how}, or remove the retention");
            report.at(node.at, what);
        }
        Ok(longest) => {
            for (key, span) in [("online", online), ("offline", offline)] {
                if let (Some(longest), Some(given)) = (longest, span)
                    && given < longest
                {
                    let at = node.get(key).map_or(node.at, |node| node.at);
                    let what = format!(
                        "`{key}` of the retention of {context} is {given}, and its features look back"
                    );
                    report
                        .at(at, format!("{what} {longest} (ttl, or window and hop): make it at least that"));
                }
            }
        }
    }
    if let (Some(online), Some(offline)) = (online, offline)
        && offline < online
    {
        let at = node.get("offline").map_or(node.at, |node| node.at);
        let what =
            format!("`offline` of the retention of {context} is {offline}, less than `online`, {online}");
        report.at(at, format!("{what}: make it at least that"));
    }
    Some(Retention { online, offline })
}
