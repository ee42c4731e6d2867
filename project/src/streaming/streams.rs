//! Streams that are followed, each on a thread of its own: how one begins, goes on, and ends. Where two processes follow
//! a view whose topic lies on disk, one of them does, and the other waits until that one is gone.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use feature::{Source, Span, VersionId, View};
use materializer::{
    BadRowLimit, Bounds, FaultInjection, Kafka, KafkaSettings, Materializer, PushFeed, StreamMetrics,
    StreamOptions, StreamReport, Target, follow,
};
use online::Store;
use registry::Registered;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle as Task;

use super::compacting::compact;
use super::deriving::{DerivedRows, Deriving};
use super::freshness::Carrying;
use super::stream_status::StreamStatus;
use crate::background::{Background, noticed};
use crate::error::ProjectError;
use crate::project::Project;
use crate::run::{Event, Run};
use crate::targets::{has_stream, targets_with};
use crate::telemetry::RowTracer;
use crate::upkeep::Passes;

/// Bytes of the records of one flush.
const FLUSH_BYTES: usize = 16 << 20;

/// How long a step rests that failed: at first, and at last.
const FIRST_REST: Span = Span::MILLISECOND.times(50);
const LONGEST_REST: Span = Span::SECOND.times(5);

/// How each view is followed.
#[derive(Clone, Debug)]
pub(crate) struct ViewStreamOptions {
    /// Rows of one flush at most.
    pub(crate) flush_rows: usize,
    /// How long a row may wait for others.
    pub(crate) flush_after: Span,
    /// The share of bad rows beyond which a partition of Kafka is not read any more, and one on disk is noted.
    pub(crate) bad_row_limit: BadRowLimit,
    /// Bytes that the folds of one view may take in memory.
    pub(crate) fold_bytes: usize,
    /// Whether to stop once everything is read that the topics hold now.
    pub(crate) until_caught_up: bool,
    /// The faults that a test injects; none by default.
    pub(crate) faults: Arc<FaultInjection>,
}

/// Who follows streams, and how.
pub(crate) struct StreamSetup {
    /// The command, as first uses are recorded.
    pub(crate) by: &'static str,
    /// The store that rows are written to.
    pub(crate) online: Store,
    /// How each view is followed.
    pub(crate) options: ViewStreamOptions,
    /// Whether views that are derived from those get their rows meanwhile.
    pub(crate) derives: bool,
    /// Shows how they are going.
    pub(crate) stream_status: Arc<StreamStatus>,
    /// Takes rows that their producers trace.
    pub(crate) traces: Option<RowTracer>,
    /// Notified of each that ends.
    pub(crate) endings: mpsc::UnboundedSender<Ending>,
}

/// The outcome for a view's stream.
pub(crate) struct Ending {
    pub(crate) view: VersionId,
    /// None where its thread panicked: it is raised where the thread is joined.
    pub(crate) outcome: Option<Result<StreamReport, Arc<ProjectError>>>,
}

/// The streams that a process follows.
pub(crate) struct Streams {
    project: Project,
    run: Run,
    setup: StreamSetup,
    followed: BTreeMap<VersionId, Followed>,
    /// Dropped, it ends what carries freshness into the registry.
    carrying: Background<()>,
    /// Dropped, it ends the passes that free storage.
    passes: Option<Background<()>>,
    /// Dropped, it ends the loads of derived views.
    deriving: Option<Background<Vec<DerivedRows>>>,
}

struct Followed {
    source: Arc<Source>,
    view: Arc<View>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    compacting: Task<()>,
}

impl Streams {
    /// None yet.
    pub(crate) async fn new(project: &Project, setup: StreamSetup, run: &Run) -> Result<Self, ProjectError> {
        let registry = project.registry().await?;
        let carrying = Carrying::new(project.clone(), registry.clone(), setup.stream_status.clone());
        let carrying = Background::begin("freshness is not noted in the registry", |stop| carrying.run(stop));
        let passes = Passes::of(project, &setup.online, setup.by);
        let passes = passes.map(|passes| {
            Background::begin("rows beyond retention are not dropped", |stop| passes.run(stop))
        });
        let deriving = setup.derives.then(|| {
            let deriving =
                Deriving::new(project, registry, setup.online.clone(), setup.stream_status.clone(), setup.by);
            Background::begin("derived views get no rows", |stop| {
                deriving.run(stop, setup.options.until_caught_up)
            })
        });
        let (project, run, followed) = (project.clone(), run.clone(), BTreeMap::new());
        Ok(Self { project, run, setup, followed, carrying, passes, deriving })
    }

