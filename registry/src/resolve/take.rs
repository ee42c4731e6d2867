//! Choices of features: what on-demand views read and services give.

use std::collections::BTreeMap;

use feature::{Name, Take, VersionId};

use crate::body::DefinitionId;
use crate::catalog::{Planner, Readable, Taken};
use crate::keys::Kind;
use crate::nearest::{did_you_mean, did_you_mean_or_list};
use crate::problem::{Mark, Report};
use crate::shape::is_prefix;
use crate::yaml::Node;

use super::known::Known;

/// One choice that was resolved, with the names, types and origins of what it gives.
pub(super) struct Choice {
    pub(super) take: Take,
    pub(super) taken: Taken,
}

/// The choices under a key, in their order. `None` if one of them has a problem, of its own or
/// in the view that it reads.
pub(super) fn choices(
    root: &Node,
    key: &str,
    context: &str,
    known: &Known<'_>,
    planner: &mut Planner<'_>,
    report: &mut Report<'_>,
) -> Option<Vec<Choice>> {
    let nodes = root.get(key).map(Node::items).unwrap_or_default();
    let mut choices = Vec::with_capacity(nodes.len());
    let mut names: BTreeMap<String, u32> = BTreeMap::new();
    for (i, node) in nodes.iter().enumerate() {
        let what = format!("choice {} of {context}", i + 1);
        let Some(take) = take(node, &what, known, report) else { continue };
        let taken = match planner.take(&take) {
            Ok(taken) => taken,
            Err(error) => {
                report.at(node.at, format!("{what}: {error}"));
                continue;
            }
        };
        for (name, ..) in &taken {
            if let Err(error) = name.parse::<Name>() {
                report.at(node.at, format!("{what}: {error}"));
            }
            if let Some(line) = names.get(name) {
                let how = "give one of them a `prefix`, or `take` fewer features";
                report.at(
                    node.at,
                    format!("{what} gives `{name}`, which the choice on line {line} gives too: {how}"),
                );
            }
            names.insert(name.clone(), node.at.line);
        }
        choices.push(Choice { take, taken });
    }
    for (name, line) in &names {
        let mut columns = planner.keys.iter().chain(&planner.request);
        if columns.any(|column| column.name.as_str() == name) {
            let at = nodes.iter().map(|node| node.at).find(|at| at.line == *line).unwrap_or(root.at);
            let what = "which is also a key column or a request column";
            report.at(at, format!("{context} has a feature `{name}`, {what}: give the feature a `prefix`"));
        }
    }
    (choices.len() == nodes.len()).then_some(choices)
}

fn take(node: &Node, what: &str, known: &Known<'_>, report: &mut Report<'_>) -> Option<Take> {
    let from: VersionId = node.parse("from")?;
    let at = node.get("from").map_or(node.at, |from| from.at);
    let readable = readable(at, &from, known, report)?;
    let mut on = BTreeMap::new();
    match readable {
        Readable::View(view) => {
            for entry in node.get("on").map(Node::entries).unwrap_or_default() {
                if !view.keys.iter().any(|key| key.name.as_str() == entry.key) {
                    let near =
                        did_you_mean_or_list(&entry.key, view.keys.iter().map(|key| key.name.as_str()));
                    report.at(entry.at, format!("{what}: `{}` is no join key of {from}{near}", entry.key));
                }
            }
            for key in &view.keys {
                let role = node.get("on").and_then(|on| on.parse(key.name.as_str()));
                on.insert(key.name.clone(), role.unwrap_or_else(|| key.name.clone()));
            }
        }
        Readable::OnDemand(_) => {
            if let Some(on) = node.get("on") {
                let why = "which is an on-demand view and brings its own roles: remove `on`";
                report.at(on.at, format!("{what} maps the keys of {from}, {why}"));
            }
        }
    }
    let features = readable.features();
    let names = node.get("take").map(|take| {
        let mut names = Vec::new();
        for item in take.items() {
            let Some(name) = item.text().and_then(|text| text.parse::<Name>().ok()) else { continue };
            if features.iter().any(|(feature, _)| **feature == name) {
                names.push(name);
            } else {
                let near =
                    did_you_mean_or_list(name.as_str(), features.iter().map(|(name, _)| name.as_str()));
                report.at(item.at, format!("{what}: {from} has no feature `{name}`{near}"));
            }
        }
        names
    });
    let prefix = node.string("prefix").unwrap_or_default();
    is_prefix(&prefix).then_some(Take { from, on, take: names, prefix })
}

/// The view that is named here; `None` if there is none, which is reported, or where it has a
/// problem of its own, which is not.
pub(super) fn readable<'k>(
    at: Mark,
    from: &VersionId,
    known: &'k Known<'_>,
    report: &mut Report<'_>,
) -> Option<&'k Readable> {
    if let Some(readable) = known.catalog.get(from) {
        return Some(readable);
    }
    if known.broken.contains(from) || !known.is_complete {
        return None;
    }
    let is_retired = |kind: &Kind| known.registered.retirement(&DefinitionId::versioned(*kind, from));
    if let Some(retirement) = [Kind::FeatureView, Kind::OnDemandView].iter().find_map(is_retired) {
        report.at(at, format!("`{from}` was {retirement}: read another version"));
        return None;
    }
    let ids: Vec<String> = known.catalog.ids().chain(&known.broken).map(ToString::to_string).collect();
    let versions: Vec<&str> = ids
        .iter()
        .map(String::as_str)
        .filter(|id| id.split('@').next() == Some(from.name.as_str()))
        .collect();
    let hint = match versions.as_slice() {
        [] => did_you_mean(&from.to_string(), ids.iter().map(String::as_str)),
        versions => format!(": there is {}", versions.join(", ")),
    };
    report.at(at, format!("there is no view `{from}`{hint}"));
    None
}
