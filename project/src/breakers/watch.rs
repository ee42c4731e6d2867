//! What goes on beside a server or a stream for circuit breakers: each view's rules are checked again and again, and its
//! breaker is opened, held open or closed. A process that cannot check a rule, as it does not follow the stream, closes
//! nothing that this rule has opened.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use feature::{Breaker, Micros, Name, OpenAnswer, VersionId, View, have_common_feature};
use materializer::statistics;
use monitor::{BreakerStep, ShareWindow, breaker_step};
use registry::{BreakerRecord, Reason, Registry, RegistryError};
use tokio_util::sync::CancellationToken;

use super::rules::{self, KnownDrift, Ruling};
use super::{Opens, SETTLED, close_with, drop_rows, open_with};
use crate::background::Background;
use crate::error::ProjectError;
use crate::followed_registry::FollowedRegistry;
use crate::project::Project;
use crate::quality::drift::of_newest_day;
use crate::served::ServedCounts;
use crate::slo::{ReadWatch, before};
use crate::streaming::StreamStatus;

/// The time between two looks.
const EVERY: Duration = Duration::from_secs(2);
/// The time between two looks at statistics, which are read from their table.
const STATISTICS_EVERY: Duration = Duration::from_secs(20);
/// How often rows are dropped that nobody reads any more.
const DROP_EVERY: Duration = Duration::from_secs(60);

/// What rules are checked with.
#[derive(Clone)]
pub(crate) struct Evidence {
    /// The streams that are followed here.
    pub(crate) stream_status: Arc<StreamStatus>,
    /// The answers that were compared here; `None` where nobody is answered.
    pub(crate) served: Option<Arc<ServedCounts>>,
    /// How far pipelines are; `None` where nobody is answered.
    pub(crate) reads: Option<Arc<ReadWatch>>,
}

/// The task.
pub(crate) struct BreakerWatch {
    task: Background<()>,
}

impl BreakerWatch {
    /// Begins.
    pub(crate) fn begin(project: &Project, registry: &Registry, evidence: Evidence) -> Self {
        let watching = Watching {
            project: project.clone(),
            registry: FollowedRegistry::new(registry.clone()),
            evidence,
            views: Vec::new(),
            windows: BTreeMap::new(),
            drifts: BTreeMap::new(),
            statistics_looked: None,
            dropped: None,
        };
        Self {
            task: Background::begin("no breaker opens or closes by its rules", |stop| watch(watching, stop)),
        }
    }

    /// Ends.
    pub(crate) async fn stop(self) {
        self.task.stop().await;
    }
}

