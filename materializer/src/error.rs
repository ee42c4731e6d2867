//! What can go wrong while rows are brought into the stores, grouped by what a caller does next.

use std::path::Path;

use feature::{Micros, Span, VersionId};
use offline::OfflineError;
use online::OnlineError;
use thiserror::Error;

use crate::stream::{FeedError, Halt};

/// An error of the materializer.
#[derive(Debug, Error)]
pub enum MaterializerError {
    /// The view is not what it was read as any more, or its first use cannot be recorded.
    #[error("{view}: nothing was written: {why}")]
    NotUsable {
        /// The view.
        view: VersionId,
        /// Why.
        why: String,
        /// Whether trying again may be of use.
        may_pass: bool,
    },
    /// Tell the user: a source without history.
    #[error("the source `{source_name}` of {view} has no `batch` path: there is no history to load")]
    NoBatch {
        /// The source.
        source_name: String,
        /// The view.
        view: VersionId,
    },
    /// Tell the user: a path that leads to no file.
    #[error("the source `{source_name}` names `{path}`: {why}")]
    Path {
        /// The source.
        source_name: String,
        /// The path as it is defined.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// Tell the user: a file that cannot be read, or is not what its source declares.
    #[error("`{path}`: {}", .problems.join("; "))]
    File {
        /// The file.
        path: String,
        /// Everything that is wrong with it.
        problems: Vec<String>,
    },
    /// Tell the user: loaded files whose content is another now.
    #[error(
        "{} changed since {view} loaded it: put new rows into a new file, restore what was loaded, or define {}@{} and backfill that",
        .files.join(", "), .view.name, .view.version + 1
    )]
    ContentChanged {
        /// The view.
        view: VersionId,
        /// The files.
        files: Vec<String>,
    },
    /// Retry: a file that was written or replaced while it was read.
    #[error(
        "`{file}` changed while {view} was loading it, and none of what was read since is in the log: run the command again once the file is whole"
    )]
    ReplacedMeanwhile {
        /// The view.
        view: VersionId,
        /// The file.
        file: String,
    },
    /// Retry: another process loads the view, and goes on.
    #[error(transparent)]
    Loading(#[from] locks::Held),
    /// Tell the user: a table source whose committed rows were changed or removed.
    #[error(
        "version {version} of the Delta table `{path}` removes rows that {view} has loaded: its log only grows, so define {}@{} and backfill that",
        .view.name, .view.version + 1
    )]
    RowsRemoved {
        /// The view.
        view: VersionId,
        /// The source's table.
        path: String,
        /// The table's version.
        version: u64,
    },
    /// Tell the user: new rows of a source whose history was never loaded.
    #[error("{view} was never backfilled: run `twinstore backfill {view}` before materialize")]
    NeverBackfilled {
        /// The view.
        view: VersionId,
    },
    /// Tell the user: new files with nothing that a read of today sees.
    #[error(
        "{} cannot be materialized from {}: rows that are loaded now are known from now on, and {view} sees no more than {reach} back, so nothing would ever see them; it is history: use `twinstore backfill {view}`",
        view, .files.join(", ")
    )]
    History {
        /// The view.
        view: VersionId,
        /// The files, each with its newest row.
        files: Vec<String>,
        /// How far back its ttl and windows reach.
        reach: Span,
    },
    /// Tell the user: a range of times over a source without any.
    #[error("the source of {view} has no event time: leave out --from and --to")]
    RangeOfStatic {
        /// The view.
        view: VersionId,
    },
    /// Tell the user: a source without a stream.
    #[error("the source `{source_name}` of {view} has no `stream`: there is nothing to follow")]
    NoStream {
        /// The source.
        source_name: String,
        /// The view.
        view: VersionId,
    },
    /// Tell the user: a schema without which values are not read.
    #[error("the stream of the source `{source_name}`: {why}")]
    StreamSchema {
        /// The source.
        source_name: String,
        /// What is wrong with its schema.
        why: String,
    },
    /// Retry: a schema registry that does not answer as it should.
    #[error("the schema registry {url}: {why}")]
    SchemaRegistryDown {
        /// Its address.
        url: String,
        /// What failed.
        why: String,
    },
    /// Tell the user: a schema registry that cannot be used this way.
    #[error("the schema registry {url}: {why}")]
    SchemaRegistryRefused {
        /// Its address.
        url: String,
        /// Why.
        why: String,
    },
    /// Tell the user: a log that was filled from another topic.
    #[error(
        "{view} was streamed from another topic than `{topic}`, whose offsets are its own: name the topic of before, or define {}@{}",
        .view.name, .view.version + 1
    )]
    OtherTopic {
        /// The view.
        view: VersionId,
        /// The topic that its source names now.
        topic: String,
    },
    /// Tell the user: a seam between history and stream that would move.
    #[error(
        "the stream of {view} counts from {held} by its log, and its source says `from: {named}` now: rows would be lost or count twice, so put it back, or define {}@{}",
        .view.name, .view.version + 1
    )]
    SeamMoved {
        /// The view.
        view: VersionId,
        /// The seam that the log holds.
        held: Micros,
        /// The one that the source names.
        named: Micros,
    },
    /// Tell the user: a seam before the end of the history that was loaded.
    #[error(
        "the history of {view} reaches {reaches}, and its stream would count from {from}: rows would count twice, so name `from` in the source's `stream`, after {reaches}"
    )]
    SeamCovered {
        /// The view.
        view: VersionId,
        /// From when the stream would count.
        from: Micros,
        /// The newest event of history.
        reaches: Micros,
    },
    /// Retry or tell the user, as the source of the stream says.
    #[error("the topic `{topic}` of {view}: {error}")]
    Feed {
        /// The view.
        view: VersionId,
        /// The topic.
        topic: String,
        /// What failed.
        error: FeedError,
    },
    /// Tell the user: a stream that stopped by itself.
    #[error("the stream of {view} stopped: {}", stopped(topic, view, halt))]
    Halted {
        /// The view.
        view: VersionId,
        /// The topic.
        topic: String,
        /// Why.
        halt: Halt,
    },
    /// Retry: other writers kept changing the online rows while they were folded.
    #[error("the online rows of {view} kept changing while they were folded: run the command again")]
    OnlineConflict {
        /// The view.
        view: VersionId,
    },
    /// Correct: a stream was ended between its online write and its commit, and was not started again.
    #[error(
        "the online rows of {entities} entities of {view} have rows of its stream that its log does not have yet, as a stream was ended before it committed them: run `twinstore stream {view} --until-caught-up` or the server, then this again"
    )]
    AheadOfLog {
        /// The view.
        view: VersionId,
        /// How many of its entities.
        entities: usize,
    },
    /// Stop: more waiting rows of one entity than a packed row holds.
    #[error(
        "an entity of {view} has more than {} rows that are not visible yet: load them when they are nearer",
        online::PENDING_BOUND
    )]
    TooManyPending {
        /// The view.
        view: VersionId,
    },
    /// Stop or tell the user, as the offline store says.
    #[error(transparent)]
    Offline(#[from] OfflineError),
    /// Stop or tell the user, as the online store says.
    #[error(transparent)]
    Online(#[from] OnlineError),
    /// Tell the user: an expression that does not compile.
    #[error(transparent)]
    Expression(#[from] transform::ExpressionError),
    /// Stop: a batch that could not be transformed.
    #[error(transparent)]
    Transform(#[from] transform::TransformError),
    /// Stop: a column that could not be made.
    #[error("a column could not be made: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
}

impl MaterializerError {
    /// Whether trying again may be of use.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Offline(error) => matches!(
                error,
                OfflineError::Conflict { .. } | OfflineError::Full { .. } | OfflineError::Table { .. }
            ),
            Self::Online(error) => !matches!(
                error,
                OnlineError::Damaged { .. }
                    | OnlineError::Newer { .. }
                    | OnlineError::TooLarge { .. }
                    | OnlineError::Url { .. }
            ),
            Self::OnlineConflict { .. } | Self::AheadOfLog { .. } | Self::SchemaRegistryDown { .. } => true,
            Self::NotUsable { may_pass, .. } => *may_pass,
            Self::Feed { error, .. } => matches!(error, FeedError::Unreachable(_)),
            _ => false,
        }
    }

    pub(crate) fn file(path: &Path, problem: impl ToString) -> Self {
        Self::File { path: path.display().to_string(), problems: vec![problem.to_string()] }
    }
}

/// Why a stream stopped, and how to go on.
fn stopped(topic: &str, view: &VersionId, halt: &Halt) -> String {
    match halt {
        Halt::Gap { partition, next, earliest } => format!(
            "partition {partition} of `{topic}` begins at offset {earliest} now, and the log needs {next}: {} rows \
             are gone; restore them to the topic, or define {}@{} over a history that has them",
            earliest - next,
            view.name,
            view.version + 1
        ),
        Halt::Beyond { partition, next, end } => format!(
            "partition {partition} of `{topic}` ends at offset {end}, and the log has all before {next}: the topic was \
             emptied or made anew; restore it, or define {}@{}",
            view.name,
            view.version + 1
        ),
        Halt::TooManyBad { partition, bad, rows } => format!(
            "{bad} of the newest {rows} rows of partition {partition} of `{topic}` are bad; see `twinstore dead-letter list {view}`, mend what produces \
             them, or allow more with --max-bad-share, and stream again: nothing is lost"
        ),
    }
}
