//! What goes on beside a server or a stream for circuit breakers: each view's rules are checked again and again, and its
//! breaker is opened, held open or closed. A process that cannot check a rule, as it does not follow the stream, closes
//! nothing that this rule has opened.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use feature::{Breaker, Micros, Name, OpenAnswer, VersionId, View, have_common_feature};
use materializer::statistics;
use monitor::{BreakerStep, ShareWindow, breaker_step};
use registry::{BreakerRecord, Reason, Registry, RegistryError};
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

use super::rules::{self, Acknowledged, KnownDrift, Ruling, STALE};
use super::{Opens, SETTLED, drop_rows, drop_unexplained, keep_late_rows, last_good, open_with};
use crate::background::{Background, noticed};
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
/// How often rows are dropped that nobody reads any more, and those that are read are kept up with their logs.
const DROP_EVERY: Duration = Duration::from_secs(60);
/// How often rows are looked for that no opening explains: a store in Redis is looked through key by key.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);

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
            acknowledged: BTreeMap::new(),
            settling: BTreeMap::new(),
            opening: JoinSet::new(),
            being_opened: HashMap::new(),
            said: BTreeMap::new(),
            statistics_looked: None,
            dropped: None,
            swept: None,
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
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            looked = watching.look() => watching.say(None, Part::Watched, looked),
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
    /// The number of the newest opening that was found closed.
    closed: Option<u32>,
}

/// What is done for a view.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Watched,
    Counted,
    Opened,
    Kept,
}

struct Watching {
    project: Project,
    registry: FollowedRegistry,
    evidence: Evidence,
    views: Vec<Arc<View>>,
    windows: BTreeMap<VersionId, Windows>,
    drifts: BTreeMap<VersionId, KnownDrift>,
    acknowledged: BTreeMap<VersionId, Acknowledged>,
    /// Since when rows of views are too old whose last good moment is not settled.
    settling: BTreeMap<VersionId, Micros>,
    /// Breakers that are being opened: a fold of a long log takes a while.
    opening: JoinSet<Result<(), ProjectError>>,
    being_opened: HashMap<Id, VersionId>,
    /// What was said last of what fails; of no view where nothing is watched.
    said: BTreeMap<(Option<VersionId>, Part), String>,
    statistics_looked: Option<Instant>,
    dropped: Option<Instant>,
    swept: Option<Instant>,
}

impl Watching {
    async fn look(&mut self) -> Result<(), ProjectError> {
        if let Some(registered) = self.registry.changed(&self.project).await? {
            self.views = registered.views().cloned().collect();
            self.drifts.clear();
            self.registry.takes_on(&registered);
        }
        while let Some(opened) = self.opening.try_join_next_with_id() {
            let (id, opened) = match opened {
                Ok(opened) => opened,
                Err(panic) => (panic.id(), Ok(())),
            };
            let view = self.being_opened.remove(&id);
            self.say(view, Part::Opened, opened);
        }
        let records = self.registry.registry().breakers().await?;
        let reads_statistics = is_due(&mut self.statistics_looked, STATISTICS_EVERY);
        for view in self.views.clone() {
            let of_view = records.iter().filter(|one| one.view == view.id && one.from.is_some());
            let of_view: Vec<&BreakerRecord> = of_view.collect();
            let looked = self.look_at(&view, &of_view, reads_statistics).await;
            self.say(Some(view.id.clone()), Part::Watched, looked);
        }
        self.look_after_rows(&records).await
    }

    /// Looks at one view, whose openings are these, the oldest first. What is wrong with it keeps nobody from the others.
    async fn look_at(
        &mut self,
        view: &Arc<View>,
        openings: &[&BreakerRecord],
        reads_statistics: bool,
    ) -> Result<(), ProjectError> {
        let is_by_rule = |one: &&&BreakerRecord| one.rule.is_some() && one.until.is_none();
        let Some(breaker) = &view.breaker else {
            // Its definition has no rule any more that could close it.
            for open in openings.iter().filter(is_by_rule) {
                self.close(view, open, "its definition has no breaker any more").await?;
            }
            return Ok(());
        };
        if reads_statistics && breaker.drift.is_some() {
            let counted = self.read_statistics(view, breaker).await;
            self.say(Some(view.id.clone()), Part::Counted, counted);
        }
        // Another opening of its features, or one of its rules when it named other features.
        let is_of_it =
            |one: &&&BreakerRecord| is_by_rule(one) || have_common_feature(&one.features, &breaker.features);
        let newest = openings.iter().rev().find(is_of_it).copied();
        if let Some(newest) = newest.filter(|one| one.until.is_some()) {
            self.is_closed(view, newest);
        }
        self.check(view, breaker, newest).await
    }

