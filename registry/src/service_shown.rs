//! What a service takes and gives, for those who are about to call it or train on it.

use feature::{Feature, Field, Fold, Origin, Output, ServicePlan, ServiceRef, VersionId, View};
use serde::Serialize;

use crate::body::{Body, DefinitionId};
use crate::definition::Definition;
use crate::error::RegistryError;
use crate::keys::Kind;
use crate::registered::Registered;

/// What a service takes and gives.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ServiceShown {
    /// The columns that hold join keys, by their role.
    pub keys: Vec<Field>,
    /// The columns that a request or a spine brings besides.
    pub request: Vec<Field>,
    /// Its features, in its order.
    pub features: Vec<ShownFeature>,
}

/// One feature that a service gives.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ShownFeature {
    /// Its name in the service.
    pub name: String,
    /// The type of its value.
    #[serde(rename = "type")]
    pub data_type: feature::DataType,
    /// What its value is measured in.
    pub unit: Option<String>,
    /// What replaces null.
    pub default: Option<String>,
    /// The view that it comes from.
    pub view: VersionId,
    /// Its name there.
    pub feature: String,
    /// What it is.
    pub description: Option<String>,
}

impl Registered {
    /// What a definition takes and gives, where it is a service.
    pub(crate) fn service_shown(
        &self,
        definition: &Definition,
    ) -> Result<Option<ServiceShown>, RegistryError> {
        let Body::FeatureService(service) = &definition.body else { return Ok(None) };
        if self.retirement(&definition.id()).is_some() {
            return self.with_retired().service_shown(definition);
        }
        let plan = self.service_plan(&ServiceRef::Exact(service.id.clone()))?;
        let features = plan.outputs.iter().filter_map(|output| feature(&plan, output)).collect();
        Ok(Some(ServiceShown { keys: plan.keys, request: plan.request, features }))
    }
}

/// A definition or an input where a feature of some name is defined or given.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct FoundFeature {
    /// The view or service.
    #[serde(serialize_with = "id_text")]
    pub of: DefinitionId,
    /// What it is called there.
    pub name: String,
    /// The type of its value.
    #[serde(rename = "type")]
    pub data_type: feature::DataType,
    /// What its value is measured in.
    pub unit: Option<String>,
    /// How it is computed, or where a service takes it from.
    pub what: String,
}

impl FoundFeature {
    /// Every feature that a view defines, in its order.
    pub fn of_view(view: &View) -> impl Iterator<Item = FoundFeature> {
        let of = DefinitionId::versioned(Kind::FeatureView, &view.id);
        view.features.iter().map(move |f| FoundFeature {
            of: of.clone(),
            name: f.name.to_string(),
            data_type: f.data_type,
            unit: f.unit.clone(),
            what: fold_text(view, f),
        })
    }
}

fn id_text<S: serde::Serializer>(id: &DefinitionId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

impl Registered {
    /// Every view that defines a feature of this name, and every service that gives one under it or takes
    /// one of it.
    pub fn features_named(&self, name: &str) -> Result<Vec<FoundFeature>, RegistryError> {
        self.features_where(|other| other == name)
    }

    /// The same of every feature whose name is meant.
    pub fn features_where(
        &self,
        is_meant: impl Fn(&str) -> bool,
    ) -> Result<Vec<FoundFeature>, RegistryError> {
        let mut found = Vec::new();
        for definition in self.definitions() {
            let of = definition.id();
            match &definition.body {
                Body::FeatureView(view) => {
                    found.extend(FoundFeature::of_view(view).filter(|f| is_meant(&f.name)));
                }
                Body::OnDemandView(view) => {
                    found.extend(view.features.iter().filter(|f| is_meant(f.name.as_str())).map(|f| {
                        FoundFeature {
                            of: of.clone(),
                            name: f.name.to_string(),
                            data_type: f.data_type,
                            unit: f.unit.clone(),
                            what: f.expression.clone(),
                        }
                    }));
                }
                Body::FeatureService(_) => {
                    let shown = self.service_shown(definition)?;
                    let given = shown.into_iter().flat_map(|shown| shown.features);
                    found.extend(given.filter(|f| is_meant(&f.name) || is_meant(&f.feature)).map(|f| {
                        FoundFeature {
                            of: of.clone(),
                            what: format!("{} of {}", f.feature, f.view),
                            name: f.name,
                            data_type: f.data_type,
                            unit: f.unit,
                        }
                    }));
                }
                Body::Entity(_) | Body::Source { .. } => {}
            }
        }
        Ok(found)
    }
}

/// How a feature is computed, as its definition says it.
fn fold_text(view: &View, feature: &Feature) -> String {
    let argument = |column: usize| view.columns.get(column).map_or("", |column| column.expression.as_str());
    match feature.fold {
        Fold::Latest { column } => format!("latest {}", argument(column)),
        Fold::Aggregate { function, column, window } => {
            let of = match (column, function.parameter()) {
                (None, _) => String::new(),
                (Some(column), None) => format!("({})", argument(column)),
                (Some(column), Some(_)) => format!(" of {}", argument(column)),
            };
            let over = window.map(|window| format!(" over {}", window.length())).unwrap_or_default();
            format!("{function}{of}{over}")
        }
    }
}

fn feature(plan: &ServicePlan, output: &Output) -> Option<ShownFeature> {
    let (view, name, unit, description, default) = match output.origin {
        Origin::Stored { lookup, feature } => {
            let view = &plan.lookups.get(lookup)?.view;
            let feature = view.features.get(feature)?;
            (&view.id, &feature.name, &feature.unit, &feature.description, &feature.default)
        }
        Origin::Computed { computation, feature } => {
            let view = &plan.computations.get(computation)?.view;
            let feature = view.features.get(feature)?;
            (&view.id, &feature.name, &feature.unit, &feature.description, &feature.default)
        }
    };
    Some(ShownFeature {
        name: output.name.clone(),
        data_type: output.data_type,
        unit: unit.clone(),
        default: default.as_ref().map(ToString::to_string),
        view: view.clone(),
        feature: name.to_string(),
        description: description.clone(),
    })
}