    /// Follows every registered view whose source has a stream. Those that are followed go on; one that
    /// stopped, or whose source was changed, begins again.
    pub(crate) async fn follow(&mut self, registered: &Registered) -> Result<(), ProjectError> {
        let targets = targets_with(registered, &[], has_stream)?;
        let removed = |view: &VersionId| !targets.iter().any(|target| target.view.id == *view);
        let removed: Vec<VersionId> = self.followed.keys().filter(|view| removed(view)).cloned().collect();
        for view in removed {
            if let Some(before) = self.followed.remove(&view) {
                // One that panicked has said so.
                let _ = before.end().await;
            }
            self.setup.stream_status.forget(&view);
        }
        for target in targets {
            if self.followed.get(&target.view.id).is_some_and(|one| one.goes_on_with(&target)) {
                continue;
            }
            if let Some(before) = self.followed.remove(&target.view.id) {
                let _ = before.end().await;
            }
            self.begin(target).await?;
        }
        Ok(())
    }

    /// Begins to follow a view.
    pub(crate) async fn begin(&mut self, target: Target) -> Result<(), ProjectError> {
        let feed = FeedSettings::of(&self.project, &target)?;
        let targets = std::slice::from_ref(&target);
        let materializer =
            self.project.materializer(self.setup.online.clone(), targets, self.setup.by).await?;
        let materializer = Arc::new(materializer);
        let (metrics, stop): (StreamMetrics, Arc<AtomicBool>) = Default::default();
        let watch = Arc::new(match &self.setup.traces {
            Some(traces) => metrics.with_traces(traces.of(&target.view.id)),
            None => metrics,
        });
        let following = self.following(&feed, &watch, &stop)?;
        let (view, source) = (target.view.clone(), target.source.clone());
        self.setup.stream_status.begins(view.id.clone(), watch);
        let compacting = compact(materializer.clone(), view.clone());
        let compacting = tokio::spawn(async {
            noticed("the files of a log are not put together", compacting).await;
        });
        let report = Report::new(self, &view.id);
        let runtime = Handle::current();
        let thread = thread::Builder::new().name(view.id.to_string()).spawn(move || {
            let outcome = runtime.block_on(feed.follow(&materializer, &target, &following));
            report.end(outcome);
        });
        let thread = Some(thread.map_err(ProjectError::Thread)?);
        self.followed.insert(view.id.clone(), Followed { source, view, stop, thread, compacting });
        Ok(())
    }

    fn following(
        &self,
        feed: &FeedSettings,
        watch: &Arc<StreamMetrics>,
        stop: &Arc<AtomicBool>,
    ) -> Result<StreamOptions, ProjectError> {
        let options = &self.setup.options;
        Ok(StreamOptions {
            bounds: Bounds {
                rows: options.flush_rows,
                bytes: FLUSH_BYTES,
                wait: options.flush_after,
                first_rest: FIRST_REST,
                longest_rest: LONGEST_REST,
            },
            bad_row_limit: match feed {
                FeedSettings::Kafka(_) => options.bad_row_limit,
                // Many push who know nothing of each other: the bad rows of one hold up no other.
                FeedSettings::Disk { .. } => options.bad_row_limit.noting(),
            },
            max_fold_bytes: options.fold_bytes,
            metrics: watch.clone(),
            until_caught_up: options.until_caught_up,
            stop: stop.clone(),
            faults: options.faults.clone(),
        })
    }

    /// Tells all of them to stop: what was read is committed.
    pub(crate) fn cancel(&self) {
        self.followed.values().for_each(|one| one.stop.store(true, Ordering::Relaxed));
    }

    /// Ends all of them: what was read is committed, and how fresh it was is in the registry. Gives the rows that derived
    /// views got of it. Fails where one panicked.
    pub(crate) async fn stop(self) -> thread::Result<Vec<DerivedRows>> {
        self.cancel();
        let mut ended = Ok(());
        for (_, one) in self.followed {
            ended = one.end().await.and(ended);
        }
        let derived = match self.deriving {
            Some(deriving) => deriving.stop().await,
            None => Vec::new(),
        };
        if let Some(passes) = self.passes {
            passes.stop().await;
        }
        self.carrying.stop().await;
        ended.map(|()| derived)
    }
}

