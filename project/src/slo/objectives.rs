//! How every freshness objective stands: from what servers counted, how far pipelines are, and how long rows took.

use std::collections::{BTreeMap, BTreeSet};

use feature::{Freshness, HelpTopic, Micros, Name, Span, VersionId, View};
use materializer::LatencyStage;
use monitor::{MissingRise, PartitionProgress, PipelineFacts, Severity, Stage, StageTime};
use registry::{DefinitionId, Kind, Measured, Registered, Registry};
use serde::{Serialize, Serializer};

use super::cause::{self, before};
use super::counted::{Counted, by_subject};
use super::read_watch::Subject;
use crate::error::ProjectError;
use crate::project::Project;

/// How far back the stages of rows are looked at.
const STAGES_OVER: Span = Span::MINUTE.times(10);

/// How freshness objectives stand.
#[derive(Clone, Debug, Serialize)]
pub struct SloReport {
    /// When.
    #[serde(serialize_with = "moment_text")]
    pub at: Micros,
    /// Each of them: views first, by name, each with those of its features.
    pub objectives: Vec<ObjectiveStanding>,
    /// Of each view whose served values were compared with its log how many of them are what it gives: the same for all.
    pub served: Vec<ObjectiveStanding>,
}

/// How one freshness objective stands.
#[derive(Clone, Debug, Serialize)]
pub struct ObjectiveStanding {
    /// `feature_view`, or `feature_service` for the objective of a consumer.
    pub kind: Kind,
    /// Which.
    pub id: VersionId,
    /// The feature of the view that it is about; `None` for all of it.
    pub feature: Option<Name>,
    /// The model that a service is for.
    pub consumer: Option<String>,
    /// How stale a good read is at most; `None` of a consumer for which that of each view counts.
    pub within: Option<Span>,
    /// The share of good reads that is promised, in percent.
    pub target: f64,
    /// Reads in the window of the budget that count.
    pub reads: u64,
    /// Of these, reads that were too stale.
    pub bad: u64,
    /// Reads of which it is not known.
    pub unknown: u64,
    /// Reads of entities that were never seen.
    pub missing: u64,
    /// The share of good reads, in percent; `None` if no read counts.
    pub attained: Option<f64>,
    /// The share of the error budget that is left, in percent; below 0 where it is overspent.
    pub budget_left: Option<f64>,
    /// How fast the budget burns, by window, the shortest first.
    pub burn: Vec<BurnRate>,
    /// `page` or `ticket`, while an alert fires.
    pub alert: Option<&'static str>,
    /// Since when reads are worse than promised; `None` if they are not now.
    #[serde(serialize_with = "some_moment_text")]
    pub since: Option<Micros>,
    /// The newest event that is online; of a service that of its stalest view.
    #[serde(serialize_with = "some_moment_text")]
    pub newest_event: Option<Micros>,
    /// How old that is, in seconds.
    pub staleness_s: Option<f64>,
    /// The stage that ate the time, while the pipeline is staler than promised.
    pub stage: Option<&'static str>,
    /// Why, in a sentence.
    pub cause: Option<String>,
    /// The operation that helps.
    #[serde(skip)]
    pub help: Option<HelpTopic>,
}

/// How fast a budget burns over a window.
#[derive(Clone, Debug, Serialize)]
pub struct BurnRate {
    /// The window.
    pub window: Span,
    /// How many times as fast as it may; `None` if no read counts.
    pub rate: Option<f64>,
}

/// The share of served values, in percent, that are what the log gives, or an error budget burns. All of them have to be; one of
/// so many that is not is looked at by the alert, and by a breaker with the rule `skew`.
const SERVED_TARGET: f64 = 99.99;

impl ObjectiveStanding {
    /// What it is about, as a sentence names it.
    pub fn name(&self) -> String {
        match &self.feature {
            Some(feature) => format!("{feature} of {}", self.id),
            None => self.id.to_string(),
        }
    }

    /// How fast the budget burns over one window.
    pub fn burn_over(&self, window: Span) -> Option<f64> {
        self.burn.iter().find(|burn| burn.window == window)?.rate
    }
}

/// A moment as JSON has it.
pub(crate) fn moment_text<S: Serializer>(moment: &Micros, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(moment)
}

pub(crate) fn some_moment_text<S: Serializer>(
    moment: &Option<Micros>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match moment {
        Some(moment) => moment_text(moment, serializer),
        None => serializer.serialize_none(),
    }
}

/// How the objectives of this name stand, as `name` or `name@version`; all of them without one.
pub(crate) async fn slo(project: &Project, name: Option<&str>) -> Result<SloReport, ProjectError> {
    let (registry, registered) = project.registry_in_use().await?;
    let now = project.now();
    let pipelines = pipelines(&registry, &registered, now).await?;
    let counted = Counted::read(&registry, now).await?;
    let mut objectives = standings_of(&counted, &registered, &pipelines, now)?;
    let mut served = served_standings(&counted, &registered, now);
    if let Some(name) = name {
        let known: Vec<String> = objectives.iter().map(|one| one.id.to_string()).collect();
        objectives.retain(|one| one.id.to_string() == name || one.id.name.as_str() == name);
        served.retain(|one| one.id.to_string() == name || one.id.name.as_str() == name);
        if objectives.is_empty() {
            return Err(ProjectError::NoObjective { name: name.to_owned(), known });
        }
    }
    Ok(SloReport { at: now, objectives, served })
}

