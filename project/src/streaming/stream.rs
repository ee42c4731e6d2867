//! Stream: the topics of views are followed into both stores until all of them end or they are stopped.

use std::sync::Arc;

use feature::{Span, VersionId};
use materializer::{LatencyStage, StreamReport};
use tokio::sync::mpsc;

use super::deriving::DerivedRows;
use super::metrics;
use super::stream_status::StreamStatus;
use super::streams::{Ending, StreamSetup, Streams, ViewStreamOptions, bad_row_limit};
use crate::breakers::{BreakerWatch, Evidence};
use crate::error::ProjectError;
use crate::fault_injection;
use crate::project::Project;
use crate::pushing::warn_of_lost_topics;
use crate::run::{Event, Run};
use crate::targets::{ViewName, has_stream, targets_with};
use crate::telemetry::Telemetry;

/// Which streams to follow, and how.
#[derive(Clone, Debug)]
pub struct FollowStreams {
    /// Of these views; where none is named, of all whose source has a stream, and views that are derived from those get
    /// their rows meanwhile.
    pub views: Vec<ViewName>,
    /// Whether to stop once everything is read that the topics hold now.
    pub until_caught_up: bool,
    /// The share of bad rows, from 0 to 1, beyond which a view's stream stops reading a partition of Kafka; of a topic
    /// on disk it reads on.
    pub max_bad_share: f64,
    /// How long a row may wait for others before it is written.
    pub flush_after: Span,
    /// Rows of one flush at most.
    pub flush_rows: usize,
    /// Bytes that the folds of each view may take in memory.
    pub fold_bytes: usize,
    /// Where to answer `/metrics`, as `HOST:PORT`.
    pub metrics: Option<String>,
}

impl Default for FollowStreams {
    fn default() -> Self {
        Self {
            views: Vec::new(),
            until_caught_up: false,
            max_bad_share: 0.1,
            flush_after: Span::MILLISECOND.times(100),
            flush_rows: 20_000,
            fold_bytes: 256 << 20,
            metrics: None,
        }
    }
}

/// The outcome for the streams.
#[derive(Debug, Default)]
pub struct StreamOutcome {
    /// Those that ended well.
    pub followed: Vec<FollowedView>,
    /// Rows that views which are derived from them got meanwhile.
    pub derived: Vec<DerivedRows>,
    /// Those that stopped by themselves.
    pub failed: Vec<StreamFailure>,
}

/// A view whose stream was followed.
#[derive(Clone, Debug)]
pub struct FollowedView {
    /// The outcome for its records.
    pub report: StreamReport,
    /// After how many microseconds at most half of the rows could be read online, from when their broker had them.
    pub readable_p50_us: Option<i64>,
    /// The same of 99 in 100 rows.
    pub readable_p99_us: Option<i64>,
}

/// A view whose stream stopped.
#[derive(Debug)]
pub struct StreamFailure {
    /// The view.
    pub view: VersionId,
    /// Why.
    pub error: Arc<ProjectError>,
}

/// The streams and what they need while they run.
struct Started {
    streams: Streams,
    stream_status: Arc<StreamStatus>,
    endings: mpsc::UnboundedReceiver<Ending>,
    views: Vec<VersionId>,
    metrics: Option<tokio::task::JoinHandle<()>>,
    /// What goes to a collector.
    telemetry: Option<Telemetry>,
    breaker_watch: BreakerWatch,
}

