//! What goes on beside a server for its objectives: it finds out how far pipelines are, probes views that nobody reads,
//! and carries what was counted into the registry.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use feature::{Micros, VersionId};
use monitor::{Pipeline, ReadCounts, ReadOutcome};
use registry::{CountedReads, Measured, Progress, Registry};
use tokio_util::sync::CancellationToken;

use super::read_watch::{ReadWatch, Subject};
use crate::background::Background;
use crate::error::ProjectError;
use crate::project::Project;
use crate::served::ServedCounts;
use crate::streaming::StreamStatus;

/// How often pipelines are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// At which of these looks what was counted is carried over: a server that is killed loses what it counted since.
const CARRY_AT: u32 = 5;
/// At so many looks in a row without an answer nothing is known of pipelines any more.
const MOST_FAILURES: u32 = 5;

/// The task beside a server.
pub(crate) struct Counting(Background<()>);

struct Carrier {
    project: Project,
    registry: Registry,
    watch: Arc<ReadWatch>,
    stream_status: Arc<StreamStatus>,
    served: Arc<ServedCounts>,
    carried: BTreeMap<Subject, ReadCounts>,
    failures: u32,
}

impl Counting {
    /// Begins; what streams and the verifier of this process say is taken as it is.
    pub(crate) fn begin(
        project: &Project,
        registry: &Registry,
        watch: &Arc<ReadWatch>,
        (stream_status, served): (&Arc<StreamStatus>, &Arc<ServedCounts>),
    ) -> Self {
        let carrier = Carrier {
            project: project.clone(),
            registry: registry.clone(),
            watch: watch.clone(),
            stream_status: stream_status.clone(),
            served: served.clone(),
            carried: BTreeMap::new(),
            failures: 0,
        };
        Self(Background::begin("reads are not counted for objectives", |stop| carrier.run(stop)))
    }

    /// Ends; what was counted is in the registry.
    pub(crate) async fn stop(self) {
        self.0.stop().await;
    }
}

impl Carrier {
    async fn run(mut self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        let mut looks = 0;
        loop {
            let is_last = tokio::select! {
                _ = ticks.tick() => false,
                () = stop.cancelled() => true,
            };
            self.look().await;
            looks = (looks + 1) % CARRY_AT;
            if looks == 0 && !is_last {
                self.probe();
            }
            if (looks == 0 || is_last)
                && let Err(error) = self.carry().await
            {
                tracing::warn!("how fresh reads were was not kept: {error}");
            }
            if is_last {
                return;
            }
        }
    }

    /// Finds out how far the pipeline of each view is.
    async fn look(&mut self) {
        let mut known = BTreeMap::new();
        match self.progress().await {
            Ok(progress) => {
                self.failures = 0;
                known = how_far(progress);
            }
            Err(error) => {
                self.failures += 1;
                if self.failures < MOST_FAILURES {
                    return;
                }
                tracing::debug!("how far pipelines are is not known: {error}");
            }
        }
        let now = self.project.now();
        for (view, metrics) in self.stream_status.watched() {
            let partitions = metrics.report().into_iter().flat_map(|report| report.partitions.into_values());
            if let Some(newest) = partitions.filter_map(|partition| partition.watermark).max() {
                further(&mut known, view, Pipeline { newest, as_of: now });
            }
        }
        for (view, watched) in self.watch.views() {
            watched.pipeline.set(known.get(&view).copied());
        }
    }

    /// Asks the registry; one that was replaced is opened again.
    async fn progress(&mut self) -> Result<Vec<Progress>, ProjectError> {
        match self.registry.progress().await {
            Ok(progress) => Ok(progress),
            Err(error) => {
                let opened = self.project.registry_so_far().await?;
                self.registry = opened.ok_or(error)?;
                Ok(self.registry.progress().await?)
            }
        }
    }

    /// Counts a probe for each view and each feature with an objective that nobody has read since the last time.
    fn probe(&self) {
        let now = self.project.now();
        for (id, view) in self.watch.views() {
            let probed =
                view.features.iter().map(|one| (Measured::Feature(one.name.clone()), one.within, &one.reads));
            let of_view = view.within.map(|within| (Measured::Reads, within, &view.reads));
            for (measured, within, reads) in of_view.into_iter().chain(probed) {
                let before = self.carried.get(&Subject::view(&id, measured)).copied().unwrap_or_default();
                if reads.counts().since(&before).counted() == 0 {
                    reads.add(ReadOutcome::of_pipeline(now, within, view.pipeline.get()), 1);
                }
            }
        }
    }

    /// Adds what was counted since the last time to the minute that it is now.
    async fn carry(&mut self) -> Result<(), ProjectError> {
        let now = self.project.now();
        let mut counts = self.watch.counts();
        counts.extend(self.served.counted());
        let new = counts.iter().map(|(subject, total)| {
            let before = self.carried.get(subject).copied().unwrap_or_default();
            counted(subject, total.since(&before), now)
        });
        let new: Vec<CountedReads> = new.flatten().collect();
        if !new.is_empty() {
            self.registry.add_reads(&new, now).await?;
        }
        self.carried = counts.into_iter().collect();
        Ok(())
    }
}

/// How far the pipeline of each view is.
pub(crate) fn how_far(progress: Vec<Progress>) -> BTreeMap<VersionId, Pipeline> {
    let mut known = BTreeMap::new();
    for Progress { view, newest, updated_at, .. } in progress {
        let Some(newest) = newest else { continue };
        further(&mut known, view, Pipeline { newest, as_of: updated_at });
    }
    known
}

/// Keeps the further of two.
fn further(known: &mut BTreeMap<VersionId, Pipeline>, view: VersionId, pipeline: Pipeline) {
    let entry = known.entry(view).or_insert(pipeline);
    entry.newest = entry.newest.max(pipeline.newest);
    entry.as_of = entry.as_of.max(pipeline.as_of);
}

/// Counts as the registry keeps them; `None` if there are none.
fn counted(subject: &Subject, counts: ReadCounts, at: Micros) -> Option<CountedReads> {
    let ReadCounts { good, bad, unknown, missing } = counts;
    let Subject { kind, id, measured } = subject.clone();
    let counted = CountedReads { kind, id, measured, at, good, bad, unknown, missing };
    (!counts.is_empty()).then_some(counted)
}
