//! What an overview says of each view and service.

use std::collections::BTreeMap;

use feature::{Micros, VersionId};
use monitor::{Condition, UpdateFrequency};
use registry::{AuditEntry, Job, RunState};
use serde::{Serialize, Serializer};

use super::view_quality::ViewQuality;
use crate::slo::{ObjectiveStanding, moment_text, some_moment_text};

/// A project at a glance.
#[derive(Clone, Debug, Serialize)]
pub struct Overview {
    /// What the project is called.
    pub project: String,
    /// When.
    #[serde(serialize_with = "moment_text")]
    pub at: Micros,
    /// How many applies changed the registry.
    pub generation: u64,
    /// How many features all views together define.
    pub features: u64,
    /// Every view, worst first.
    pub views: Vec<ViewSummary>,
    /// Every service, worst first.
    pub services: Vec<ServiceSummary>,
    /// The newest changes, newest first; a few.
    pub changes: Vec<AuditEntry>,
}

/// A view at a glance.
#[derive(Clone, Debug, Serialize)]
pub struct ViewSummary {
    /// Which.
    pub id: VersionId,
    /// Whether it is as it should be.
    #[serde(serialize_with = "condition_text")]
    pub condition: Condition,
    /// Why it is not, a sentence each, the worst first.
    pub reasons: Vec<String>,
    /// The entity that it describes.
    pub entity: Option<String>,
    /// The source, or the view, that its rows come from; of an on-demand view all that it reads.
    pub source: String,
    /// How its rows come.
    pub pipeline: PipelineKind,
    /// How often it is to be updated, by what it promises.
    #[serde(serialize_with = "frequency_text")]
    pub frequency: UpdateFrequency,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Its labels.
    pub tags: BTreeMap<String, String>,
    /// How many features it defines.
    pub features: usize,
    /// Until when it is to be used, and why no longer, where it is deprecated.
    pub deprecated: Option<String>,
    /// How its freshness objective stands; `None` without one.
    pub objective: Option<ObjectiveStanding>,
    /// How those of its features stand that have one of their own.
    pub feature_objectives: Vec<ObjectiveStanding>,
    /// The newest event that is online; `None` if none is known.
    #[serde(serialize_with = "some_moment_text")]
    pub newest_event: Option<Micros>,
    /// Why its pipeline is held up, where no objective says it.
    pub held_up: Option<String>,
    /// Since when and why its circuit breaker is open; `None` while it is closed.
    pub breaker: Option<String>,
    /// How long rows took on their way in the last ten minutes, by stage; empty without any.
    pub delays: Vec<StageDelay>,
    /// The newest run that loaded or followed it; `None` if there was none.
    pub newest_load: Option<NewestLoad>,
    /// What is known of the quality of its rows; `None` until it is measured.
    pub quality: Option<ViewQuality>,
    /// How it compares with the version before; `None` if the two were never compared, or there is none.
    pub parity: Option<ParitySummary>,
}

impl ViewSummary {
    /// A view of which nothing is known but where its rows come from.
    pub fn bare(id: VersionId, source: String, pipeline: PipelineKind) -> Self {
        Self {
            id,
            condition: Condition::Fine,
            reasons: Vec::new(),
            entity: None,
            source,
            pipeline,
            frequency: UpdateFrequency::NotPromised,
            owner: None,
            tags: BTreeMap::new(),
            features: 0,
            deprecated: None,
            objective: None,
            feature_objectives: Vec::new(),
            newest_event: None,
            held_up: None,
            breaker: None,
            delays: Vec::new(),
            newest_load: None,
            quality: None,
            parity: None,
        }
    }
}

fn frequency_text<S: Serializer>(frequency: &UpdateFrequency, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(frequency.name())
}

/// A service at a glance.
#[derive(Clone, Debug, Serialize)]
pub struct ServiceSummary {
    /// Which.
    pub id: VersionId,
    /// Whether it is as it should be.
    #[serde(serialize_with = "condition_text")]
    pub condition: Condition,
    /// Why it is not, a sentence each.
    pub reasons: Vec<String>,
    /// Whether it answers the service's own name.
    pub is_live: bool,
    /// For how many of the entities it answers as a canary, in per cent.
    pub canary: Option<String>,
    /// The model that reads it.
    pub model: Option<String>,
    /// Who answers for the model.
    pub model_owner: Option<String>,
    /// Who answers for the service.
    pub owner: Option<String>,
    /// How many features it gives.
    pub features: usize,
    /// Until when it is to be used, and why no longer, where it is deprecated.
    pub deprecated: Option<String>,
    /// How the objective of its consumer stands; `None` without one.
    pub objective: Option<ObjectiveStanding>,
    /// How it compares with the version before.
    pub parity: Option<ParitySummary>,
}

/// How the rows of a view come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PipelineKind {
    /// Loads of files.
    Batch,
    /// A stream, into which rows may be pushed.
    Stream,
    /// Loads of a source without times.
    Static,
    /// The rows of another view.
    Derived,
    /// None: it is computed when it is read.
    OnDemand,
}

impl PipelineKind {
    /// What people call it.
    pub const fn name(self) -> &'static str {
        match self {
            PipelineKind::Batch => "batch",
            PipelineKind::Stream => "stream",
            PipelineKind::Static => "static",
            PipelineKind::Derived => "derived",
            PipelineKind::OnDemand => "on demand",
        }
    }
}

/// How long rows took in one stage of their way.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct StageDelay {
    /// The stage.
    pub stage: &'static str,
    /// For the average row, in seconds, at most.
    pub mean_s: f64,
    /// How many rows.
    pub rows: u64,
}

/// The newest run that loaded or followed a view.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct NewestLoad {
    /// What it does.
    pub job: Job,
    /// How far it is.
    pub state: RunState,
    /// When it began.
    #[serde(serialize_with = "moment_text")]
    pub started_at: Micros,
    /// Why it failed.
    pub error: Option<String>,
    /// Rows that are new in the log.
    pub loaded: u64,
    /// Rows that were refused.
    pub refused: u64,
}

/// The newest comparison with the version before.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ParitySummary {
    /// The version before.
    pub old: VersionId,
    /// When they were compared.
    #[serde(serialize_with = "moment_text")]
    pub at: Micros,
    /// Whether every feature was within its bounds.
    pub passed: bool,
}

fn condition_text<S: Serializer>(condition: &Condition, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(condition.name())
}

impl Overview {
    /// Lists what is bad first, and what is equally so by name.
    pub fn worst_first(&mut self) {
        self.views.sort_by(|a, b| b.condition.cmp(&a.condition).then_with(|| a.id.cmp(&b.id)));
        self.services.sort_by(|a, b| b.condition.cmp(&a.condition).then_with(|| a.id.cmp(&b.id)));
    }

    /// How many views are in a condition.
    pub fn views_that_are(&self, condition: Condition) -> usize {
        self.views.iter().filter(|view| view.condition == condition).count()
    }
}
