//! Rows of derived views: while the stream of a view is followed, the views that are derived from it, directly or through
//! others, are loaded again and again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use feature::VersionId;
use materializer::{EventRange, LoadReport, Target};
use online::Store;
use registry::{Job, Registered, Registry, RowCounts, RunOutcome};
use tokio_util::sync::CancellationToken;

use super::compacting::FILES_BEFORE_COMPACTING;
use super::stream_status::StreamStatus;
use crate::breakers;
use crate::error::ProjectError;
use crate::followed_registry::FollowedRegistry;
use crate::lineage::{Ended, Recorder, Subject};
use crate::load::load_outcome;
use crate::load_order::LoadOrder;
use crate::project::Project;
use crate::targets::targets_with;

/// How often it is looked whether streams brought rows.
const EVERY: Duration = Duration::from_secs(2);
/// How often rows are looked for that wait for their event time.
const EVERY_WAITING: Duration = Duration::from_secs(60);
/// After a load, so many times as long as it took nothing is loaded: a load reads the whole log of its input.
const REST_FOR_EACH: u32 = 9;
/// How long nothing is loaded at most after loads that failed.
const LONGEST_REST: Duration = Duration::from_secs(300);

/// A derived view whose rows were loaded beside the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DerivedRows {
    /// The view.
    pub view: VersionId,
    /// Rows that are new in its log.
    pub rows_loaded: u64,
}

/// What is loaded beside streams, and what was already.
pub(super) struct Deriving {
    project: Project,
    registry: FollowedRegistry,
    /// What it holds.
    registered: Registered,
    online: Store,
    stream_status: Arc<StreamStatus>,
    /// The command, as first uses are recorded.
    by: &'static str,
    /// Rows that each stream had loaded at the last load.
    streamed: BTreeMap<VersionId, u64>,
    loaded: BTreeMap<VersionId, Loaded>,
    failures: BTreeMap<VersionId, Failure>,
}

/// The last load of a view failed. The others go on.
struct Failure {
    error: String,
    /// How often in a row.
    times: u32,
    /// When it is tried again.
    again: Instant,
}

/// How long nothing is loaded after so many failures in a row.
fn rest_after(failures: u32) -> Duration {
    (EVERY * 2_u32.pow(failures.min(8))).min(LONGEST_REST)
}

/// What was loaded of one view.
struct Loaded {
    recorder: Recorder,
    rows: RowCounts,
    outcome: RunOutcome,
}

impl Deriving {
    /// Nothing was yet.
    pub(super) fn new(
        project: &Project,
        registry: Registry,
        online: Store,
        stream_status: Arc<StreamStatus>,
        by: &'static str,
    ) -> Self {
        let (project, registry) = (project.clone(), FollowedRegistry::new(registry));
        let (registered, streamed, loaded, failures) = Default::default();
        Self { project, registry, registered, online, stream_status, by, streamed, loaded, failures }
    }

    /// Loads until it is stopped; if it is to catch up, once more after that. Streams go on where a load fails: it is
    /// tried again. Gives the rows that were loaded.
    pub(super) async fn run(mut self, stop: CancellationToken, catches_up: bool) -> Vec<DerivedRows> {
        let (mut rest, mut failures, mut tried) = (EVERY, 0, Instant::now());
        loop {
            let is_last = tokio::select! {
                () = tokio::time::sleep(rest) => false,
                () = stop.cancelled() => true,
            };
            let streamed = self.rows_streamed();
            let is_due = streamed != self.streamed
                || tried.elapsed() >= EVERY_WAITING
                || self.failures.values().any(|failure| failure.again <= Instant::now());
            if is_due && (catches_up || !is_last) {
                tried = Instant::now();
                let derived = tokio::select! {
                    derived = self.derive() => derived,
                    // What it committed stays; the next load takes the rest.
                    () = stop.cancelled(), if !catches_up => break,
                };
                (failures, rest) = match derived {
                    Ok(()) => (0, EVERY.max(tried.elapsed() * REST_FOR_EACH)),
                    Err(error) => {
                        tracing::warn!("derived views were not loaded: {error}");
                        (failures + 1, rest_after(failures + 1))
                    }
                };
                if failures == 0 {
                    self.streamed = streamed;
                }
            }
            if is_last {
                break;
            }
        }
        self.end().await
    }

    /// Rows that each stream has loaded.
    fn rows_streamed(&self) -> BTreeMap<VersionId, u64> {
        let watched = self.stream_status.watched().into_iter();
        watched
            .map(|(view, metrics)| (view, metrics.report().map_or(0, |report| report.rows_loaded)))
            .collect()
    }

