//! What alerts are about: views and features with an objective by their source, with what each source reaches, and consumers
//! with an objective of their own.

use std::collections::{BTreeMap, BTreeSet};

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
}

/// A source, and the views and features with an objective whose rows come from it.
#[derive(Default)]
pub(super) struct WatchedSource {
    pub(super) name: String,
    pub(super) views: Vec<WatchedView>,
    /// Features with an objective of their own, by view and name.
    pub(super) features: Vec<WatchedFeature>,
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

/// A feature with an objective of its own.
pub(super) struct WatchedFeature {
    pub(super) view: VersionId,
    pub(super) name: Name,
    pub(super) within: Option<Span>,
    /// In percent.
    pub(super) target: f64,
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
            let within = view.freshness.and_then(|freshness| Some((freshness.objective?, freshness.target)));
            if within.is_none() && view.feature_freshness.is_empty() {
                continue;
            }
            let name = registered.first_source_of(view)?.name.to_string();
            let source = sources
                .entry(name.clone())
                .or_insert_with(|| WatchedSource { name, ..WatchedSource::default() });
            source.views.extend(within.map(|(within, target)| WatchedView {
                id: view.id.clone(),
                within,
                target,
                description: view.about.description.clone(),
            }));
            source.features.extend(view.feature_freshness.iter().map(|(name, freshness)| WatchedFeature {
                view: view.id.clone(),
                name: name.clone(),
                within: freshness.objective,
                target: freshness.target,
            }));
        }
        for source in sources.values_mut() {
            let views = source.views.iter().map(|view| &view.id);
            let views: BTreeSet<&VersionId> =
                views.chain(source.features.iter().map(|one| &one.view)).collect();
            source.reaches = reached(registered, views.iter().copied());
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
        Ok(Self { sources: sources.into_values().collect(), consumers })
    }
}