    /// Takes on that the newest opening of a view was closed: what was found before is known to whoever closed it.
    fn is_closed(&mut self, view: &View, newest: &BreakerRecord) {
        let windows = self.windows.entry(view.id.clone()).or_default();
        if windows.closed != Some(newest.number) {
            windows.closed = Some(newest.number);
            windows.refused.forget();
            windows.differing.forget();
        }
        let is_new = self.acknowledged.get(&view.id).is_none_or(|one| one.number != newest.number);
        if is_new && let Some(known) = self.drifts.get(&view.id) {
            let acknowledged = Acknowledged::of(newest, known);
            self.acknowledged.extend(acknowledged.map(|one| (view.id.clone(), one)));
        }
    }

    /// Drops rows that nobody reads any more, and keeps those that are read up with their logs.
    async fn look_after_rows(&mut self, records: &[BreakerRecord]) -> Result<(), ProjectError> {
        if !is_due(&mut self.dropped, DROP_EVERY) {
            return Ok(());
        }
        let (registry, store) = (self.registry.registry().clone(), self.project.online().await?);
        drop_rows(&self.project, &registry, &store).await?;
        if is_due(&mut self.swept, SWEEP_EVERY) {
            drop_unexplained(&registry, &store).await?;
        }
        let now = self.project.now();
        for view in self.views.clone() {
            if !records.iter().any(|one| one.view == view.id && one.has_rows && one.is_open(now)) {
                continue;
            }
            let materializer = self.project.materializer(store.clone(), &[], "breaker").await?;
            let kept = keep_late_rows(&registry, &materializer, &view, now).await;
            self.say(Some(view.id.clone()), Part::Kept, kept);
        }
        Ok(())
    }

    /// Says what fails, once for as long as it stays the same.
    fn say(&mut self, view: Option<VersionId>, part: Part, done: Result<(), ProjectError>) {
        let of = (view, part);
        let Err(error) = done else {
            self.said.remove(&of);
            return;
        };
        let why = error.to_string();
        if self.said.get(&of) == Some(&why) {
            return;
        }
        match &of.0 {
            Some(view) => tracing::warn!("the circuit breaker of {view}: {why}"),
            None => tracing::warn!("circuit breakers are not watched: {why}"),
        }
        self.said.insert(of, why);
    }

    /// Checks the rules of a view, whose newest opening is this.
    async fn check(
        &mut self,
        view: &Arc<View>,
        breaker: &Breaker,
        newest: Option<&BreakerRecord>,
    ) -> Result<(), ProjectError> {
        let now = self.project.now();
        let open = newest.filter(|one| one.until.is_none());
        let mut rulings = self.rulings(view, breaker, newest, now);
        let broken = rulings.iter().position(|ruling| ruling.is_broken == Some(true));
        if broken.is_none() {
            self.settling.remove(&view.id);
        }
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
        match (breaker_step(open_since, is_broken, breaker.close_after, now), broken, open) {
            (BreakerStep::Open, Some(broken), _) => {
                let mut broken = rulings.swap_remove(broken);
                if broken.rule != STALE || self.is_settled(view, &mut broken).await? {
                    self.open(view, breaker, &broken, newest);
                }
                Ok(())
            }
            (BreakerStep::HoldOpen, _, Some(open)) => {
                Ok(self.registry.registry().note_broken(open.number, now).await?)
            }
            (BreakerStep::Close, _, Some(open)) => self.close(view, open, "its rules are kept again").await,
            _ => Ok(()),
        }
    }

    /// Takes the moment from which the newest rows of a view were readable for the last good one. Returns whether it is long
    /// enough ago to be one; where rows come all along it is waited for only a while.
    async fn is_settled(&mut self, view: &View, stale: &mut Ruling) -> Result<bool, ProjectError> {
        let now = self.project.now();
        let readable = last_good::newest_readable(&self.project, &view.id).await?;
        stale.good_until = readable.map_or(stale.good_until, |readable| readable.max(stale.good_until));
        let since = *self.settling.entry(view.id.clone()).or_insert(now);
        let is_settled = stale.good_until <= before(now, SETTLED) || since <= before(now, SETTLED.times(2));
        if is_settled {
            self.settling.remove(&view.id);
        }
        Ok(is_settled)
    }

    /// Closes what a rule has opened.
    async fn close(&self, view: &View, open: &BreakerRecord, why: &str) -> Result<(), ProjectError> {
        let by = (open.rule.as_deref(), None);
        let closed = self.registry.registry().close_breaker(open, self.project.clock, by).await;
        not_done_by_another(closed.map(drop).map_err(ProjectError::from))?;
        tracing::info!("the circuit breaker of {} closes: {why}", view.id);
        Ok(())
    }

