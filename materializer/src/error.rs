//! What can go wrong while rows are written into the stores. [`MaterializerError::advice`] says what a caller does next.

use std::path::PathBuf;

use std::path::Path;

use feature::{EventDate, Micros, Position, Span, VersionId, counted};
use offline::OfflineError;
use online::OnlineError;
use thiserror::Error;

mod advice;
mod feed_error;
mod halt;

pub use feed_error::FeedError;
pub use halt::Halt;

/// An error of the materializer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MaterializerError {
    /// The view is not what it was read as any more, or its first use cannot be recorded.
    #[error("{view}: nothing was written: {why}")]
    NotUsable {
        /// The view.
        view: VersionId,
        /// Why.
        why: String,
        /// Whether trying again may help.
        may_pass: bool,
        /// Whether its version is retired.
        is_retired: bool,
    },
    /// A source without history.
    #[error("the source `{source_name}` of {view} has no `batch` path: there is no history to load")]
    NoBatch {
        /// The source.
        source_name: String,
        /// The view.
        view: VersionId,
    },
    /// A path that leads to no file.
    #[error("the source `{source_name}` names `{path}`: {why}")]
    Path {
        /// The source.
        source_name: String,
        /// The path as it is defined.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// A file that cannot be read, or is not what its source declares.
    #[error("`{path}`: {}", .problems.join("; "))]
    File {
        /// The file.
        path: String,
        /// Everything that is wrong with it.
        problems: Vec<String>,
    },
    /// A query that its database refuses, or whose columns are not what its source declares.
    #[error("the query of the source `{source_name}` at {database}: {}", .problems.join("; "))]
    Query {
        /// The source.
        source_name: String,
        /// Where the database is, without the login.
        database: String,
        /// Everything that is wrong with it.
        problems: Vec<String>,
    },
    /// A database that cannot be reached, or was lost.
    #[error("the source `{source_name}`: {database} {why}")]
    Database {
        /// The source.
        source_name: String,
        /// Where the database is, without the login.
        database: String,
        /// What is wrong, and what is left.
        why: String,
    },
    /// A source whose definition or environment does not say how its database is reached.
    #[error("the `connection` of the source `{source_name}`: {why}")]
    Connection {
        /// The source.
        source_name: String,
        /// What is missing.
        why: String,
    },
    /// A folder of extracts that cannot be read or written.
    #[error("the extracts of the source `{source_name}` in {folder}: {why}")]
    Extracts {
        /// The source.
        source_name: String,
        /// Where they lie.
        folder: String,
        /// What is wrong with them.
        why: String,
    },
    /// Every row of what would be a view's first load was refused.
    #[error(
        "every row of {view} was refused ({}), so nothing is loaded: the first is row {} of `{origin}`: {why}; correct the definition or the file and load again",
        counted(*rows, "row"), row_of(position)
    )]
    NothingAccepted {
        /// The view.
        view: VersionId,
        /// How many.
        rows: u64,
        /// The file of the first.
        origin: String,
        /// Its position.
        position: Position,
        /// What is wrong with it.
        why: String,
    },
    /// Loaded files that hold something else now.
    #[error(
        "{} changed since {view} loaded it: put new rows into a new file and restore what was loaded, or if the `path` of its source was changed, put that back; for other content define {}@{} and backfill that",
        .files.join(", "), .view.name, .view.version + 1
    )]
    ContentChanged {
        /// The view.
        view: VersionId,
        /// The files.
        files: Vec<String>,
    },
    /// A file that was written or replaced while it was read.
    #[error(
        "`{file}` changed while {view} was loading it, and none of what was read since is in the log: run the command again once the file is whole"
    )]
    ReplacedMeanwhile {
        /// The view.
        view: VersionId,
        /// The file.
        file: String,
    },
    /// Another process is loading the view.
    #[error(transparent)]
    Loading(#[from] locks::Locked),
    /// A table source whose committed rows were changed or removed.
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
    /// A table source whose table is another one than before.
    #[error(
        "the Delta table `{path}` is not the one that {view} loaded, as it was dropped and written again, so which of its rows are loaded is not known: restore the table, or define {}@{} and backfill that",
        .view.name, .view.version + 1
    )]
    OtherTable {
        /// The view.
        view: VersionId,
        /// The source's table.
        path: String,
    },
    /// A source that is of another kind than when its view was loaded.
    #[error(
        "the source of {view} is {is} now, and was {was} when it was loaded, so which of its rows are loaded is not known and all of them would be loaded again: put back what it was, or define {}@{} and backfill that",
        .view.name, .view.version + 1
    )]
    OtherKind {
        /// The view.
        view: VersionId,
        /// What it was.
        was: &'static str,
        /// What it is, and where it lies.
        is: String,
    },
    /// New rows of a source whose history was never loaded.
    #[error("{view} was never backfilled")]
    NeverBackfilled {
        /// The view.
        view: VersionId,
    },
    /// New files with nothing that a read of today sees.
    #[error(
        "{} cannot be materialized from {}: rows that are loaded now are known from now on, and {view} sees no more than {reach} back, so nothing would ever see them; it is history",
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
    /// A range of times over a source without any.
    #[error("the source of {view} has no event time")]
    RangeOfStatic {
        /// The view.
        view: VersionId,
    },
    /// A range of times over a derived view, whose features depend on all rows before.
    #[error("{view} is derived from {input}, all rows of which are taken together")]
    RangeOfDerived {
        /// The view.
        view: VersionId,
        /// The view whose rows it reads.
        input: VersionId,
    },
    /// A derived view whose input has no rows yet, or not all of its history.
    #[error("{view} is derived from {input}, whose history was never loaded as a whole")]
    InputNeverLoaded {
        /// The view.
        view: VersionId,
        /// The view whose rows it reads.
        input: VersionId,
    },
    /// History that was added to an input after rows were derived which it would change.
    #[error(
        "{view} is derived from {input}, which was backfilled with {} since, the first of them visible from {first} on: features that were derived before would be others now, so define {}@{} and backfill that",
        counted(*.rows, "row"), .view.name, .view.version + 1
    )]
    HistoryOfInput {
        /// The view.
        view: VersionId,
        /// The view whose rows it reads.
        input: VersionId,
        /// How many rows.
        rows: u64,
        /// From when on the first of them is visible.
        first: Micros,
    },
    /// A derived view that was never loaded, of whose input retention dropped rows.
    #[error(
        "{view} is derived from {input}, whose retention dropped rows that happened before {before}: what its first rows would be made of is gone, so load what it is to be derived from into a new version of {}",
        .input.name
    )]
    InputExpired {
        /// The view.
        view: VersionId,
        /// The view whose rows it reads.
        input: VersionId,
        /// The midnight before which rows were dropped.
        before: Micros,
    },
    /// A backfill by dates of a source without any.
    #[error(
        "the source of {view} has no event time, so its rows have no dates to be loaded by: load it as a whole"
    )]
    MigrationOfStatic {
        /// The view.
        view: VersionId,
    },
    /// A backfill by dates of a derived view, whose features depend on all rows before.
    #[error("{view} is derived from {input}, all rows of which are taken together: load it as a whole")]
    MigrationOfDerived {
        /// The view.
        view: VersionId,
        /// The view whose rows it reads.
        input: VersionId,
    },
    /// Another load while dates are being loaded.
    #[error(
        "the history of {view} is loaded in part: its backfill by dates {}",
        if *.is_cancelled { "was cancelled" } else { "is not done" }
    )]
    MigrationUnfinished {
        /// The view.
        view: VersionId,
        /// Whether it was cancelled.
        is_cancelled: bool,
    },
    /// Dates whose columns are not to be checked, and that a backfill does not have.
    #[error("the backfill of {view} has no rows of {}: its dates are from {first} to {last}", .dates.join(", "))]
    NoSuchDates {
        /// The view.
        view: VersionId,
        /// The dates that were named.
        dates: Vec<String>,
        /// Its first date.
        first: EventDate,
        /// Its last date.
        last: EventDate,
    },
    /// Files that a load of the whole history would quarantine, and a backfill by dates cannot.
    #[error(
        "nothing of {view} was loaded, since files are not as it expects: {}: mend or remove them, or load its history as a whole, which quarantines them",
        .files.join("; ")
    )]
    FilesNotAsExpected {
        /// The view.
        view: VersionId,
        /// Each file, and why.
        files: Vec<String>,
    },
    /// Files that hold something else than when a backfill by dates began.
    #[error(
        "{} changed since the backfill of {view} began: the dates that it has loaded stay in the log; put back what was there and resume it, or cancel it, define {}@{} and backfill that",
        .files.join(", "), .view.name, .view.version + 1
    )]
    MigrationSourceChanged {
        /// The view.
        view: VersionId,
        /// The files.
        files: Vec<String>,
    },
    /// Files that are gone since a backfill by dates began.
    #[error(
        "the source of {view} has {found} of the {files} files that its backfill reads: the dates that it has loaded stay in the log; put back what was there and resume it, or cancel it, define {}@{} and backfill that",
        .view.name, .view.version + 1
    )]
    MigrationFilesGone {
        /// The view.
        view: VersionId,
        /// How many it reads.
        files: usize,
        /// How many of them are there.
        found: usize,
    },
    /// A batch of which there is nothing to decide.
    #[error(
        "{view} has no quarantined batch {batch} that waits{}",
        .decision.map(|decision| format!(": it is {decision}")).unwrap_or_default()
    )]
    NotQuarantined {
        /// The view.
        view: VersionId,
        /// The number of the batch.
        batch: u32,
        /// What was decided of it, if it was quarantined.
        decision: Option<&'static str>,
    },
    /// A quarantined batch whose file is gone or holds something else.
    #[error(
        "the file of the quarantined batch {batch} of {view} is not there as it was when it was quarantined: restore it and release the batch again, or drop the batch"
    )]
    QuarantinedFileGone {
        /// The view.
        view: VersionId,
        /// The number of the batch.
        batch: u32,
    },
    /// Refused rows that are gone.
    #[error(
        "the refused rows of {view} are gone: its log says that there were some, and the offline store has no folder dead_letters/{}/v{}: restore it from a copy",
        .view.name, .view.version
    )]
    DeadLettersAreGone {
        /// The view.
        view: VersionId,
    },
    /// Descriptions of quarantined files that are gone.
    #[error(
        "what was found in the quarantined files of {view} is gone: its log says that there are some, and the offline store has no folder quarantine/{}/v{}: restore it from a copy",
        .view.name, .view.version
    )]
    QuarantineIsGone {
        /// The view.
        view: VersionId,
    },
    /// A source without a stream.
    #[error("the source `{source_name}` of {view} has no `stream`: there is nothing to follow")]
    NoStream {
        /// The source.
        source_name: String,
        /// The view.
        view: VersionId,
    },
    /// A schema without which values are not read.
    #[error("the stream of the source `{source_name}`: {why}")]
    StreamSchema {
        /// The source.
        source_name: String,
        /// What is wrong with its schema.
        why: String,
    },
    /// A schema registry that does not answer as it should.
    #[error("the schema registry {url}: {why}")]
    SchemaRegistryDown {
        /// Its address.
        url: String,
        /// What failed.
        why: String,
    },
    /// A schema registry that cannot be used this way.
    #[error("the schema registry {url}: {why}")]
    SchemaRegistryRefused {
        /// Its address.
        url: String,
        /// Why.
        why: String,
    },
    /// A topic on disk that is older than a log that was filled from it.
    #[error(
        "the topic {} ends at offset {end}, and the log of {view} has its rows up to offset {next}: the topic is older than the log, and what is pushed into it would never be read; restore the newest copy of the topic",
        .topic.display()
    )]
    TopicBehindLog {
        /// The view.
        view: VersionId,
        /// The folder of the topic.
        topic: PathBuf,
        /// The first offset that the topic does not have.
        end: u64,
        /// The first offset that the log does not have.
        next: u64,
    },
    /// A log that was filled from another topic.
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
    /// A stream whose start would move.
    #[error(
        "the stream of {view} counts from {recorded} by its log, and its source says `from: {named}` now: rows would be lost or count twice, so put it back, or define {}@{}",
        .view.name, .view.version + 1
    )]
    StreamStartMoved {
        /// The view.
        view: VersionId,
        /// The start that the log records.
        recorded: Micros,
        /// The one that the source names.
        named: Micros,
    },
    /// A stream that starts before the end of the history that was loaded.
    #[error(
        "the history of {view} reaches {reaches}, and its stream would count from {from}: rows would count twice, so name `from` in the source's `stream`, after {reaches}"
    )]
    StreamStartCovered {
        /// The view.
        view: VersionId,
        /// Where the stream would start.
        from: Micros,
        /// The newest event of history.
        reaches: Micros,
    },
    /// The source of the stream failed.
    #[error("the topic `{topic}` of {view}: {error}")]
    Feed {
        /// The view.
        view: VersionId,
        /// The topic.
        topic: String,
        /// What failed.
        #[source]
        error: FeedError,
    },
    /// Rows of a topic that another process reads, and does not commit.
    #[error(
        "the topic `{topic}` of {view} is read by {reader}, which committed nothing of it for {waited_s}s and has {} left: see what holds it up, or end it, then run this again",
        counted(*.left, "row")
    )]
    LeftByReader {
        /// The view.
        view: VersionId,
        /// The topic.
        topic: String,
        /// The other process.
        reader: String,
        /// How many rows it has not committed.
        left: u64,
        /// For how many seconds it was waited for the next commit.
        waited_s: u64,
    },
    /// A stream that stopped by itself.
    #[error("the stream of {view} stopped: {}", stopped(topic, view, halt))]
    Halted {
        /// The view.
        view: VersionId,
        /// The topic.
        topic: String,
        /// Why.
        halt: Halt,
    },
    /// A last good moment whose answers would need rows that the retention of the view has dropped.
    #[error(
        "the answers of {view} as of {good_until} need rows of it that happened before {before}, which its retention dropped: name a moment from {from} on, or let no value be answered"
    )]
    GoodExpired {
        /// The view.
        view: VersionId,
        /// The moment.
        good_until: Micros,
        /// The midnight before which all rows were dropped.
        before: Micros,
        /// The first moment that needs none of them.
        from: Micros,
    },
    /// Other writers kept changing the online rows while they were folded.
    #[error("the online rows of {view} kept changing while they were folded: run the command again")]
    OnlineConflict {
        /// The view.
        view: VersionId,
    },
    /// A stream was ended between its online write and its commit, and was not started again.
    #[error(
        "the online rows of {entities} entities of {view} have rows of its stream that its log does not have yet, as a stream was ended before it committed them: let the stream catch up, then run this again"
    )]
    AheadOfLog {
        /// The view.
        view: VersionId,
        /// How many of its entities.
        entities: usize,
    },
    /// A log that ends before the commit up to which the online rows were folded.
    #[error(
        "the online rows of {view} were folded up to version {folded} of its log, which {}: the log is older than the online store, as after one of them was restored from a copy; restore the newest copy of the log, or write the online rows again from the one that is there",
        .found.map_or_else(|| "has no commits".to_owned(), |found| format!("ends at version {found}"))
    )]
    LogBehindOnline {
        /// The view.
        view: VersionId,
        /// The version up to which the online rows were folded.
        folded: u64,
        /// The log's version.
        found: Option<u64>,
    },
    /// A log that has another commit than the one up to which the online rows were folded.
    #[error(
        "version {version} of the log of {view} is another commit than the one that its online rows were folded from: this is not the log that the online store is of, as after one of them was restored or copied; bring back the log that it is of, or write the online rows again from the one that is there"
    )]
    OtherLog {
        /// The view.
        view: VersionId,
        /// The version of the log.
        version: u64,
    },
    /// An online store that lacks rows which the log has.
    #[error(
        "the online rows of {view} were folded up to version {folded} of its log, and rows that were committed since are not online: the online store is older than the log, as after one of them was restored from a copy; write the online rows again from the log"
    )]
    OnlineBehindLog {
        /// The view.
        view: VersionId,
        /// The version up to which the online rows were folded.
        folded: u64,
    },
    /// A stored key whose value cannot be what was written.
    #[error(
        "the log of {view} records {value} under `{key}`, which is out of range: the log is damaged, so restore it from a copy"
    )]
    MarkerOutOfRange {
        /// The view.
        view: VersionId,
        /// The key of the transaction.
        key: String,
        /// Its value.
        value: i64,
    },
    /// A rule that the code relies on does not hold.
    #[error(
        "{view}: {what}, which cannot be: nothing more is written; report this with the log of the command"
    )]
    Invariant {
        /// The view.
        view: VersionId,
        /// What does not hold.
        what: &'static str,
    },
    /// The runtime was shut down while work was under way.
    #[error("the work was interrupted because the process is shutting down: run it again")]
    Interrupted,
    /// More waiting rows of one entity than a packed row holds.
    #[error(
        "an entity of {view} has more than {} rows that are not visible yet: load them when they are nearer",
        online::PENDING_BOUND
    )]
    TooManyPending {
        /// The view.
        view: VersionId,
    },
    /// The offline store failed.
    #[error(transparent)]
    Offline(#[from] OfflineError),
    /// The online store failed.
    #[error(transparent)]
    Online(#[from] OnlineError),
    /// An expression that does not compile.
    #[error(transparent)]
    Expression(#[from] transform::ExpressionError),
    /// A batch that could not be transformed.
    #[error(transparent)]
    Transform(#[from] transform::TransformError),
    /// A column that could not be built.
    #[error("a column could not be built: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
}

impl MaterializerError {
    /// A rule that the code relies on does not hold.
    pub(crate) fn invariant(view: &VersionId, what: &'static str) -> Self {
        Self::Invariant { view: view.clone(), what }
    }

    /// One problem of a file.
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
             emptied or created again; restore it, or define {}@{}",
            view.name,
            view.version + 1
        ),
        Halt::TooManyBad { partition, bad, rows } => format!(
            "{bad} of the newest {rows} rows of partition {partition} of `{topic}` are bad; correct what produces them, or raise the limit of bad rows, and stream again: nothing is lost"
        ),
    }
}

/// The number of a row in its file, from 1.
fn row_of(position: &Position) -> u64 {
    let (_, _, row) = position.parts();
    row + 1
}
