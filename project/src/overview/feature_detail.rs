//! Everything about one feature.

use feature::{Field, Origin, ServicePlan, ServiceRef, VersionId};
use materializer::{ColumnDay, statistics};
use registry::{DefinitionId, FoundFeature, Kind, Lineage, Registered, Shown};

use super::observer::Observer;
use super::view_detail::kind_of;
use crate::error::ProjectError;
use crate::lineage::graph_in;
use crate::quality::drift::{self, ColumnDrift};

/// Everything about one feature of a view.
#[derive(Clone, Debug)]
pub struct FeatureDetail {
    /// What it is, and where it is defined.
    pub found: FoundFeature,
    /// The view.
    pub view: VersionId,
    /// Whether it is computed when it is read.
    pub is_on_demand: bool,
    /// What it is, in a sentence.
    pub description: Option<String>,
    /// What replaces null.
    pub default: Option<String>,
    /// The column of the view's log that it is computed from; `None` if it counts rows, or is computed when it is read.
    pub column: Option<String>,
    /// The definition of its view.
    pub definition: Shown,
    /// What it is in each version of its view, the first first.
    pub versions: Vec<FeatureVersion>,
    /// What it comes from, and what comes from it.
    pub lineage: Lineage,
    /// The statistics of its column by date, as far as they are counted, the first first.
    pub days: Vec<ColumnDay>,
    /// How far its column has drifted in the last seven days; `None` if that is not known.
    pub drift: Option<ColumnDrift>,
    /// The services that give it.
    pub given_by: Vec<GivenBy>,
}

/// A feature in one version of its view.
#[derive(Clone, PartialEq, Debug)]
pub struct FeatureVersion {
    /// The version.
    pub view: VersionId,
    /// What it is there; `None` if the version has no such feature.
    pub found: Option<FoundFeature>,
}

/// A service that gives a feature.
#[derive(Clone, PartialEq, Debug)]
pub struct GivenBy {
    /// The service.
    pub service: VersionId,
    /// Whether it answers its own name.
    pub is_live: bool,
    /// What it calls the feature.
    pub name: String,
    /// The model that reads it.
    pub model: Option<String>,
    /// Who answers for the model.
    pub owner: Option<String>,
    /// The columns that a read of it takes: join keys first.
    pub takes: Vec<Field>,
}

impl Observer {
    /// Everything about a feature of a view or of an on-demand view; `None` if there is none of this name.
    pub async fn feature(
        &mut self,
        view: &VersionId,
        name: &str,
    ) -> Result<Option<FeatureDetail>, ProjectError> {
        let (registry, registered) = self.now().await?;
        let kind = kind_of(&registered, view);
        let of = DefinitionId::versioned(kind, view);
        let named = registered.features_named(name)?;
        let Some(found) = named.iter().find(|found| found.of == of).cloned() else { return Ok(None) };
        let shown = registry.show(&view.to_string()).await?;
        let Some(definition) = shown.into_iter().find(|shown| shown.listed.kind == kind) else {
            return Ok(None);
        };
        let stored = registered.view(view).ok();
        let (mut description, mut default, mut column) = (None, None, None);
        if let Some(feature) = stored.iter().flat_map(|view| &view.features).find(|f| f.name.as_str() == name)
        {
            description = feature.description.clone();
            default = feature.default.as_ref().map(ToString::to_string);
            let of_log =
                |index: usize| stored.as_ref()?.columns.get(index).map(|column| column.name.to_string());
            column = feature.fold.column().and_then(of_log);
        }
        let on_demand = registered.on_demand_views().find(|other| other.id == *view);
        if let Some(computed) = on_demand
            .and_then(|on_demand| on_demand.features.iter().find(|computed| computed.name.as_str() == name))
        {
            description = computed.description.clone();
            default = computed.default.as_ref().map(ToString::to_string);
        }
        let (mut days, mut drift) = (Vec::new(), None);
        if let (Some(view), Some(column)) = (&stored, &column) {
            let [all, _] = statistics(&self.project().offline()?, view, None).await?;
            let report = drift::of_last_days(view, &all);
            drift = report.and_then(|report| report.columns.into_iter().find(|one| one.column == *column));
            days = all.into_iter().filter(|day| day.column == *column).collect();
        }
        let lineage = graph_in(&registry, &registered, &format!("{view}:{name}")).await?;
        Ok(Some(FeatureDetail {
            versions: versions(&registered, kind, view, &named),
            given_by: given_by(&registered, view, name)?,
            found,
            view: view.clone(),
            is_on_demand: kind == Kind::OnDemandView,
            description,
            default,
            column,
            definition,
            lineage,
            days,
            drift,
        }))
    }
}

/// What a feature is in each version of its view.
fn versions(
    registered: &Registered,
    kind: Kind,
    view: &VersionId,
    named: &[FoundFeature],
) -> Vec<FeatureVersion> {
    let ids = registered.readable().filter(|other| other.name == view.name);
    let version = |id: &VersionId| {
        let of = DefinitionId::versioned(kind, id);
        FeatureVersion { view: id.clone(), found: named.iter().find(|found| found.of == of).cloned() }
    };
    ids.map(version).collect()
}

/// The services that give a feature, under which name, and what a read of each takes.
fn given_by(registered: &Registered, view: &VersionId, name: &str) -> Result<Vec<GivenBy>, ProjectError> {
    let mut found = Vec::new();
    for service in registered.services() {
        let plan = registered.service_plan(&ServiceRef::Exact(service.id.clone()))?;
        for output in plan.outputs.iter().filter(|output| is_of(&plan, output.origin, view, name)) {
            found.push(GivenBy {
                service: service.id.clone(),
                is_live: registered.live(&service.id.name) == Some(service.id.version),
                name: output.name.clone(),
                model: service.consumer.as_ref().map(|consumer| consumer.model.clone()),
                owner: service.consumer.as_ref().and_then(|consumer| consumer.owner.clone()),
                takes: plan.keys.iter().chain(&plan.request).cloned().collect(),
            });
        }
    }
    Ok(found)
}

/// Whether a value comes from this feature of this view.
fn is_of(plan: &ServicePlan, origin: Origin, view: &VersionId, name: &str) -> bool {
    match origin {
        Origin::Stored { lookup, feature } => plan
            .lookups
            .get(lookup)
            .is_some_and(|lookup| lookup.view.id == *view && lookup.view.feature(name) == Some(feature)),
        Origin::Computed { computation, feature } => {
            plan.computations.get(computation).is_some_and(|computation| {
                let found = computation.view.features.get(feature);
                computation.view.id == *view && found.is_some_and(|found| found.name.as_str() == name)
            })
        }
    }
}