/// How the served values of views stand, of those that are registered and were compared.
fn served_standings(counted: &Counted, registered: &Registered, now: Micros) -> Vec<ObjectiveStanding> {
    let no_pipelines = BTreeMap::new();
    let facts = Facts { registered, pipelines: &no_pipelines, counted, now };
    let of_served = counted.subjects().filter(|subject| subject.measured == Measured::Served);
    let is_registered = |subject: &&Subject| registered.view(&subject.id).is_ok();
    let standing = |subject: &Subject| facts.counted_of(subject.clone(), None, SERVED_TARGET);
    of_served.filter(is_registered).map(standing).filter(|standing| standing.reads > 0).collect()
}

/// How all objectives stand.
pub(crate) async fn standings(
    registry: &Registry,
    registered: &Registered,
    pipelines: &BTreeMap<VersionId, PipelineFacts>,
    now: Micros,
) -> Result<Vec<ObjectiveStanding>, ProjectError> {
    standings_of(&Counted::read(registry, now).await?, registered, pipelines, now)
}

/// How all objectives stand by what was counted.
pub(crate) fn standings_of(
    counted: &Counted,
    registered: &Registered,
    pipelines: &BTreeMap<VersionId, PipelineFacts>,
    now: Micros,
) -> Result<Vec<ObjectiveStanding>, ProjectError> {
    let facts = Facts { registered, pipelines, counted, now };
    let views =
        registered.views().flat_map(|view| facts.of_view(view).into_iter().chain(facts.of_features(view)));
    let services = registered.services().filter_map(|service| {
        let consumer = service.consumer.as_ref()?;
        Some(facts.of_service(&service.id, &consumer.model, consumer.freshness?))
    });
    let mut objectives: Vec<ObjectiveStanding> = views.collect();
    for service in services {
        objectives.push(service?);
    }
    Ok(objectives)
}

