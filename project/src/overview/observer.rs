//! A project opened by whoever looks at it again and again.

use std::collections::BTreeMap;
use std::sync::Arc;

use feature::{ServiceRef, Span, VersionId, View};
use monitor::{Cause, PipelineFacts, StageTime, UpdateFrequency};
use registry::{
    AuditEntry, DefinitionId, Deprecated, KeptParity, Kind, Registered, Registry, RunOutcome, RunRecord,
};

use super::condition;
use super::summary::{
    NewestLoad, Overview, ParitySummary, PipelineKind, ServiceSummary, StageDelay, ViewSummary,
};
use super::view_quality::{self, ViewQuality};
use crate::breakers::open_breakers;
use crate::error::ProjectError;
use crate::exploring::{SearchResult, search_in};
use crate::followed_registry::FollowedRegistry;
use crate::project::Project;
use crate::quality::drift::DriftReport;
use crate::slo::{Counted, ObjectiveStanding, cause_sentence, pipelines, standings_of};

/// Changes that an overview shows.
const NEWEST_CHANGES: u32 = 8;

/// A project opened for looking at it. Definitions are read again only when they have changed, and of counted reads only
/// what may have grown.
pub struct Observer {
    project: Project,
    registry: FollowedRegistry,
    registered: Arc<Registered>,
    counted: Counted,
}

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Observer").field("project", &self.project).finish_non_exhaustive()
    }
}

impl Observer {
    pub(crate) async fn open(project: &Project) -> Result<Self, ProjectError> {
        let (registry, registered) = project.registry_in_use().await?;
        let mut registry = FollowedRegistry::new(registry);
        registry.takes_on(&registered);
        Ok(Self {
            project: project.clone(),
            registry,
            registered: Arc::new(registered),
            counted: Counted::default(),
        })
    }

    /// The project.
    pub fn project(&self) -> &Project {
        &self.project
    }

    /// The registry and what it holds now.
    pub(super) async fn now(&mut self) -> Result<(Registry, Arc<Registered>), ProjectError> {
        if let Some(registered) = self.registry.changed(&self.project).await? {
            // It may be another registry, with other counts.
            self.counted = Counted::default();
            self.registry.takes_on(&registered);
            self.registered = Arc::new(registered);
        }
        Ok((self.registry.registry().clone(), Arc::clone(&self.registered)))
    }

    /// The project at a glance, without the quality of its rows.
    pub async fn overview(&mut self) -> Result<Overview, ProjectError> {
        let (registry, registered) = self.now().await?;
        let now = self.project.now();
        let facts = pipelines(&registry, &registered, now).await?;
        self.counted.follow(&registry, now).await?;
        let objectives = standings_of(&self.counted, &registered, &facts, now)?;
        let gathered = Gathered {
            registered: &registered,
            feature_objectives: of_features(&objectives),
            objectives: by_subject(objectives),
            loads: registry.newest_loads().await?.into_iter().map(|run| (run.subject.clone(), run)).collect(),
            parities: by_new_version(registry.parities().await?),
            pipelines: facts,
            breakers: open_breakers(&registry, now).await?,
            now,
        };
        let stored = registered.views().map(|view| gathered.view(view));
        let on_demand = registered.on_demand_views().map(|view| gathered.on_demand(view));
        let services = registered.services().map(|service| gathered.service(service));
        let views: Vec<ViewSummary> = stored.chain(on_demand).collect();
        let mut overview = Overview {
            project: self.project.settings.project.clone(),
            at: now,
            generation: registered.generation(),
            features: views.iter().map(|view| view.features as u64).sum(),
            views,
            services: services.collect::<Result<_, _>>()?,
            changes: registry.newest_changes(None, NEWEST_CHANGES).await?,
        };
        overview.worst_first();
        Ok(overview)
    }

    /// What is known of the quality of a view's rows; nothing bad of a view that has none.
    pub async fn quality_of(&mut self, view: &VersionId) -> ViewQuality {
        self.quality_and_drift(view).await.0
    }

