//! Lineage of what is registered: the graph of all definitions and training sets, and what is reached in it from a name.

use super::features::{self, FeatureInputs};
use super::graph::{Graph, Lineage, LineageKind};
use super::run::{RunOutcome, RunRecord};
use crate::body::{Body, DefinitionId};
use crate::error::RegistryError;
use crate::keys::Kind;
use crate::registered::{Registered, unknown};

impl Graph {
    /// All nodes, and what comes from what between definitions.
    fn of(registered: &Registered, training_sets: &[RunRecord]) -> Result<Self, RegistryError> {
        let mut graph = Self::default();
        for definition in registered.definitions() {
            match &definition.body {
                Body::Entity(_) => continue,
                Body::Source { source, .. } => features::source(&mut graph, source),
                Body::FeatureView(view) => features::view(&mut graph, view),
                Body::OnDemandView(view) => features::on_demand(&mut graph, registered, view),
                Body::FeatureService(service) => {
                    features::service(&mut graph, registered, service)?;
                    graph.consumer(registered, service);
                }
            }
            let listed = registered.listed(definition);
            let node = node_id(&definition.id());
            graph.fact(&node, "hash", Some(&listed.hash));
            graph.fact(&node, "revision", Some(listed.revision));
            graph.fact(&node, "owner", listed.owner);
            graph.fact(&node, "description", listed.description);
        }
        training_sets.iter().for_each(|run| graph.training_set(run));
        Ok(graph)
    }

    /// Adds what the features of these definitions come from.
    fn add_inputs(
        &mut self,
        registered: &Registered,
        is_meant: impl Fn(&str) -> bool,
    ) -> Result<(), RegistryError> {
        for definition in registered.definitions().filter(|definition| is_meant(&node_id(&definition.id()))) {
            match &definition.body {
                Body::FeatureView(view) => features::inputs_of_view(self, registered, view)?,
                Body::OnDemandView(view) => features::inputs_of_on_demand(self, registered, view)?,
                Body::Entity(_) | Body::Source { .. } | Body::FeatureService(_) => {}
            }
        }
        Ok(())
    }

    fn consumer(&mut self, registered: &Registered, service: &feature::Service) {
        let node = self.node(LineageKind::FeatureService, &service.id.to_string(), None);
        let is_live = registered.live(&service.id.name) == Some(service.id.version);
        self.fact(&node, "live", is_live.then_some("yes"));
        let Some(consumer) = &service.consumer else { return };
        let model = self.node(LineageKind::Model, &consumer.model, None);
        self.fact(&model, "owner", consumer.owner.as_ref());
        self.on_both(&node, &model);
    }

    fn training_set(&mut self, run: &RunRecord) {
        let Some(RunOutcome::TrainingSet { file, rows, manifest_sha256, .. }) = &run.outcome else { return };
        let service = self.node(LineageKind::FeatureService, &run.subject.to_string(), None);
        let short: String = manifest_sha256.chars().take(12).collect();
        let node = self.node(LineageKind::TrainingSet, &format!("{file} ({short})"), None);
        self.fact(&node, "rows", Some(feature::thousands(*rows)));
        self.fact(&node, "manifest", Some(manifest_sha256));
        self.fact(&node, "built", Some(run.started_at));
        self.on_both(&service, &node);
    }
}

impl Registered {
    /// The columns of its source that each feature of a view comes from, in the order of the features.
    pub fn feature_inputs(&self, view: &feature::View) -> Result<Vec<FeatureInputs>, RegistryError> {
        let source = self.source_of(view)?;
        features::inputs(&source, view)
    }

    /// What a name comes from and what comes from it: a definition, as `name` or `name@version`, or a feature or
    /// column, as `name` or `view@version:name`. `training_sets` are runs that built some.
    pub fn lineage(&self, name: &str, training_sets: &[RunRecord]) -> Result<Lineage, RegistryError> {
        // What was retired has made training sets and models that are still there.
        let all = self.with_retired();
        let mut graph = Graph::of(&all, training_sets)?;
        for (id, retirement) in self.retirements() {
            graph.fact(&node_id(id), "retired", Some(retirement));
        }
        let (of, are_parts) = graph.named(name);
        if of.is_empty() {
            let names = graph.nodes.values().map(|node| node.name.clone());
            return Err(unknown("definition, feature or column", name, names));
        }
        if !are_parts {
            return Ok(graph.reach(of, &graph.definitions));
        }
        // Expressions are compiled only of what is reached.
        let wholes = of.iter().filter_map(|id| graph.nodes.get(id)?.part_of.clone()).collect();
        let reached = graph.reach(wholes, &graph.definitions);
        graph.add_inputs(&all, |definition| reached.node(definition).is_some())?;
        Ok(graph.reach(of, &graph.features))
    }
}

/// The identity of a definition's node. An entity has none.
fn node_id(id: &DefinitionId) -> String {
    let kind = match id.kind {
        Kind::Entity => return String::new(),
        Kind::Source => LineageKind::Source,
        Kind::FeatureView => LineageKind::FeatureView,
        Kind::OnDemandView => LineageKind::OnDemandView,
        Kind::FeatureService => LineageKind::FeatureService,
    };
    kind.id(&id.reference())
}