/// These views, and the services that read them with their models.
pub(crate) fn reached<'v>(
    registered: &Registered,
    views: impl Iterator<Item = &'v VersionId> + Clone,
) -> Vec<String> {
    let mut names: Vec<String> = views.clone().map(VersionId::to_string).collect();
    for view in views {
        let readers = registered.dependents(&DefinitionId::versioned(Kind::FeatureView, view));
        for reader in readers.into_iter().filter(|reader| reader.kind == Kind::FeatureService) {
            let model = reader.consumer.map(|model| format!(" (model {model})")).unwrap_or_default();
            let name = format!("{}{model}", reader.id);
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

/// What is known of the pipeline of each view.
pub(crate) async fn pipelines(
    registry: &Registry,
    registered: &Registered,
    now: Micros,
) -> Result<BTreeMap<VersionId, PipelineFacts>, ProjectError> {
    let mut pipelines = BTreeMap::new();
    let mut counted: BTreeMap<VersionId, Vec<registry::Freshness>> = BTreeMap::new();
    for times in registry.freshness_of_all(before(now, STAGES_OVER), now).await? {
        counted.entry(times.view.clone()).or_default().push(times);
    }
    let backfills = registry.backfills().await?;
    let records = backfills.iter().map(|kept| &kept.record);
    let open: BTreeSet<&VersionId> = records.filter(|one| one.state.is_open()).map(|one| &one.view).collect();
    for view in registered.views().filter(|view| !view.is_static) {
        let times = counted.remove(&view.id).unwrap_or_default();
        let mut facts = PipelineFacts {
            is_streamed: registered.source_of(view)?.stream.is_some(),
            has_open_backfill: open.contains(&view.id),
            ..PipelineFacts::default()
        };
        for stage in Stage::ALL {
            let of_stage = times.iter().filter(|time| stage_of(&time.stage) == Some(stage));
            let mut time = StageTime { stage, total_us: 0, rows: 0 };
            for rows in of_stage {
                // Each row is taken for as slow as its bucket may be.
                let edge_us = rows.edge_us.map_or(STAGES_OVER.micros() as u64, |edge| edge.unsigned_abs());
                time.total_us = time.total_us.saturating_add(edge_us.saturating_mul(rows.rows));
                time.rows += rows.rows;
            }
            facts.times.push(time);
        }
        pipelines.insert(view.id.clone(), facts);
    }
    for one in registry.progress().await? {
        let Some(facts) = pipelines.get_mut(&one.view) else { continue };
        facts.progress.push(PartitionProgress {
            partition: one.partition,
            newest: one.newest,
            received_at: one.received_at,
            lag: one.lag,
            updated_at: one.updated_at,
            stuck: one.stuck.and_then(|(stage, why)| Some((cause::stage(&stage)?, why))),
        });
    }
    Ok(pipelines)
}

/// The stage that the metrics of streams call so; `None` of those that span several.
fn stage_of(name: &str) -> Option<Stage> {
    let latency = LatencyStage::ALL.into_iter().find(|stage| stage.name() == name)?;
    stage_of_latency(latency)
}

/// The stage of a row's way in which a stream spent a time; `None` of those that span several.
pub(crate) fn stage_of_latency(stage: LatencyStage) -> Option<Stage> {
    match stage {
        LatencyStage::Event => Some(Stage::Source),
        LatencyStage::Received => Some(Stage::Broker),
        LatencyStage::Transformed => Some(Stage::Transform),
        LatencyStage::Acknowledged => Some(Stage::OnlineWrite),
        LatencyStage::Committed => Some(Stage::Commit),
        LatencyStage::Readable | LatencyStage::Fresh => None,
    }
}

/// The views of which more reads find no row than before.
pub(crate) async fn rises_of_missing(
    registry: &Registry,
    now: Micros,
) -> Result<Vec<(VersionId, MissingRise)>, ProjectError> {
    let minutes = registry.reads(Span::MINUTE, before(now, Span::HOUR.times(2))).await?;
    let rises = by_subject(minutes).into_iter().filter_map(|(Subject { kind, id, measured }, minutes)| {
        (kind == Kind::FeatureView && measured == Measured::Reads).then_some(())?;
        Some((id, MissingRise::at(&minutes, now)?))
    });
    Ok(rises.collect())
}

/// What standings are made of.
struct Facts<'a> {
    registered: &'a Registered,
    pipelines: &'a BTreeMap<VersionId, PipelineFacts>,
    counted: &'a Counted,
    now: Micros,
}

impl Facts<'_> {
    /// `None` of a view without an objective.
    fn of_view(&self, view: &View) -> Option<ObjectiveStanding> {
        Some(self.standing(view, Measured::Reads, view.freshness?))
    }

    /// Those of a view's features that have objectives of their own.
    fn of_features(&self, view: &View) -> Vec<ObjectiveStanding> {
        let standing = |(name, freshness): (&Name, &Freshness)| {
            self.standing(view, Measured::Feature(name.clone()), *freshness)
        };
        view.feature_freshness.iter().map(standing).collect()
    }

    fn standing(&self, view: &View, measured: Measured, freshness: Freshness) -> ObjectiveStanding {
        let subject = Subject::view(&view.id, measured);
        let mut standing = self.counted_of(subject, freshness.objective, freshness.target);
        if let Some(within) = freshness.objective {
            self.add_cause(&mut standing, view, within);
        }
        standing
    }

    fn of_service(
        &self,
        id: &VersionId,
        model: &str,
        freshness: Freshness,
    ) -> Result<ObjectiveStanding, ProjectError> {
        let subject = Subject::service(id);
        let mut standing = self.counted_of(subject, freshness.objective, freshness.target);
        standing.consumer = Some(model.to_owned());
        let plan = self.registered.service_plan(&feature::ServiceRef::Exact(id.clone()))?;
        let newest = |view: &View| self.pipelines.get(&view.id).and_then(PipelineFacts::newest);
        let watched = plan.lookups.iter().map(|lookup| &lookup.view).filter_map(|view| {
            let own = view.freshness.and_then(|freshness| freshness.objective);
            Some((view, freshness.objective.or(own).filter(|_| !view.is_static)?))
        });
        if let Some((stalest, within)) = watched.min_by_key(|(view, _)| newest(view)) {
            self.add_cause(&mut standing, stalest, within);
        }
        Ok(standing)
    }

    fn counted_of(&self, subject: Subject, within: Option<Span>, target: f64) -> ObjectiveStanding {
        let standing = self.counted.standing(&subject, target, self.now);
        let percent = |share: Option<f64>| share.map(|share| share * 100.0);
        let Subject { kind, id, measured } = subject;
        ObjectiveStanding {
            kind,
            id,
            feature: match measured {
                Measured::Feature(name) => Some(name),
                Measured::Reads | Measured::Served => None,
            },
            consumer: None,
            within,
            target,
            reads: standing.counts.counted(),
            bad: standing.counts.bad,
            unknown: standing.counts.unknown,
            missing: standing.counts.missing,
            attained: percent(standing.attained),
            budget_left: percent(standing.budget_left),
            alert: standing.severity.map(Severity::name),
            since: standing.since,
            burn: standing.burns.iter().map(|b| BurnRate { window: b.window, rate: b.rate }).collect(),
            newest_event: None,
            staleness_s: None,
            stage: None,
            cause: None,
            help: None,
        }
    }

    /// How far the pipeline is, and why it is not further.
    fn add_cause(&self, standing: &mut ObjectiveStanding, view: &View, within: Span) {
        let Some(pipeline) = self.pipelines.get(&view.id) else { return };
        standing.newest_event = pipeline.newest();
        standing.staleness_s = pipeline.newest().map(|newest| self.now.since(newest) as f64 / 1e6);
        let Some(cause) = pipeline.cause(within, self.now) else { return };
        let source =
            self.registered.first_source_of(view).map_or("its source", |source| source.name.as_str());
        standing.stage = Some(cause.stage().name());
        standing.cause = Some(cause::sentence(view, source, &cause));
        standing.help = cause::help(view, pipeline, &cause);
    }
}