    /// The same with the drift of each column, where statistics are kept.
    pub(super) async fn quality_and_drift(&self, view: &VersionId) -> (ViewQuality, Option<DriftReport>) {
        let now = self.project.now();
        match self.registered.view(view) {
            Ok(view) => view_quality::measure(self.project.offline(), &view, now).await,
            Err(_) => (ViewQuality::at(now), None),
        }
    }

    /// The newest changes before this entry of the audit log, newest first; at most `limit`.
    pub async fn changes(
        &mut self,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, ProjectError> {
        let (registry, _) = self.now().await?;
        Ok(registry.newest_changes(before, limit).await?)
    }

    /// What has a text in its name, its description or the names of its features.
    pub async fn search(&mut self, text: &str) -> Result<SearchResult, ProjectError> {
        let (_, registered) = self.now().await?;
        search_in(&registered, text)
    }
}

/// What summaries are made of.
struct Gathered<'a> {
    registered: &'a Registered,
    objectives: BTreeMap<(Kind, VersionId), ObjectiveStanding>,
    feature_objectives: BTreeMap<VersionId, Vec<ObjectiveStanding>>,
    loads: BTreeMap<VersionId, RunRecord>,
    parities: BTreeMap<(Kind, VersionId), ParitySummary>,
    pipelines: BTreeMap<VersionId, PipelineFacts>,
    breakers: BTreeMap<VersionId, String>,
    now: feature::Micros,
}

/// Those of features, by their views.
fn of_features(objectives: &[ObjectiveStanding]) -> BTreeMap<VersionId, Vec<ObjectiveStanding>> {
    let mut by_view: BTreeMap<VersionId, Vec<ObjectiveStanding>> = BTreeMap::new();
    for one in objectives.iter().filter(|one| one.feature.is_some()) {
        by_view.entry(one.id.clone()).or_default().push(one.clone());
    }
    by_view
}

fn by_subject(objectives: Vec<ObjectiveStanding>) -> BTreeMap<(Kind, VersionId), ObjectiveStanding> {
    let of_all = objectives.into_iter().filter(|one| one.feature.is_none());
    of_all.map(|one| ((one.kind, one.id.clone()), one)).collect()
}

/// Of each new version its newest comparison.
fn by_new_version(mut parities: Vec<KeptParity>) -> BTreeMap<(Kind, VersionId), ParitySummary> {
    parities.sort_by_key(|kept| kept.at);
    let summary = |kept: KeptParity| {
        let summary = ParitySummary { old: kept.old, at: kept.at, passed: kept.passed };
        ((kept.kind, kept.new), summary)
    };
    parities.into_iter().map(summary).collect()
}

