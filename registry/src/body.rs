//! What a definition says, by its kind, and what it is called.

use std::fmt;

use feature::{About, Field, Name, OnDemandView, Service, Source, Take, VersionId, View};
use serde::{Deserialize, Serialize};

use crate::keys::Kind;

/// What features describe, and its join keys.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Entity {
    /// What it is called.
    pub name: Name,
    /// Its join keys and their types, in an order that counts.
    pub keys: Vec<Field>,
    /// Who answers for it, and what it is.
    pub about: About,
}

/// What a definition is called: unlike any other of its kind, where feature views and on-demand
/// views count as one kind.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
pub struct DefinitionId {
    /// What it defines.
    pub kind: Kind,
    /// Its name.
    pub name: Name,
    /// Its version; `None` for entities and sources, which have none.
    pub version: Option<u32>,
}

impl DefinitionId {
    /// A definition of a kind that has versions.
    pub fn versioned(kind: Kind, id: &VersionId) -> Self {
        Self { kind, name: id.name.clone(), version: Some(id.version) }
    }

    /// The name and version of a view or a service; `None` for entities and sources.
    pub fn version_id(&self) -> Option<VersionId> {
        Some(VersionId { name: self.name.clone(), version: self.version? })
    }

    /// `name`, or `name@version`.
    pub fn reference(&self) -> String {
        self.version_id().map_or_else(|| self.name.to_string(), |id| id.to_string())
    }
}

impl fmt::Display for DefinitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.name(), self.reference())
    }
}

/// What a definition says, by its kind.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// What features describe.
    Entity(Entity),
    /// Where rows come from.
    Source {
        /// What other crates read.
        source: Source,
        /// Who answers for it, and what it is.
        about: About,
    },
    /// Folds over a source.
    FeatureView(View),
    /// Expressions over features.
    OnDemandView(OnDemandView),
    /// The features of a model.
    FeatureService(Service),
}

impl Body {
    /// What it is called.
    pub fn id(&self) -> DefinitionId {
        match self {
            Body::Entity(entity) => {
                DefinitionId { kind: Kind::Entity, name: entity.name.clone(), version: None }
            }
            Body::Source { source, .. } => {
                DefinitionId { kind: Kind::Source, name: source.name.clone(), version: None }
            }
            Body::FeatureView(view) => DefinitionId::versioned(Kind::FeatureView, &view.id),
            Body::OnDemandView(view) => DefinitionId::versioned(Kind::OnDemandView, &view.id),
            Body::FeatureService(service) => DefinitionId::versioned(Kind::FeatureService, &service.id),
        }
    }

    /// How many features it defines or gives; `None` for entities and sources. Of a view of which a service names no
    /// feature it gives all: `defined` finds the view.
    pub(crate) fn features<'d>(&self, defined: impl Fn(&DefinitionId) -> Option<&'d Body>) -> Option<usize> {
        match self {
            Body::Entity(_) | Body::Source { .. } => None,
            Body::FeatureView(view) => Some(view.features.len()),
            Body::OnDemandView(view) => Some(view.features.len()),
            Body::FeatureService(service) => {
                let all_of = |view: &VersionId| {
                    let mut kinds = [Kind::FeatureView, Kind::OnDemandView].into_iter();
                    match kinds.find_map(|kind| defined(&DefinitionId::versioned(kind, view)))? {
                        Body::FeatureView(view) => Some(view.features.len()),
                        Body::OnDemandView(view) => Some(view.features.len()),
                        Body::Entity(_) | Body::Source { .. } | Body::FeatureService(_) => None,
                    }
                };
                let given = |take: &Take| take.take.as_ref().map(Vec::len).or_else(|| all_of(&take.from));
                service.features.iter().map(given).sum()
            }
        }
    }
}
