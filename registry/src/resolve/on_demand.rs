//! On-demand views.

use feature::{About, Computed, Field, OnDemandView, VersionId};

use crate::body::Body;
use crate::canonical;
use crate::catalog::Planner;
use crate::definition::Definition;
use crate::draft::Draft;
use crate::problem::{Mark, Report};
use crate::yaml::Node;

use super::default_value::default_value;
use super::expected_change::expected_changes;
use super::expression;
use super::known::Known;
use super::source::fields;
use super::take::choices;

/// The views that an on-demand view reads, with where it names them.
pub(super) fn reads(draft: &Draft) -> Vec<(VersionId, Mark)> {
    let inputs = draft.root().get("inputs").map(Node::items).unwrap_or_default().iter();
    let read =
        |input: &Node| Some((input.parse("from")?, input.get("from").map_or(input.at, |from| from.at)));
    inputs.filter_map(read).collect()
}

pub(super) fn on_demand(draft: &Draft, known: &Known<'_>, report: &mut Report<'_>) -> Option<Definition> {
    let (root, context) = (draft.root(), draft.context());
    let request = fields(root.get("request"));
    let mut planner = Planner::of_columns(&known.catalog);
    let choices = choices(root, "inputs", &context, known, &mut planner, report)?;

    let mut inputs: Vec<Field> = Vec::new();
    for choice in &choices {
        let named = |(name, data_type, _): &(String, _, _)| {
            Some(Field { name: name.parse().ok()?, data_type: *data_type })
        };
        inputs.extend(choice.taken.iter().filter_map(named));
    }
    for field in &request {
        let at = root.get("request").and_then(|r| r.get(field.name.as_str())).map_or(root.at, |node| node.at);
        let role = planner.keys.iter().any(|key| key.name == field.name);
        let other = planner.request.iter().find(|r| r.name == field.name && r.data_type != field.data_type);
        let what = format!("request column `{}` of {context}", field.name);
        if inputs.iter().any(|input| input.name == field.name) {
            report
                .at(at, format!("{what} has the name of an input: rename it, or give the input a `prefix`"));
        } else if role {
            report.at(at, format!("{what} has the name of a key column: give one of them another name"));
        } else if let Some(other) = other {
            let (here, there) = (field.data_type, other.data_type);
            report.at(
                at,
                format!("{what} is {here} here and {there} in a view that it reads: make them agree"),
            );
        }
    }
    let columns: Vec<Field> = inputs.iter().chain(&request).cloned().collect();
    let features = computed(root, &context, &columns, report);
    let names = root.get("features").map(Node::entries).unwrap_or_default();
    let expect_change = expected_changes(draft, names.iter().map(|entry| entry.key.as_str()), report);
    let mut view = OnDemandView {
        id: draft.version_id(),
        request,
        inputs: choices.iter().map(|choice| choice.take.clone()).collect(),
        features,
        about: About { expect_change, ..draft.about() },
        hash: String::new(),
    };
    if report.has_problems() {
        return None;
    }
    let canonical = canonical::on_demand(&view, &super::service::reads(&choices, known));
    view.hash = canonical.hash();
    if let Some(Body::OnDemandView(old)) = known.registered.definition(&draft.id).map(|old| &old.body)
        && old.hash == view.hash
    {
        view = ordered_as(old, view);
    }
    let body = Body::OnDemandView(view);
    Some(Definition::new(body, canonical, &draft.document.text, &draft.document.file))
}

fn computed(root: &Node, context: &str, columns: &[Field], report: &mut Report<'_>) -> Vec<Computed> {
    let mut features = Vec::new();
    for entry in root.get("features").map(Node::entries).unwrap_or_default() {
        let Ok(name) = entry.key.parse() else { continue };
        let what = format!("feature `{name}` of {context}");
        let compiled =
            entry.value.get("expression").and_then(|sql| expression::expression(columns, sql, &what, report));
        if let Some(compiled) = compiled {
            features.push(Computed {
                name,
                expression: compiled.sql,
                data_type: compiled.data_type,
                unit: entry.value.string("unit"),
                description: entry.value.string("description"),
                default: default_value(&entry.value, compiled.data_type, &what, report),
            });
        }
    }
    features
}

/// The same view with its features in the order in which they were registered: services that
/// take all of them give them in it.
fn ordered_as(old: &OnDemandView, view: OnDemandView) -> OnDemandView {
    let now = |name| view.features.iter().find(|feature| feature.name == name).cloned();
    OnDemandView { features: old.features.iter().filter_map(|f| now(f.name.clone())).collect(), ..view }
}
