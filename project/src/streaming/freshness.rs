//! What streams counted, carried into the registry once a minute: how long their rows took, and what each run has read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use feature::VersionId;
use materializer::{LatencyStage, StreamMetrics};
use monitor::Stage;
use registry::{Freshness, Job, PartitionRead, Progress, Registered, Registry, RowCounts, RunOutcome};
use tokio_util::sync::CancellationToken;

use super::stream_status::StreamStatus;
use crate::error::ProjectError;
use crate::lineage::{Ended, Recorder, Subject};
use crate::project::Project;
use crate::slo::stage_of_latency;

/// How often it is carried over. A process that is killed loses what it counted since.
const EVERY: Duration = Duration::from_secs(60);
/// How often it is noted how far the streams are.
const NOTE_EVERY: Duration = Duration::from_secs(2);

/// Rows by stage and by the edge of their bucket, in microseconds; those beyond the last have none.
type Counted = BTreeMap<(LatencyStage, Option<i64>), u64>;

/// What is carried from the status of the streams into the registry, and what was already.
pub(super) struct Carrying {
    project: Project,
    registry: Registry,
    stream_status: Arc<StreamStatus>,
    /// A view whose stream began again is here twice for a while.
    carried: Vec<Carried>,
}

/// One stream of which something is carried.
struct Carried {
    view: VersionId,
    metrics: Arc<StreamMetrics>,
    /// What was carried of it.
    counted: Counted,
    /// `None` if that it began could not be recorded.
    run: Option<(Recorder, String)>,
}

impl Carrying {
    /// Nothing was yet.
    pub(super) fn new(project: Project, registry: Registry, stream_status: Arc<StreamStatus>) -> Self {
        Self { project, registry, stream_status, carried: Vec::new() }
    }

