//! Training sets that were recorded, and the versions that each of them pins.

use std::collections::BTreeSet;

use feature::VersionId;
use serde::Serialize;

use crate::body::DefinitionId;
use crate::keys::Kind;
use crate::lineage::{RunOutcome, RunRecord};

/// A training set that was recorded.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub struct PinnedTrainingSet {
    /// The file, as it was named.
    pub file: String,
    /// The service version that it was built of.
    pub service: VersionId,
    /// The view versions that it was built from.
    #[serde(skip)]
    pub views: BTreeSet<VersionId>,
}

impl PinnedTrainingSet {
    pub(crate) fn of(run: &RunRecord) -> Option<Self> {
        match &run.outcome {
            Some(RunOutcome::TrainingSet { file, views, .. }) => Some(Self {
                file: file.clone(),
                service: run.subject.clone(),
                views: views.iter().map(|read| read.view.clone()).collect(),
            }),
            _ => None,
        }
    }

    /// Whether it was built of this version, or from it.
    pub(crate) fn pins(&self, id: &DefinitionId) -> bool {
        match (id.kind, id.version_id()) {
            (Kind::FeatureService, Some(version)) => self.service == version,
            (Kind::FeatureView, Some(version)) => self.views.contains(&version),
            _ => false,
        }
    }
}
