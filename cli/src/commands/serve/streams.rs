//! The streams that a server follows: those of all views whose topics lie on disk, each on a thread of its
//! own, as `stream` does. Where a `stream` runs beside it, one of both follows a view, and the other
//! waits until that one is gone.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use feature::{Source, VersionId, View};
use materializer::{Following, Materializer, Share, Target, Watch};
use online::Store;
use registry::Registered;
use tokio::runtime::Handle;
use tokio::task::JoinHandle as Task;

use crate::arguments::ServeArgs;
use crate::commands::stream::{self, metrics};
use crate::failure::Failure;
use crate::project::{Project, targets_with};

/// How long a row waits for others: less than with `stream`, as somebody may be waiting for it.
const FLUSH_AFTER: &str = "50ms";
/// Rows of one flush.
const FLUSH_ROWS: usize = 20_000;
/// What the folds of one view may take in memory.
const FOLD_BYTES: usize = 256 << 20;

/// How the streams are going, for those who ask.
#[derive(Default)]
pub struct Board(Mutex<BTreeMap<VersionId, Told>>);

struct Told {
    watch: Arc<Watch>,
    /// Why it stopped.
    failure: Option<String>,
}

impl Board {
    /// Why a view's stream stopped; none where it goes on, or is not followed here.
    pub fn failure(&self, view: &VersionId) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(view)?.failure.clone()
    }

    /// The views that do not get all of their rows, each with the reason.
    pub fn degraded(&self) -> Vec<(VersionId, String)> {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let degraded = told.iter().filter_map(|(view, told)| {
            let bad = || {
                let report = told.watch.report()?;
                let shares = report.partitions.iter();
                let (_, share) = shares.filter_map(|(p, at)| Some((*p, at.too_many_bad?))).next()?;
                Some(format!(
                    "{} of its newest {} rows are bad, and among its dead letters",
                    share.bad, share.rows
                ))
            };
            Some((view.clone(), told.failure.clone().or_else(bad)?))
        });
        degraded.collect()
    }

    /// What the streams tell of themselves, in the text format of Prometheus.
    pub fn prometheus(&self) -> String {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let views: String = told.iter().map(|(view, told)| told.watch.prometheus(view)).collect();
        if views.is_empty() { views } else { format!("{}{views}", metrics::TYPES) }
    }

    fn begins(&self, view: VersionId, watch: Arc<Watch>) {
        let told = Told { watch, failure: None };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(view, told);
    }

    fn failed(&self, view: &VersionId, why: String) {
        if let Some(told) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(view) {
            told.failure = Some(why);
        }
    }
}

/// The streams of a server.
pub struct Streams<'a> {
    project: &'a Project,
    is_on: bool,
    share: Share,
    board: Arc<Board>,
    followed: BTreeMap<VersionId, Followed>,
}

struct Followed {
    source: Arc<Source>,
    view: Arc<View>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
    compacting: Task<()>,
}

impl<'a> Streams<'a> {
    /// None yet.
    pub fn new(project: &'a Project, args: &ServeArgs) -> Result<Self, Failure> {
        Ok(Self {
            project,
            is_on: !args.no_streams && project.has_topics_on_disk(),
            share: stream::share(args.max_bad_share)?.noting(),
            board: Arc::default(),
            followed: BTreeMap::new(),
        })
    }

    /// How they are going.
    pub fn board(&self) -> Arc<Board> {
        self.board.clone()
    }

    /// Follows every registered view whose source has a stream. Those that are followed go on; one that
    /// stopped, or whose source was changed, begins anew.
    pub async fn follow(&mut self, registered: &Registered) -> Result<(), Failure> {
        if !self.is_on {
            return Ok(());
        }
        let targets = targets_with(registered, &[], |source| source.stream.is_some())?;
        let removed = |view: &VersionId| !targets.iter().any(|target| target.view.id == *view);
        let removed: Vec<VersionId> = self.followed.keys().filter(|view| removed(view)).cloned().collect();
        for view in removed {
            if let Some(before) = self.followed.remove(&view) {
                before.end().await;
            }
        }
        for target in targets {
            let goes_on = |one: &Followed| {
                one.source == target.source && one.view.hash == target.view.hash && !one.thread.is_finished()
            };
            if self.followed.get(&target.view.id).is_some_and(goes_on) {
                continue;
            }
            if let Some(before) = self.followed.remove(&target.view.id) {
                before.end().await;
            }
            let materializer =
                Arc::new(self.project.materializer(std::slice::from_ref(&target), "serve").await?);
            let followed = self.begin(materializer, target.clone())?;
            self.followed.insert(target.view.id.clone(), followed);
        }
        Ok(())
    }

    /// Ends all of them: what was read is committed.
    pub async fn stop(self) {
        self.followed.values().for_each(|one| one.stop.store(true, Ordering::Relaxed));
        for (_, one) in self.followed {
            one.end().await;
        }
    }

    fn begin(&self, materializer: Arc<Materializer<Store>>, target: Target) -> Result<Followed, Failure> {
        let (watch, stop): (Arc<Watch>, Arc<AtomicBool>) = Default::default();
        let following = Following {
            bounds: stream::bounds(FLUSH_ROWS, FLUSH_AFTER.parse()?)?,
            share: self.share,
            max_fold_bytes: FOLD_BYTES,
            watch: watch.clone(),
            until_caught_up: false,
            stop: stop.clone(),
            trial: Arc::default(),
        };
        let settings = stream::feed_settings(self.project, &target)?;
        let (view, source, board) = (target.view.clone(), target.source.clone(), self.board.clone());
        let followed = view.clone();
        board.begins(view.id.clone(), watch);
        let compacting = tokio::spawn(stream::compact(materializer.clone(), vec![view.clone()]));
        let runtime = Handle::current();
        let thread = thread::Builder::new().name(view.id.to_string()).spawn(move || {
            let outcome = runtime.block_on(stream::run(&materializer, &target, &settings, &following));
            // The server goes on, and so do the other views: each stands for itself.
            if let Err(failure) = outcome {
                eprintln!("error: {failure}");
                board.failed(&view.id, format!("its stream stopped: {failure}"));
            }
        })?;
        Ok(Followed { source, view: followed, stop, thread, compacting })
    }
}

impl Followed {
    async fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.compacting.abort();
        // A thread that panicked has said so.
        let _ = tokio::task::spawn_blocking(move || self.thread.join()).await;
    }
}
