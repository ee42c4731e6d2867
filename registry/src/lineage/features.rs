//! What each kind of definition adds to the graph of lineage: first its node and those of its columns and features, then
//! what these come from, for which expressions are compiled.

use std::collections::BTreeSet;

use feature::{
    Column, Feature, Field, Input, Name, OnDemandView, Origin, Service, ServicePlan, ServiceRef, Source,
    View, ViewSource,
};
use transform::Expression;

use super::graph::{Graph, LineageKind};
use crate::error::RegistryError;
use crate::registered::Registered;

pub(super) fn source(graph: &mut Graph, source: &Source) {
    let node = graph.node(LineageKind::Source, source.name.as_str(), None);
    let ends = [
        source.batch.as_ref().map(|batch| (LineageKind::Batch, batch.location())),
        source.stream.as_ref().map(|stream| (LineageKind::Topic, stream.topic.clone())),
    ];
    for (kind, name) in ends.into_iter().flatten() {
        let end = graph.node(kind, &name, None);
        graph.between_definitions(&end, &node);
        graph.between_features(&end, &node, true);
    }
    for Field { name, data_type } in &source.schema {
        let column = column(graph, source, name);
        graph.fact(&column, "type", Some(data_type));
        graph.fact(&column, "stored_as", source.stored.get(name).and_then(|stored| stored.column.as_ref()));
        graph.between_features(&node, &column, true);
    }
}

pub(super) fn view(graph: &mut Graph, view: &View) {
    let id = view.id.to_string();
    let node = graph.node(LineageKind::FeatureView, &id, None);
    graph.fact(&node, "entity", Some(&view.entity));
    let from = match &view.source {
        ViewSource::Named(source) => graph.node(LineageKind::Source, source.as_str(), None),
        ViewSource::View { view } => graph.node(LineageKind::FeatureView, &view.to_string(), None),
    };
    graph.between_definitions(&from, &node);
    for feature in &view.features {
        let part = graph.node(LineageKind::Feature, &format!("{id}:{}", feature.name), Some(&node));
        graph.fact(&part, "type", Some(feature.data_type));
        graph.fact(&part, "unit", feature.unit.as_ref());
        graph.fact(&part, "description", feature.description.as_ref());
        let argument = argument(view, feature).map(|column| &column.expression);
        graph.fact(&part, "expression", argument);
    }
}

/// The column that a feature folds; `None` for a count of rows.
fn argument<'v>(view: &'v View, feature: &Feature) -> Option<&'v Column> {
    view.columns.get(feature.fold.column()?)
}

/// The columns of its source that a feature of a view comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FeatureInputs {
    /// The feature.
    pub feature: Name,
    /// The columns that its values come from.
    pub direct: Vec<Name>,
    /// The other columns that decide which rows count and when: keys, times, `where`, expectations.
    pub indirect: Vec<Name>,
}

/// What each feature of a view comes from, in their order.
pub(super) fn inputs(source: &Source, view: &View) -> Result<Vec<FeatureInputs>, RegistryError> {
    let read = |sql: &str| columns_of(&view.id.to_string(), &source.schema, sql);
    let mut whole = BTreeSet::new();
    let times = [&source.event_time, &source.available_at].into_iter().flatten().map(|time| time.sql());
    let conditions = view.expectations.iter().filter(|expectation| expectation.rejects());
    let conditions = conditions.map(|expectation| expectation.condition.clone()).chain(view.filter.clone());
    for sql in view.key_expressions.iter().cloned().chain(times).chain(conditions) {
        whole.extend(read(&sql)?);
    }
    let of = |feature: &Feature| {
        let direct = argument(view, feature).map_or(Ok(Vec::new()), |column| read(&column.expression))?;
        let indirect = whole.iter().filter(|name| !direct.contains(name)).cloned().collect();
        Ok(FeatureInputs { feature: feature.name.clone(), direct, indirect })
    };
    view.features.iter().map(of).collect()
}

pub(super) fn inputs_of_view(
    graph: &mut Graph,
    registered: &Registered,
    view: &View,
) -> Result<(), RegistryError> {
    let source = registered.source_of(view)?;
    for FeatureInputs { feature, direct, indirect } in inputs(&source, view)? {
        let part_of = graph.node(LineageKind::FeatureView, &view.id.to_string(), None);
        let part = graph.node(LineageKind::Feature, &format!("{}:{feature}", view.id), Some(&part_of));
        for (names, is_direct) in [(direct, true), (indirect, false)] {
            for name in &names {
                let from = column_of(graph, registered, view, name)?;
                graph.between_features(&from, &part, is_direct);
            }
        }
    }
    Ok(())
}

/// A column that a view reads: of its source, or of the rows of its input, where it is a feature of that, or a join key or
/// a time, which come from what that reads.
fn column_of(
    graph: &mut Graph,
    registered: &Registered,
    view: &View,
    name: &Name,
) -> Result<String, RegistryError> {
    let source = registered.source_of(view)?;
    let Some(input) = registered.input_of(view)? else { return Ok(column(graph, &source, name)) };
    let part_of = graph.node(LineageKind::FeatureView, &input.id.to_string(), None);
    let title = format!("{}:{name}", input.id);
    if input.feature(name.as_str()).is_some() {
        return Ok(graph.node(LineageKind::Feature, &title, Some(&part_of)));
    }
    let part = graph.node(LineageKind::Column, &title, Some(&part_of));
    let read = registered.source_of(&input)?;
    graph.fact(&part, "type", source.column(name.as_str()));
    let key = input.keys.iter().zip(&input.key_expressions).find(|(key, _)| key.name == *name);
    let expressions = match key {
        Some((_, expression)) => vec![expression.clone()],
        None => [&read.event_time, &read.available_at].into_iter().flatten().map(|time| time.sql()).collect(),
    };
    for sql in expressions {
        for column in columns_of(&input.id.to_string(), &read.schema, &sql)? {
            let from = column_of(graph, registered, &input, &column)?;
            graph.between_features(&from, &part, true);
        }
    }
    Ok(part)
}

