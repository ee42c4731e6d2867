//! Two versions of a view or of a service, read together: which of their features are the same one, and within which
//! bounds they may differ.

use std::collections::BTreeMap;

use feature::{ExpectedChange, Origin, Output, ServicePlan, Take, VersionId};

use crate::body::{Body, DefinitionId};
use crate::catalog::Planner;
use crate::definition::Definition;
use crate::error::RegistryError;
use crate::keys::Kind;
use crate::nearest::did_you_mean_or_list;
use crate::registered::Registered;

/// Two versions and a plan that reads the features of both.
#[derive(Clone, PartialEq, Debug)]
pub struct SideBySide {
    /// The old version.
    pub old: DefinitionId,
    /// The new version.
    pub new: DefinitionId,
    /// The semantic hash of the old version, in hexadecimal.
    pub old_hash: String,
    /// The semantic hash of the new version, in hexadecimal.
    pub new_hash: String,
    /// A read of all features of both, each named `version:feature`.
    pub plan: ServicePlan,
    /// The features that both versions have, in the order of the new one.
    pub matched: Vec<Matched>,
    /// The features of the old version only.
    pub only_old: Vec<String>,
    /// The features of the new version only.
    pub only_new: Vec<String>,
}

/// A feature that both versions have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Matched {
    /// Its name.
    pub name: String,
    /// Its index among the plan's outputs in the old version.
    pub old: usize,
    /// Its index in the new version.
    pub new: usize,
    /// The change that is declared of it.
    pub expected: Option<ExpectedChange>,
}

impl Registered {
    /// Two versions read together; refused where they are not two, not of one kind, or cannot be read for the same
    /// entities.
    pub fn side_by_side(&self, old: &VersionId, new: &VersionId) -> Result<SideBySide, RegistryError> {
        let (old, new) = (self.version(old)?, self.version(new)?);
        let (old_id, new_id) = (old.id(), new.id());
        self.in_use(&old_id)?;
        self.in_use(&new_id)?;
        let apart = |why: String| {
            let (old, new) = (old_id.reference(), new_id.reference());
            RegistryError::NotComparable { old, new, why }
        };
        if old_id == new_id {
            return Err(apart("they are one version: name another".to_owned()));
        }
        if old_id.kind != new_id.kind {
            let why =
                format!("the first is a {} and the second a {}", old_id.kind.name(), new_id.kind.name());
            return Err(apart(why));
        }
        if let (Body::FeatureView(one), Body::FeatureView(other)) = (&old.body, &new.body)
            && one.keys != other.keys
        {
            let keys = |view: &feature::View| {
                let keys: Vec<String> =
                    view.keys.iter().map(|key| format!("{} ({})", key.name, key.data_type)).collect();
                keys.join(", ")
            };
            return Err(apart(format!("their join keys are {} and {}", keys(one), keys(other))));
        }
        let mut planner = Planner::new(self.catalog());
        let mut outputs = Vec::new();
        let mut sides = [BTreeMap::new(), BTreeMap::new()];
        let mut order = Vec::new();
        for (side, definition) in sides.iter_mut().zip([old, new]) {
            order.clear();
            for take in takes(definition) {
                for (name, data_type, origin) in planner.take(&take).map_err(&apart)? {
                    side.insert(name.clone(), outputs.len());
                    order.push(name.clone());
                    let name = format!("{}:{name}", definition.id().reference());
                    outputs.push(Output { name, data_type, origin });
                }
            }
        }
        let plan = planner.finish(
            VersionId { name: new_id.name.clone(), version: new_id.version.unwrap_or(1) },
            String::new(),
            outputs,
        );
        let [olds, news] = &sides;
        let matched = order.iter().filter_map(|name| {
            let (old, new_index) = (*olds.get(name)?, *news.get(name)?);
            Some(Matched {
                name: name.clone(),
                old,
                new: new_index,
                expected: expected(&plan, new, name, new_index),
            })
        });
        let only = |own: &BTreeMap<String, usize>, other: &BTreeMap<String, usize>| {
            own.keys().filter(|name| !other.contains_key(*name)).cloned().collect()
        };
        Ok(SideBySide {
            matched: matched.collect(),
            only_old: only(olds, news),
            only_new: only(news, olds),
            old_hash: old.hash.clone(),
            new_hash: new.hash.clone(),
            old: old_id,
            new: new_id,
            plan,
        })
    }

    /// The view or service of this version.
    fn version(&self, id: &VersionId) -> Result<&Definition, RegistryError> {
        let versions = || self.definitions().filter(|definition| definition.id().version.is_some());
        let is_meant = |definition: &&Definition| definition.id().version_id().as_ref() == Some(id);
        // A view and a service may have one name: the one that has consumers is meant.
        versions().filter(is_meant).max_by_key(|definition| definition.id().kind).ok_or_else(|| {
            let names: Vec<String> = versions().map(|definition| definition.id().reference()).collect();
            let hint = did_you_mean_or_list(&id.to_string(), names.iter().map(String::as_str));
            RegistryError::Unknown { kind: "view or service", name: id.to_string(), hint }
        })
    }
}

/// What a view or a service gives, as choices of features.
fn takes(definition: &Definition) -> Vec<Take> {
    match &definition.body {
        Body::FeatureService(service) => service.features.clone(),
        Body::FeatureView(_) | Body::OnDemandView(_) => {
            let from = definition.id().version_id();
            from.map(|from| Take { from, on: BTreeMap::new(), take: None, prefix: String::new() })
                .into_iter()
                .collect()
        }
        Body::Entity(_) | Body::Source { .. } => Vec::new(),
    }
}

/// The change that is declared of an output: by the definition itself, or by the view that it comes from.
fn expected(plan: &ServicePlan, new: &Definition, name: &str, output: usize) -> Option<ExpectedChange> {
    let about = match &new.body {
        Body::FeatureView(view) => &view.about,
        Body::OnDemandView(view) => &view.about,
        Body::FeatureService(service) => &service.about,
        Body::Entity(_) | Body::Source { .. } => return None,
    };
    if let Some(own) = about.expect_change.get(name) {
        return Some(own.clone());
    }
    let (about, feature) = match plan.outputs.get(output)?.origin {
        Origin::Stored { lookup, feature } => {
            let view = &plan.lookups.get(lookup)?.view;
            (&view.about, &view.features.get(feature)?.name)
        }
        Origin::Computed { computation, feature } => {
            let view = &plan.computations.get(computation)?.view;
            (&view.about, &view.features.get(feature)?.name)
        }
    };
    about.expect_change.get(feature.as_str()).cloned()
}

impl SideBySide {
    /// Whether services are compared.
    pub fn is_of_services(&self) -> bool {
        self.new.kind == Kind::FeatureService
    }

    /// The declared changes by which a report of these versions checks, as one text.
    pub fn expected_text(&self) -> String {
        let declared: BTreeMap<&str, &ExpectedChange> =
            self.matched.iter().filter_map(|one| Some((one.name.as_str(), one.expected.as_ref()?))).collect();
        serde_json::to_string(&declared).expect("invariant: names and bounds are JSON")
    }
}
