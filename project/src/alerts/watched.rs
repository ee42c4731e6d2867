//! What alerts are about: views with an objective by their source, with what each source reaches, and consumers with an
//! objective of their own.

use std::collections::BTreeMap;

use feature::{Name, ServiceRef, Span, VersionId};
use registry::Registered;

use crate::error::ProjectError;
use crate::slo::reached;

/// Everything that alerts are about.
pub(super) struct Watched {
    /// By name.
    pub(super) sources: Vec<WatchedSource>,
    /// By name and version.
    pub(super) consumers: Vec<WatchedConsumer>,
    /// Features with an objective of their own, by view: the target of each in percent.
    pub(super) features: Vec<(VersionId, Name, f64)>,
}

/// A source, and the views with an objective whose rows come from it.
pub(super) struct WatchedSource {
    pub(super) name: String,
    pub(super) views: Vec<WatchedView>,
    /// The views, the services that read them, and their models.
    pub(super) reaches: Vec<String>,
}

/// A view with an objective.
pub(super) struct WatchedView {
    pub(super) id: VersionId,
    pub(super) within: Span,
    /// In percent.
    pub(super) target: f64,
    pub(super) description: Option<String>,
}

/// A service whose consumer has an objective.
pub(super) struct WatchedConsumer {
    pub(super) id: VersionId,
    pub(super) model: String,
    pub(super) owner: Option<String>,
    pub(super) within: Option<Span>,
    pub(super) target: f64,
    /// The views that it reads.
    pub(super) views: Vec<VersionId>,
}

impl Watched {
    pub(super) fn of(registered: &Registered) -> Result<Self, ProjectError> {
        let mut sources: BTreeMap<String, WatchedSource> = BTreeMap::new();
        for view in registered.views() {
            let Some(freshness) = view.freshness else { continue };
            let Some(within) = freshness.objective else { continue };
            let name = registered.first_source_of(view)?.name.to_string();
            let source = sources.entry(name.clone());
            let source = source.or_insert_with(|| WatchedSource { name, views: vec![], reaches: vec![] });
            let description = view.about.description.clone();
            source.views.push(WatchedView {
                id: view.id.clone(),
                within,
                target: freshness.target,
                description,
            });
        }
        for source in sources.values_mut() {
            source.reaches = reached(registered, source.views.iter().map(|view| &view.id));
        }
        let mut consumers = Vec::new();
        for service in registered.services() {
            let Some(consumer) = &service.consumer else { continue };
            let Some(freshness) = consumer.freshness else { continue };
            let plan = registered.service_plan(&ServiceRef::Exact(service.id.clone()))?;
            consumers.push(WatchedConsumer {
                id: service.id.clone(),
                model: consumer.model.clone(),
                owner: consumer.owner.clone(),
                within: freshness.objective,
                target: freshness.target,
                views: plan.lookups.iter().map(|lookup| lookup.view.id.clone()).collect(),
            });
        }
        let features = registered.views().flat_map(|view| {
            let of = move |(name, freshness): (&Name, &feature::Freshness)| {
                (view.id.clone(), name.clone(), freshness.target)
            };
            view.feature_freshness.iter().map(of)
        });
        Ok(Self { sources: sources.into_values().collect(), consumers, features: features.collect() })
    }
}