async fn watch(mut watching: Watching, stop: CancellationToken) {
    let mut said = String::new();
    loop {
        let looked = tokio::select! {
            () = stop.cancelled() => return,
            looked = watching.look() => looked,
        };
        match looked {
            Ok(()) => said.clear(),
            Err(error) => {
                let why = error.to_string();
                if why != said {
                    tracing::warn!("circuit breakers are not watched: {why}");
                    said = why;
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// The shares of one view.
#[derive(Default)]
struct Windows {
    refused: ShareWindow,
    differing: ShareWindow,
}

struct Watching {
    project: Project,
    registry: FollowedRegistry,
    evidence: Evidence,
    /// Those that have a breaker.
    views: Vec<(Arc<View>, Breaker)>,
    windows: BTreeMap<VersionId, Windows>,
    drifts: BTreeMap<VersionId, KnownDrift>,
    statistics_looked: Option<Instant>,
    dropped: Option<Instant>,
}

impl Watching {
    async fn look(&mut self) -> Result<(), ProjectError> {
        if let Some(registered) = self.registry.changed(&self.project).await? {
            let with_breaker = |view: &Arc<View>| Some((view.clone(), view.breaker.as_deref()?.clone()));
            self.views = registered.views().filter_map(with_breaker).collect();
            self.drifts.clear();
            self.registry.takes_on(&registered);
        }
        if is_due(&mut self.dropped, DROP_EVERY) {
            drop_rows(&self.project, self.registry.registry(), &self.project.online().await?).await?;
        }
        if self.views.is_empty() {
            return Ok(());
        }
        let reads_statistics = is_due(&mut self.statistics_looked, STATISTICS_EVERY);
        let records = self.registry.registry().breakers().await?;
        for (view, breaker) in self.views.clone() {
            if reads_statistics && breaker.drift.is_some() {
                self.read_statistics(&view, &breaker).await?;
            }
            // Another opening of its features, or one of its rules when it named other features.
            let is_of_it = |one: &&BreakerRecord| {
                let is_by_rule = one.rule.is_some() && one.until.is_none();
                one.view == view.id
                    && one.from.is_some()
                    && (is_by_rule || have_common_feature(&one.features, &breaker.features))
            };
            let open = records.iter().rev().find(is_of_it);
            self.check(&view, &breaker, open).await?;
        }
        Ok(())
    }

    /// Checks the rules of a view, whose newest opening is this.
    async fn check(
        &mut self,
        view: &Arc<View>,
        breaker: &Breaker,
        newest: Option<&BreakerRecord>,
    ) -> Result<(), ProjectError> {
        let now = self.project.now();
        let rulings = self.rulings(view, breaker, now);
        let broken = rulings.iter().find(|ruling| ruling.is_broken == Some(true));
        let open = newest.filter(|one| one.until.is_none());
        // What a person has opened, a person closes.
        let open_since = match open {
            Some(BreakerRecord { rule: None, .. }) => return Ok(()),
            Some(open) => Some(open.broken_at.unwrap_or(open.requested_at)),
            None => None,
        };
        let is_broken = match (broken, open) {
            (Some(_), _) => Some(true),
            (None, None) => Some(false),
            (None, Some(open)) => {
                let of_rule = rulings.iter().find(|ruling| open.rule.as_deref() == Some(ruling.rule));
                // A rule that the definition has no more keeps nothing open.
                of_rule.map_or(Some(false), |ruling| ruling.is_broken)
            }
        };
        let registry = self.registry.registry();
        match (breaker_step(open_since, is_broken, breaker.close_after, now), broken, open) {
            (BreakerStep::Open, Some(broken), _) => self.open(view, breaker, broken, newest).await,
            (BreakerStep::HoldOpen, _, Some(open)) => Ok(registry.note_broken(open.number, now).await?),
            (BreakerStep::Close, _, Some(open)) => {
                let closed = close_with(&self.project, registry, open, (open.rule.as_deref(), None)).await;
                not_done_by_another(closed.map(drop))?;
                tracing::info!("the circuit breaker of {} closes: its rules are kept again", view.id);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn open(
        &self,
        view: &Arc<View>,
        breaker: &Breaker,
        broken: &Ruling,
        newest: Option<&BreakerRecord>,
    ) -> Result<(), ProjectError> {
        let registry = self.registry.registry();
        // What was answered while it was open before is no answer of the rows.
        let closed = newest.and_then(|one| one.until).unwrap_or(Micros::MIN);
        let settled = before(self.project.now(), SETTLED);
        let good_until = broken.good_until.max(closed).min(settled);
        if good_until < closed {
            return Ok(());
        }
        let opens = Opens {
            view,
            features: breaker.features.clone(),
            answers: breaker.answers,
            good_until,
            rule: Some(broken.rule.to_owned()),
            why: Reason::found(&broken.why),
        };
        tracing::warn!("the circuit breaker of {} opens: {}", view.id, broken.why);
        match open_with(&self.project, registry, &opens).await {
            Err(ProjectError::NothingGood { .. }) => {
                let why = format!("{}; nothing was readable before, so no value is answered", broken.why);
                let why = Reason::found(&why);
                let opens = Opens { answers: OpenAnswer::NoValue, why, ..opens };
                not_done_by_another(open_with(&self.project, registry, &opens).await.map(drop))
            }
            opened => not_done_by_another(opened.map(drop)),
        }
    }

    /// What each rule of a view's breaker says.
    fn rulings(&mut self, view: &View, breaker: &Breaker, now: Micros) -> Vec<Ruling> {
        let windows = self.windows.entry(view.id.clone()).or_default();
        let mut rulings = Vec::new();
        if let Some(bound) = breaker.bad_share {
            let total = self.evidence.stream_status.refused(&view.id);
            rulings.push(rules::bad_share(breaker, bound, (&mut windows.refused, total), now));
        }
        if let Some(bound) = breaker.skew {
            let served = self.evidence.served.as_ref();
            let total = served.map(|served| served.compared(&view.id, &breaker.features));
            rulings.push(rules::skew(breaker, bound, (&mut windows.differing, total), now));
        }
        if let Some(bound) = breaker.stale {
            let watched = self.evidence.reads.as_ref();
            let pipeline = watched.and_then(|reads| reads.pipeline(&view.id));
            rulings.push(rules::stale(bound, pipeline, now));
        }
        if let Some(bound) = breaker.drift {
            rulings.push(rules::drift(breaker, bound, self.drifts.get(&view.id), now));
        }
        rulings
    }

    /// Looks at the newest date of a view, if its statistics are other than before.
    async fn read_statistics(&mut self, view: &Arc<View>, breaker: &Breaker) -> Result<(), ProjectError> {
        let Some(bound) = breaker.drift else { return Ok(()) };
        let store = self.project.offline()?;
        let version = store.statistics(&view.id).await?.version();
        if self.drifts.get(&view.id).is_some_and(|known| known.version == version) {
            return Ok(());
        }
        let [days, _] = statistics(&store, view, None).await?;
        let newest = of_newest_day(view, &days);
        let exceeding = newest.iter().flat_map(|(_, report)| &report.columns).filter_map(|column| {
            let is_of_it = |feature: &Name| breaker.features.contains(feature);
            let is_looked_at = breaker.features.is_empty() || column.features.iter().any(is_of_it);
            let has_rows = is_looked_at && column.live_rows.min(column.reference_rows) >= breaker.min_rows;
            if let Some(mmd) = column.drift.mmd.filter(|mmd| has_rows && mmd.distance > mmd.bound) {
                return Some(format!("{} (MMD {:.2})", column.column, mmd.distance));
            }
            let psi = column.drift.psi.filter(|psi| has_rows && *psi > bound.get())?;
            Some(format!("{} (PSI {psi:.2})", column.column))
        });
        let known = KnownDrift {
            version,
            exceeding: exceeding.collect(),
            date: newest.as_ref().map(|(date, _)| *date),
        };
        self.drifts.insert(view.id.clone(), known);
        Ok(())
    }
}

/// Whether something is to be done again.
fn is_due(done: &mut Option<Instant>, every: Duration) -> bool {
    let is_due = done.is_none_or(|done| done.elapsed() >= every);
    if is_due {
        *done = Some(Instant::now());
    }
    is_due
}

/// Passes over what another process has done meanwhile.
fn not_done_by_another(done: Result<(), ProjectError>) -> Result<(), ProjectError> {
    match done {
        Err(ProjectError::Registry(
            RegistryError::BreakerIsOpen { .. } | RegistryError::BreakerIsClosed { .. },
        )) => Ok(()),
        done => done,
    }
}