pub(super) fn on_demand(graph: &mut Graph, registered: &Registered, view: &OnDemandView) {
    let node = graph.node(LineageKind::OnDemandView, &view.id.to_string(), None);
    for take in &view.inputs {
        let from = graph.node(kind_of(registered, &take.from), &take.from.to_string(), None);
        graph.between_definitions(&from, &node);
    }
    for field in &view.request {
        let from = graph.node(LineageKind::RequestColumn, field.name.as_str(), None);
        graph.fact(&from, "type", Some(field.data_type));
        graph.between_definitions(&from, &node);
    }
    for feature in &view.features {
        let part = graph.node(LineageKind::Feature, &format!("{}:{}", view.id, feature.name), Some(&node));
        graph.fact(&part, "type", Some(feature.data_type));
        graph.fact(&part, "unit", feature.unit.as_ref());
        graph.fact(&part, "description", feature.description.as_ref());
        graph.fact(&part, "expression", Some(&feature.expression));
    }
}

pub(super) fn inputs_of_on_demand(
    graph: &mut Graph,
    registered: &Registered,
    view: &OnDemandView,
) -> Result<(), RegistryError> {
    let node = graph.node(LineageKind::OnDemandView, &view.id.to_string(), None);
    let plan = registered.views_plan(view.id.clone(), std::slice::from_ref(&view.id))?;
    let computation = plan.computations.iter().find(|computation| computation.view.id == view.id);
    let computation = computation.expect("invariant: the plan of an on-demand view computes it");
    let inputs: Vec<(&Field, Input)> = plan.inputs(computation).collect();
    let fields: Vec<Field> = inputs.iter().map(|(field, _)| (*field).clone()).collect();
    for feature in &view.features {
        let part = graph.node(LineageKind::Feature, &format!("{}:{}", view.id, feature.name), Some(&node));
        for name in columns_of(&view.id.to_string(), &fields, &feature.expression)? {
            let Some((field, input)) = inputs.iter().find(|(field, _)| field.name == name) else { continue };
            let from = match input {
                Input::Feature(origin) => feature_node(graph, &plan, *origin),
                Input::Request(_) => graph.node(LineageKind::RequestColumn, field.name.as_str(), None),
            };
            graph.between_features(&from, &part, true);
        }
    }
    Ok(())
}

pub(super) fn service(
    graph: &mut Graph,
    registered: &Registered,
    service: &Service,
) -> Result<(), RegistryError> {
    let node = graph.node(LineageKind::FeatureService, &service.id.to_string(), None);
    for take in &service.features {
        let from = graph.node(kind_of(registered, &take.from), &take.from.to_string(), None);
        graph.between_definitions(&from, &node);
    }
    let plan = registered.service_plan(&ServiceRef::Exact(service.id.clone()))?;
    for output in &plan.outputs {
        let name = format!("{}:{}", service.id, output.name);
        let part = graph.node(LineageKind::ServedFeature, &name, Some(&node));
        graph.fact(&part, "type", Some(output.data_type));
        let from = feature_node(graph, &plan, output.origin);
        graph.between_features(&from, &part, true);
        graph.between_features(&part, &node, true);
    }
    Ok(())
}

fn kind_of(registered: &Registered, id: &feature::VersionId) -> LineageKind {
    match registered.on_demand_views().any(|view| view.id == *id) {
        true => LineageKind::OnDemandView,
        false => LineageKind::FeatureView,
    }
}

fn column(graph: &mut Graph, source: &Source, name: &Name) -> String {
    let part_of = graph.node(LineageKind::Source, source.name.as_str(), None);
    graph.node(LineageKind::Column, &format!("{}:{name}", source.name), Some(&part_of))
}

/// The feature that a plan takes a value from.
fn feature_node(graph: &mut Graph, plan: &ServicePlan, origin: Origin) -> String {
    let (view, kind, feature) = match origin {
        Origin::Stored { lookup, feature } => {
            let view = plan.lookups.get(lookup).map(|lookup| &lookup.view);
            let view = view.expect("invariant: an origin names a lookup of its plan");
            (&view.id, LineageKind::FeatureView, view.features.get(feature).map(|feature| &feature.name))
        }
        Origin::Computed { computation, feature } => {
            let view = plan.computations.get(computation).map(|computation| &computation.view);
            let view = view.expect("invariant: an origin names a computation of its plan");
            (&view.id, LineageKind::OnDemandView, view.features.get(feature).map(|feature| &feature.name))
        }
    };
    let feature = feature.expect("invariant: an origin names a feature of its view");
    let part_of = graph.node(kind, &view.to_string(), None);
    graph.node(LineageKind::Feature, &format!("{view}:{feature}"), Some(&part_of))
}

/// The columns that an expression reads. It compiled when it was registered.
fn columns_of(what: &str, fields: &[Field], sql: &str) -> Result<Vec<Name>, RegistryError> {
    let compiled = Expression::compile(fields, sql).map_err(|error| RegistryError::Damaged {
        what: what.to_owned(),
        reason: format!("its expression `{sql}` does not compile: {error}"),
    })?;
    Ok(compiled.columns().to_vec())
}