    /// Carries over once a minute, and once more when it is stopped. The streams go on where that fails: it is
    /// tried again, with what came since.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let (mut ticks, mut notes) = (tokio::time::interval(EVERY), tokio::time::interval(NOTE_EVERY));
        loop {
            let is_last = tokio::select! {
                _ = notes.tick() => {
                    self.note().await;
                    continue;
                }
                _ = ticks.tick() => false,
                () = stop.cancelled() => {
                    self.note().await;
                    true
                }
            };
            if let Err(error) = self.carry().await {
                tracing::warn!("how fresh the views are was not kept: {error}");
            }
            if is_last {
                return self.end().await;
            }
        }
    }

    /// Notes how far the streams are. Where that fails, the next time is soon.
    async fn note(&self) {
        let now = self.project.now();
        let mut progress = Vec::new();
        for (view, metrics) in self.stream_status.watched() {
            let stuck = self.stream_status.failure(&view).map(|why| (Stage::Broker, why));
            let stuck = stuck.or_else(|| {
                let (stage, why) = metrics.stuck()?;
                Some((stage_of_latency(stage)?, why))
            });
            let stuck = stuck.map(|(stage, why)| (stage.name().to_owned(), why));
            let partitions = metrics.report().map(|report| report.partitions).unwrap_or_default();
            if partitions.is_empty() && stuck.is_some() {
                // It was held up before it knew of any.
                let (partition, newest, received_at) = (Some(0), None, None);
                let (view, stuck) = (view.clone(), stuck.clone());
                progress.push(Progress {
                    view,
                    partition,
                    newest,
                    received_at,
                    lag: 0,
                    updated_at: now,
                    stuck,
                });
            }
            progress.extend(partitions.into_iter().map(|(partition, at)| Progress {
                view: view.clone(),
                partition: Some(partition),
                newest: at.watermark,
                received_at: at.received_at,
                lag: at.end.saturating_sub(at.next),
                updated_at: now,
                stuck: stuck.clone(),
            }));
        }
        if let Err(error) = self.registry.note_progress(&progress).await {
            tracing::debug!("how far the streams are was not noted: {error}");
        }
    }

    /// Adds what was counted since the last time to the minute that it is now.
    async fn carry(&mut self) -> Result<(), ProjectError> {
        let watched = self.stream_status.watched();
        let is_new = |metrics: &Arc<StreamMetrics>| {
            !self.carried.iter().any(|known| Arc::ptr_eq(&known.metrics, metrics))
        };
        let new: Vec<_> = watched.iter().filter(|(_, metrics)| is_new(metrics)).cloned().collect();
        if !new.is_empty() {
            let registered = self.registry.registered().await?;
            for (view, metrics) in new {
                let run = self.begin(&registered, &view).await;
                let run = run.inspect_err(|error| tracing::warn!("the run of {view}'s stream: {error}")).ok();
                self.carried.push(Carried { view, metrics, counted: Counted::new(), run });
            }
        }
        let now = self.project.now();
        let mut counted = Vec::new();
        let mut totals = Vec::with_capacity(self.carried.len());
        for Carried { view, metrics, counted: before, .. } in &self.carried {
            let total: Counted =
                metrics.counted().into_iter().map(|(stage, edge, rows)| ((stage, edge), rows)).collect();
            for ((stage, edge), rows) in &total {
                let rows = rows.saturating_sub(before.get(&(*stage, *edge)).copied().unwrap_or(0));
                if rows > 0 {
                    let stage = stage.name().to_owned();
                    counted.push(Freshness { view: view.clone(), minute: now, stage, edge_us: *edge, rows });
                }
            }
            totals.push(total);
        }
        self.registry.add_freshness(&counted, now).await?;
        self.carried.iter_mut().zip(totals).for_each(|(carried, total)| carried.counted = total);
        for carried in &mut self.carried {
            let Some((run, topic)) = &mut carried.run else { continue };
            run.goes_on(outcome(&carried.metrics, topic)).await?;
        }
        // A stream that was replaced counts no more.
        let is_watched =
            |known: &Carried| watched.iter().any(|(_, metrics)| Arc::ptr_eq(&known.metrics, metrics));
        let ended: Vec<Carried> = self.carried.extract_if(.., |known| !is_watched(known)).collect();
        for carried in ended {
            carried.end(None).await;
        }
        Ok(())
    }

    /// Records that the stream of a view begins.
    async fn begin(
        &self,
        registered: &Registered,
        view: &VersionId,
    ) -> Result<(Recorder, String), ProjectError> {
        let view = registered.view(view)?;
        let stream = registered.source_of(&view)?.into_owned().stream;
        let topic = stream.map(|stream| stream.topic).unwrap_or_default();
        let subject = Subject::view(Job::Stream, &view);
        Ok((Recorder::begin(&self.project, &self.registry, registered, subject).await?, topic))
    }

    /// Records that all streams ended.
    async fn end(self) {
        for carried in self.carried {
            let failure = self.stream_status.failure(&carried.view);
            carried.end(failure).await;
        }
    }
}

impl Carried {
    async fn end(self, failure: Option<String>) {
        let Some((run, topic)) = self.run else { return };
        run.end(outcome(&self.metrics, &topic), failure.map_or(Ended::Complete, Ended::Failed)).await;
    }
}

/// What is recorded of a stream; `None` before its first flush.
fn outcome(metrics: &StreamMetrics, topic: &str) -> Option<RunOutcome> {
    let report = metrics.report()?;
    let partitions = report.partitions.iter();
    let partitions =
        partitions.map(|(partition, at)| PartitionRead { partition: *partition, next_offset: at.next });
    Some(RunOutcome::Stream {
        topic: topic.to_owned(),
        partitions: partitions.collect(),
        rows: RowCounts {
            read: report.records,
            loaded: report.rows_loaded,
            late: report.late,
            left_out: report.left_out(),
            newest_event_time: report.partitions.values().filter_map(|at| at.watermark).max(),
            refused: report.refused,
            warned: report.warned,
        },
        readable_p50_us: metrics.quantile(LatencyStage::Readable, 0.5),
        readable_p99_us: metrics.quantile(LatencyStage::Readable, 0.99),
    })
}