    /// Loads all derived views, each after its input.
    async fn derive(&mut self) -> Result<(), ProjectError> {
        if let Some(registered) = self.registry.changed(&self.project).await? {
            self.registry.takes_on(&registered);
            self.registered = registered;
        }
        let (targets, never_loaded) = self.targets().await?;
        if targets.is_empty() {
            return Ok(());
        }
        let materializer = self.project.materializer(self.online.clone(), &targets, self.by).await?;
        let mut turns = LoadOrder::new(&self.registered, targets)?;
        while let Some((_, target)) = turns.next() {
            let id = target.view.id.clone();
            // At first its rows are history: available when the rows of the input were.
            let is_first = never_loaded.contains(&id);
            let loaded = match is_first {
                true => materializer.backfill(&target, EventRange::default(), |_| ()).await,
                false => materializer.materialize(&target, |_| ()).await,
            };
            let job = if is_first { Job::Backfill } else { Job::Materialize };
            match loaded.map_err(ProjectError::from) {
                Ok(report) => {
                    turns.is_loaded(&id);
                    self.failures.remove(&id);
                    if report.rows_loaded == 0 {
                        continue;
                    }
                    if let Err(error) = self.record(&target, (job, &report)).await {
                        tracing::warn!("that {id} was loaded was not recorded: {error}");
                    }
                    let (registry, now) = (self.registry.registry(), self.project.now());
                    breakers::keep_late_rows_after_load(registry, &materializer, &target.view, now).await;
                    if let Err(error) = materializer.compact(&target.view, FILES_BEFORE_COMPACTING).await {
                        tracing::warn!("{id}: its log was not compacted: {error}");
                    }
                }
                Err(error) => {
                    turns.has_failed(&id);
                    self.failed(id, error.to_string());
                }
            }
        }
        Ok(())
    }

    /// Notes that the load of a view failed. What goes on failing is said once.
    fn failed(&mut self, view: VersionId, error: String) {
        let before = self.failures.get(&view);
        if before.is_none_or(|before| before.error != error) {
            tracing::warn!("{view} was not loaded with the new rows of its input: {error}");
        }
        let times = before.map_or(0, |before| before.times) + 1;
        let again = Instant::now() + rest_after(times);
        self.failures.insert(view, Failure { error, times, again });
    }

    /// The views to load: derived from a view whose stream is followed here, and loaded once already where that view has
    /// history: only a backfill knows from when on history was available. One that failed is left out for a while.
    /// Gives with them which of them have no row yet.
    async fn targets(&self) -> Result<(Vec<Target>, BTreeSet<VersionId>), ProjectError> {
        let registered = &self.registered;
        let followed: Vec<VersionId> =
            self.stream_status.watched().into_iter().map(|(view, _)| view).collect();
        let offline = self.project.offline()?;
        let (mut targets, mut never_loaded) = (Vec::new(), BTreeSet::new());
        for target in targets_with(registered, &[], |target| target.input.is_some())? {
            let mut root = target.view.clone();
            while let Some(input) = registered.input_of(&root)? {
                root = input;
            }
            let failure = self.failures.get(&target.view.id);
            if !followed.contains(&root.id) || failure.is_some_and(|failure| failure.again > Instant::now()) {
                continue;
            }
            let has_history = registered.source_of(&root)?.batch.is_some();
            let is_new = offline.log(&target.view).await?.version().is_none();
            if has_history && is_new {
                continue;
            }
            never_loaded.extend(is_new.then(|| target.view.id.clone()));
            targets.push(target);
        }
        Ok((targets, never_loaded))
    }

    /// Adds a load to the run of its view, which begins with its first rows.
    async fn record(
        &mut self,
        target: &Target,
        (job, report): (Job, &LoadReport),
    ) -> Result<(), ProjectError> {
        let mut outcome = load_outcome(job, target, report);
        let id = &target.view.id;
        if !self.loaded.contains_key(id) {
            let subject = Subject::view(Job::Materialize, &target.view);
            let recorder =
                Recorder::begin(&self.project, self.registry.registry(), &self.registered, subject).await?;
            let loaded = Loaded { recorder, rows: RowCounts::default(), outcome: outcome.clone() };
            self.loaded.insert(id.clone(), loaded);
        }
        let Some(loaded) = self.loaded.get_mut(id) else { return Ok(()) };
        if let RunOutcome::Load { rows, .. } = &mut outcome {
            loaded.rows.add(rows);
            rows.clone_from(&loaded.rows);
        }
        loaded.outcome = outcome.clone();
        loaded.recorder.goes_on(Some(outcome)).await
    }

    /// Records that it ended.
    async fn end(self) -> Vec<DerivedRows> {
        let mut derived = Vec::with_capacity(self.loaded.len());
        for (view, Loaded { recorder, rows, outcome }) in self.loaded {
            let failure = self.failures.get(&view).map(|failure| failure.error.clone());
            let ended = failure.map_or(Ended::Complete, Ended::Failed);
            recorder.end(Some(outcome), ended).await;
            derived.push(DerivedRows { view, rows_loaded: rows.loaded });
        }
        derived
    }
}