impl Followed {
    fn goes_on_with(&self, target: &Target) -> bool {
        let runs = self.thread.as_ref().is_some_and(|thread| !thread.is_finished());
        self.source == target.source && self.view.hash == target.view.hash && runs
    }

    async fn end(mut self) -> thread::Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        let Some(thread) = self.thread.take() else { return Ok(()) };
        // The runtime does not shut down meanwhile: it runs this.
        tokio::task::spawn_blocking(move || thread.join()).await.unwrap_or(Ok(()))
    }
}

/// A stream that nobody waits for ends by itself.
impl Drop for Followed {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.compacting.abort();
    }
}

/// Reports the outcome of a view's stream when its thread ends, however it does.
struct Report {
    view: VersionId,
    stream_status: Arc<StreamStatus>,
    run: Run,
    endings: mpsc::UnboundedSender<Ending>,
    outcome: Option<Result<StreamReport, Arc<ProjectError>>>,
}

impl Report {
    fn new(streams: &Streams, view: &VersionId) -> Self {
        let StreamSetup { stream_status, endings, .. } = &streams.setup;
        let (stream_status, run, endings) = (stream_status.clone(), streams.run.clone(), endings.clone());
        Self { view: view.clone(), stream_status, run, endings, outcome: None }
    }

    fn end(mut self, outcome: Result<StreamReport, ProjectError>) {
        self.outcome = Some(outcome.map_err(Arc::new));
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        match &self.outcome {
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                self.stream_status.failed(&self.view, format!("its stream stopped: {error}"));
                self.run.report(Event::StreamFailed { view: self.view.clone(), error: error.clone() });
            }
            None => {
                tracing::error!("{}: its stream stopped by a fault of twinstore", self.view);
                self.stream_status.failed(&self.view, "its stream stopped by a fault of twinstore".to_owned())
            }
        }
        let ending = Ending { view: self.view.clone(), outcome: self.outcome.take() };
        // Nobody may wait for it any more.
        drop(self.endings.send(ending));
    }
}

/// Where a view's records come from.
enum FeedSettings {
    Kafka(KafkaSettings),
    Disk { folder: PathBuf, group: String },
}

impl FeedSettings {
    /// A group for each view: every view reads all of its topic, from its own position.
    fn of(project: &Project, target: &Target) -> Result<FeedSettings, ProjectError> {
        let Target { view, source, input } = target;
        let Some(stream) = &source.stream else {
            let view = view.id.clone();
            return Err(match input {
                Some(input) => ProjectError::DerivedWithoutStream { view, input: input.view.id.clone() },
                None => ProjectError::SourceWithoutStream { view, source_name: source.name.clone() },
            });
        };
        if let Some(folder) = project.topic_on_disk(&stream.topic)? {
            return Ok(FeedSettings::Disk { folder, group: project.group_on_disk(&view.id) });
        }
        Ok(FeedSettings::Kafka(KafkaSettings {
            brokers: project.settings.stream.brokers.clone(),
            topic: stream.topic.clone(),
            group: project.group(&view.id),
            options: project.settings.stream.kafka.clone(),
        }))
    }

    /// Follows one view until it is stopped. It blocks: it wants a thread of its own.
    async fn follow(
        &self,
        materializer: &Materializer<Store>,
        target: &Target,
        following: &StreamOptions,
    ) -> Result<StreamReport, ProjectError> {
        let clock = materializer.clock;
        let view = || target.view.id.clone();
        Ok(match self {
            FeedSettings::Kafka(settings) => {
                let feed = Kafka::join(settings, clock);
                let feed = feed.map_err(|source| ProjectError::Feed { view: view(), source })?;
                follow(materializer, target, feed, following).await?
            }
            FeedSettings::Disk { folder, group } => {
                let feed = PushFeed::join(folder, group, clock);
                let feed = feed.map_err(|source| ProjectError::Topic { view: view(), source })?;
                follow(materializer, target, feed, following).await?
            }
        })
    }
}

/// The limit of bad rows that a share from 0 to 1 stands for.
pub(crate) fn bad_row_limit(max_bad_share: f64) -> Result<BadRowLimit, ProjectError> {
    if !(0.0..=1.0).contains(&max_bad_share) {
        return Err(ProjectError::BadShare);
    }
    Ok(BadRowLimit::allowed(max_bad_share))
}