    /// Begins to open a breaker, unless it is being opened. Others are watched meanwhile.
    fn open(&mut self, view: &Arc<View>, breaker: &Breaker, broken: &Ruling, newest: Option<&BreakerRecord>) {
        // What was answered while it was open before is no answer of the rows.
        let closed = newest.and_then(|one| one.until).unwrap_or(Micros::MIN);
        let settled = before(self.project.now(), SETTLED);
        let good_until = broken.good_until.max(closed).min(settled);
        if good_until < closed || self.being_opened.values().any(|id| *id == view.id) {
            return;
        }
        let (project, registry) = (self.project.clone(), self.registry.registry().clone());
        let (view, features, answers) = (view.clone(), breaker.features.clone(), breaker.answers);
        let (rule, why) = (broken.rule.to_owned(), broken.why.clone());
        let id = view.id.clone();
        if !self.said.contains_key(&(Some(id.clone()), Part::Opened)) {
            tracing::warn!("the circuit breaker of {id} opens: {why}");
        }
        let work = async move {
            let opens = Opens {
                view: &view,
                features,
                answers,
                good_until,
                rule: Some(rule),
                why: Reason::found(&why),
            };
            open_by_rule(&project, &registry, opens, &why).await
        };
        let opening = self
            .opening
            .spawn(async move { noticed("a circuit breaker is not opened", work).await.unwrap_or(Ok(())) });
        self.being_opened.insert(opening.id(), id);
    }

    /// What each rule of a view's breaker says.
    fn rulings(
        &mut self,
        view: &View,
        breaker: &Breaker,
        newest: Option<&BreakerRecord>,
        now: Micros,
    ) -> Vec<Ruling> {
        let is_open = newest.is_some_and(|one| one.until.is_none());
        let windows = self.windows.entry(view.id.clone()).or_default();
        let mut rulings = Vec::new();
        if let Some(bound) = breaker.bad_share {
            let total = self.evidence.stream_status.refused(&view.id);
            rulings.push(rules::bad_share(breaker, bound, (&mut windows.refused, total), now));
        }
        if let Some(bound) = breaker.skew {
            let served = self.evidence.served.as_ref();
            let total = served.map(|served| served.compared(&view.id, &breaker.features));
            rulings.push(rules::skew(breaker, bound, (&mut windows.differing, total), (is_open, now)));
        }
        if let Some(bound) = breaker.stale {
            let watched = self.evidence.reads.as_ref();
            let pipeline = watched.and_then(|reads| reads.pipeline(&view.id));
            rulings.push(rules::stale(bound, pipeline, newest, now));
        }
        if let Some(bound) = breaker.drift {
            let (known, acknowledged) = (self.drifts.get(&view.id), self.acknowledged.get(&view.id));
            rulings.push(rules::drift(breaker, bound, (known, acknowledged), now));
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
        let exceeding: Vec<String> = exceeding.collect();
        let date = newest.as_ref().map(|(date, _)| *date);
        let last_good = match date.filter(|_| !exceeding.is_empty()) {
            Some(date) => last_good::before_date(&store, view, date).await?,
            None => None,
        };
        let known = KnownDrift { version, date, exceeding, last_good };
        self.drifts.insert(view.id.clone(), known);
        Ok(())
    }
}

/// Opens a breaker as a rule says. Where its last good answers cannot be prepared, none is given: what the rule found is not
/// to be read meanwhile.
async fn open_by_rule(
    project: &Project,
    registry: &Registry,
    opens: Opens<'_>,
    found: &str,
) -> Result<(), ProjectError> {
    let opened = not_done_by_another(open_with(project, registry, &opens).await.map(drop));
    let Err(error) = opened else { return Ok(()) };
    if opens.answers != OpenAnswer::LastKnownGood {
        return Err(error);
    }
    let why = match &error {
        ProjectError::NothingGood { .. } => "nothing was readable before".to_owned(),
        error => format!("its last good answers cannot be prepared ({error})"),
    };
    let why = Reason::found(&format!("{found}; {why}, so no value is answered"));
    let opens = Opens { answers: OpenAnswer::NoValue, why, ..opens };
    not_done_by_another(open_with(project, registry, &opens).await.map(drop))?;
    match error {
        ProjectError::NothingGood { .. } => Ok(()),
        // Said with the view: somebody is to mend it.
        error => Err(error),
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
            RegistryError::BreakerIsOpen { .. }
            | RegistryError::BreakerIsClosed { .. }
            | RegistryError::OpeningGivenUp { .. },
        )) => Ok(()),
        done => done,
    }
}