impl Gathered<'_> {
    fn view(&self, view: &View) -> ViewSummary {
        let subject = (Kind::FeatureView, view.id.clone());
        let facts = self.pipelines.get(&view.id);
        let is_streamed = facts.is_some_and(|facts| facts.is_streamed);
        let pipeline = match () {
            () if view.source.input().is_some() => PipelineKind::Derived,
            () if view.is_static => PipelineKind::Static,
            () if is_streamed => PipelineKind::Stream,
            () => PipelineKind::Batch,
        };
        let source = match view.source.input() {
            Some(input) => input.to_string(),
            None => view.source.name().map(ToString::to_string).unwrap_or_default(),
        };
        let mut summary = ViewSummary {
            entity: Some(view.entity.to_string()),
            frequency: UpdateFrequency::of(view.freshness.and_then(|freshness| freshness.objective)),
            owner: view.about.owner.clone(),
            tags: view.about.tags.clone(),
            features: view.features.len(),
            deprecated: self.deprecated(&subject),
            objective: self.objectives.get(&subject).cloned(),
            feature_objectives: self.feature_objectives.get(&view.id).cloned().unwrap_or_default(),
            newest_event: facts.and_then(PipelineFacts::newest),
            breaker: self.breakers.get(&view.id).cloned(),
            held_up: facts.and_then(|facts| self.held_up(view, facts)),
            delays: facts.map(|facts| facts.times.iter().filter_map(delay).collect()).unwrap_or_default(),
            newest_load: self.loads.get(&view.id).map(newest_load),
            parity: self.parities.get(&subject).cloned(),
            ..ViewSummary::bare(view.id.clone(), source, pipeline)
        };
        (summary.condition, summary.reasons) = condition::of_view(&summary);
        summary
    }

    fn on_demand(&self, view: &feature::OnDemandView) -> ViewSummary {
        let subject = (Kind::OnDemandView, view.id.clone());
        let inputs: Vec<String> = view.inputs.iter().map(|take| take.from.to_string()).collect();
        let mut summary = ViewSummary {
            owner: view.about.owner.clone(),
            tags: view.about.tags.clone(),
            features: view.features.len(),
            deprecated: self.deprecated(&subject),
            parity: self.parities.get(&subject).cloned(),
            ..ViewSummary::bare(view.id.clone(), inputs.join(", "), PipelineKind::OnDemand)
        };
        (summary.condition, summary.reasons) = condition::of_view(&summary);
        summary
    }

    fn service(&self, service: &feature::Service) -> Result<ServiceSummary, ProjectError> {
        let subject = (Kind::FeatureService, service.id.clone());
        let rollout = self.registered.rollout(&service.id.name);
        let canary = rollout.and_then(|rollout| rollout.canary.as_ref());
        let canary = canary.filter(|canary| canary.version == service.id);
        let plan = self.registered.service_plan(&ServiceRef::Exact(service.id.clone()))?;
        let mut summary = ServiceSummary {
            id: service.id.clone(),
            condition: monitor::Condition::Fine,
            reasons: Vec::new(),
            is_live: self.registered.live(&service.id.name) == Some(service.id.version),
            canary: canary.map(|canary| canary.percent.to_string()),
            model: service.consumer.as_ref().map(|consumer| consumer.model.clone()),
            model_owner: service.consumer.as_ref().and_then(|consumer| consumer.owner.clone()),
            owner: service.about.owner.clone(),
            features: plan.outputs.len(),
            deprecated: self.deprecated(&subject),
            objective: self.objectives.get(&subject).cloned(),
            parity: self.parities.get(&subject).cloned(),
        };
        (summary.condition, summary.reasons) = condition::of_service(&summary);
        Ok(summary)
    }

    /// Why a pipeline without an objective is held up: it may be as old as it likes, and still be stuck.
    fn held_up(&self, view: &View, facts: &PipelineFacts) -> Option<String> {
        let has_objective = view.freshness.is_some_and(|freshness| freshness.objective.is_some());
        let cause = facts.cause(Span::MINUTE, self.now).filter(|_| !has_objective)?;
        matches!(cause, Cause::Stuck { .. } | Cause::ClockAhead(_)).then(|| {
            let source = self.registered.first_source_of(view);
            cause_sentence(view, source.map_or("its source", |source| source.name.as_str()), &cause)
        })
    }

    fn deprecated(&self, (kind, id): &(Kind, VersionId)) -> Option<String> {
        let version = DefinitionId::versioned(*kind, id);
        let deprecation = self.registered.deprecation(&version)?.clone();
        Some(Deprecated { version, deprecation }.to_string())
    }
}

fn delay(time: &StageTime) -> Option<StageDelay> {
    let mean_s = time.total_us as f64 / time.rows as f64 / 1e6;
    (time.rows > 0).then(|| StageDelay { stage: time.stage.name(), mean_s, rows: time.rows })
}

fn newest_load(run: &RunRecord) -> NewestLoad {
    let rows = match &run.outcome {
        Some(RunOutcome::Load { rows, .. } | RunOutcome::Stream { rows, .. }) => Some(rows),
        _ => None,
    };
    NewestLoad {
        job: run.job,
        state: run.state_now(),
        started_at: run.started_at,
        error: run.error.clone(),
        loaded: rows.map(|rows| rows.loaded).unwrap_or_default(),
        refused: rows.map(registry::RowCounts::refused_rows).unwrap_or_default(),
    }
}