pub(crate) async fn stream(
    project: &Project,
    options: &FollowStreams,
    run: &Run,
) -> Result<StreamOutcome, ProjectError> {
    let started = match run.until_cancelled(start(project, options, run)).await {
        Ok(started) => started,
        // Stopped before it began.
        Err(ProjectError::Cancelled) => return Ok(StreamOutcome::default()),
        Err(error) => return Err(error),
    };
    let Started { streams, stream_status, mut endings, views, metrics, telemetry, breaker_watch } = started;
    let brokers = feature::redacted(&project.settings.stream.brokers).into_owned();
    run.report(Event::Following { views: views.clone(), brokers });
    let mut outcome = StreamOutcome::default();
    let (mut running, mut is_stopping) = (views.len(), false);
    while running > 0 {
        tokio::select! {
            Some(ending) = endings.recv() => {
                running -= 1;
                outcome.add(ending, &stream_status);
            }
            () = run.cancel.cancelled(), if !is_stopping => {
                is_stopping = true;
                run.report(Event::StoppingStreams);
                streams.cancel();
            }
        }
    }
    if let Some(metrics) = metrics {
        metrics.abort();
    }
    breaker_watch.stop().await;
    let derived = streams.stop().await;
    if let Some(telemetry) = telemetry {
        telemetry.stop().await;
    }
    match derived {
        Ok(derived) => outcome.derived = derived,
        Err(panic) => std::panic::resume_unwind(panic),
    }
    let position = |view: &VersionId| views.iter().position(|one| one == view);
    outcome.followed.sort_by_key(|one| position(&one.report.view));
    Ok(outcome)
}

async fn start(project: &Project, options: &FollowStreams, run: &Run) -> Result<Started, ProjectError> {
    let bad_row_limit = bad_row_limit(options.max_bad_share)?;
    let (registry, registered) = project.registry_in_use().await?;
    let targets = targets_with(&registered, &options.views, has_stream)?;
    if targets.is_empty() {
        return Err(ProjectError::NoStream);
    }
    warn_of_lost_topics(project, &registry, &registered).await;
    let faults = Arc::new(fault_injection::of_stream()?);
    let online = project.online().await?;
    let online = fault_injection::written_by(&faults, online);
    let listener = match &options.metrics {
        Some(address) => Some(metrics::bind(address).await?),
        None => None,
    };
    let each = ViewStreamOptions {
        flush_rows: options.flush_rows,
        flush_after: options.flush_after,
        bad_row_limit,
        fold_bytes: options.fold_bytes,
        until_caught_up: options.until_caught_up,
        faults,
    };
    let stream_status = Arc::<StreamStatus>::default();
    let (ended, endings) = mpsc::unbounded_channel();
    let telemetry = Telemetry::begin(project, "stream")?;
    if let Some(telemetry) = &telemetry {
        let stream_status = stream_status.clone();
        telemetry.exposes(move || stream_status.prometheus());
    }
    let setup = StreamSetup {
        by: "stream",
        online,
        options: each,
        derives: options.views.is_empty(),
        stream_status: stream_status.clone(),
        traces: telemetry.as_ref().map(Telemetry::rows),
        endings: ended,
    };
    let mut streams = Streams::new(project, setup, run).await?;
    let views = targets.iter().map(|target| target.view.id.clone()).collect();
    for target in targets {
        streams.begin(target).await?;
    }
    let metrics = listener.map(|listener| tokio::spawn(metrics::serve(listener, stream_status.clone())));
    let evidence = Evidence { stream_status: stream_status.clone(), served: None, reads: None };
    let breaker_watch = BreakerWatch::begin(project, &project.registry().await?, evidence);
    Ok(Started { streams, stream_status, endings, views, metrics, telemetry, breaker_watch })
}

impl StreamOutcome {
    fn add(&mut self, Ending { view, outcome }: Ending, stream_status: &StreamStatus) {
        match outcome {
            Some(Ok(report)) => {
                let watch = stream_status.watch(&view);
                let readable = |share| watch.as_ref()?.quantile(LatencyStage::Readable, share);
                let (readable_p50_us, readable_p99_us) = (readable(0.5), readable(0.99));
                self.followed.push(FollowedView { report, readable_p50_us, readable_p99_us });
            }
            Some(Err(error)) => self.failed.push(StreamFailure { view, error }),
            // It is raised once all have ended.
            None => {}
        }
    }
}
