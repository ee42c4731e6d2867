//! What can be defined.

use serde::{Deserialize, Serialize};

/// What can be defined.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// What features describe, and its join keys.
    Entity,
    /// Where rows come from.
    Source,
    /// Folds over one source for one entity.
    FeatureView,
    /// Expressions over features and what a request brings.
    OnDemandView,
    /// The features that one model reads.
    FeatureService,
}

impl Kind {
    /// Every kind, in the order in which definitions are resolved and documented.
    pub const ALL: [Kind; 5] =
        [Kind::Entity, Kind::Source, Kind::FeatureView, Kind::OnDemandView, Kind::FeatureService];

    /// The name that definitions use.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Entity => "entity",
            Kind::Source => "source",
            Kind::FeatureView => "feature_view",
            Kind::OnDemandView => "on_demand_view",
            Kind::FeatureService => "feature_service",
        }
    }

    /// Whether its definitions have versions.
    pub const fn is_versioned(self) -> bool {
        matches!(self, Kind::FeatureView | Kind::OnDemandView | Kind::FeatureService)
    }

    pub(crate) fn named(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}
