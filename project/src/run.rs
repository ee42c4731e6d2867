//! How a long command is watched and cancelled by its caller: what it reports while it runs, and the token that ends it.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use feature::{EventDate, Name, VersionId};
use materializer::ExtractReport;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::error::ProjectError;

/// The future of an operation on a project.
pub type Work<'a, T> = Pin<Box<dyn Future<Output = Result<T, ProjectError>> + Send + 'a>>;

/// Who watches a command, and how it is cancelled.
#[derive(Clone)]
pub struct Run {
    /// Receives what the command reports; it is called from several threads, and must not block.
    pub progress: Arc<dyn Progress>,
    /// Ends the command once it is cancelled. `serve` and `stream` first finish what is in flight; all others end
    /// where they are, as what is committed stays and the same command goes on from there.
    pub cancel: CancellationToken,
}

/// Receives what a command reports while it runs.
pub trait Progress: Send + Sync {
    /// Something happened.
    fn report(&self, event: Event);
}

/// Nobody watches.
impl Progress for () {
    fn report(&self, _: Event) {}
}

/// What a command reports while it runs.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// The rows of a source's query begin to be extracted.
    ExtractionBegins(Name),
    /// More rows of a source's query were read.
    RowsExtracted {
        /// The source.
        source: Name,
        /// How many more.
        rows: u64,
    },
    /// The rows of a source's query are extracted, or that failed.
    ExtractionEnds {
        /// The source.
        source: Name,
        /// What was extracted; `None` if it failed.
        report: Option<ExtractReport>,
    },
    /// The load of a view begins.
    LoadBegins(VersionId),
    /// More rows of a view's source were read.
    RowsRead {
        /// The view.
        view: VersionId,
        /// How many more.
        rows: u64,
    },
    /// The load of a view ended, well or not.
    LoadEnds(VersionId),
    /// A date of a backfill was set aside.
    DateFailed {
        /// The view.
        view: VersionId,
        /// The date.
        date: EventDate,
        /// Why, a clause each.
        reasons: Vec<String>,
    },
    /// All dates of a backfill are in the log, and the online rows of the view are written.
    GoingOnline(VersionId),
    /// The label times of a spine have no time zone, and were read as UTC.
    TimesReadAsUtc {
        /// The column.
        column: String,
    },
    /// The next rows of a training set are waited for, which read the logs of its views.
    JoinBegins {
        /// Rows of all logs that are to be read.
        log_rows: u64,
    },
    /// Rows of logs were read.
    LogRowsRead {
        /// How many so far.
        rows: u64,
    },
    /// The next rows of a training set are there, or there are none.
    JoinEnds,
    /// The file of the online store was damaged: it is put aside, and all views are written again from their logs.
    StorePutAside {
        /// Where it lies now.
        file: PathBuf,
    },
    /// Streams are followed.
    Following {
        /// Of these views.
        views: Vec<VersionId>,
        /// From these brokers, or this folder.
        brokers: String,
    },
    /// The stream of a view stopped by itself.
    StreamFailed {
        /// The view.
        view: VersionId,
        /// Why. The other views go on.
        error: Arc<ProjectError>,
    },
    /// Features are served.
    Serving {
        /// The services, each with its version.
        services: Vec<VersionId>,
        /// The address of gRPC.
        grpc: SocketAddr,
        /// The address of HTTP.
        http: SocketAddr,
    },
    /// Streams were cancelled, and commit what they have read.
    StoppingStreams,
    /// A server was cancelled, and finishes what is in flight.
    StoppingServer,
}

impl Run {
    /// Watched by this, until this is cancelled.
    pub fn new(progress: Arc<dyn Progress>, cancel: CancellationToken) -> Self {
        Self { progress, cancel }
    }

    pub(crate) fn report(&self, event: Event) {
        self.progress.report(event);
    }

    /// What the work gives; it is dropped where it is once the command is cancelled.
    pub(crate) async fn until_cancelled<T>(
        &self,
        work: impl Future<Output = Result<T, ProjectError>>,
    ) -> Result<T, ProjectError> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(ProjectError::Cancelled),
            done = work => done,
        }
    }
}

/// Nobody watches it, and nobody cancels it.
impl Default for Run {
    fn default() -> Self {
        Self::new(Arc::new(()), CancellationToken::new())
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("cancel", &self.cancel).finish_non_exhaustive()
    }
}

/// Runs what blocks on a thread that may block. A panic of it goes on here.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ProjectError> {
    ended(tokio::task::spawn_blocking(work)).await
}

/// What a task gave that was begun elsewhere. A panic of it goes on here.
pub(crate) async fn ended<T>(task: JoinHandle<T>) -> Result<T, ProjectError> {
    match task.await {
        Ok(done) => Ok(done),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The runtime is shutting down.
        Err(_) => Err(ProjectError::Cancelled),
    }
}
