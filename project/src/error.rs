//! Why something cannot be done with a project, by what the caller does next. No message names a command: where one
//! helps, the error has a help topic, which each interface phrases in its own way.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use feature::{EventDate, Micros, Name, VersionId, counted};
use thiserror::Error;

use crate::alerts::NotOpenSlo;
use crate::migration::BackfillRefused;
use crate::rollout::Gate;
use crate::server_error::ServerError;

/// Why something cannot be done with a project.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProjectError {
    /// There is no such folder.
    #[error("there is no folder {}", .folder.display())]
    NoFolder {
        /// What was given.
        folder: PathBuf,
    },
    /// The settings cannot be read.
    #[error("{problems}")]
    Settings {
        /// Everything that is wrong, a line each.
        problems: String,
        /// What the reader of settings says.
        source: Box<figment::Error>,
    },
    /// A view that a training set was not made from.
    #[error("{} was not made from {view}, but from {}", .file.display(), .views.join(", "))]
    NotOfTrainingSet {
        /// The view.
        view: VersionId,
        /// The training set.
        file: PathBuf,
        /// The views that it was made from.
        views: Vec<String>,
    },
    /// A version that was to be retired at a moment that is over.
    #[error("{version} cannot be retired at {at}, as it is {now} by now: name a later time")]
    SunsetPast {
        /// The version.
        version: VersionId,
        /// When it was to be retired.
        at: Micros,
        /// The time.
        now: Micros,
    },
    /// A drift of which a side has no row.
    #[error("{view} has no row {side}, so nothing is compared{}", there(.dates.as_ref()))]
    NoRowsToMeasure {
        /// The view.
        view: VersionId,
        /// Which rows were meant.
        side: String,
        /// The first and the last date on which its rows happened; `None` if it has none with a date.
        dates: Option<(EventDate, EventDate)>,
    },
    /// A last good moment whose rows may not all be in the log yet.
    #[error(
        "rows of {view} that were readable at {good_until} may not be in its log yet: name {newest} or an earlier time"
    )]
    NotSettled {
        /// The view.
        view: VersionId,
        /// The last good moment that was named.
        good_until: Micros,
        /// The newest that may be named.
        newest: Micros,
    },
    /// A feature that a breaker is to hold, and that the view does not have.
    #[error("{view} has no feature `{name}`: it has {features}")]
    NoSuchFeature {
        /// The view.
        view: VersionId,
        /// What was named.
        name: Name,
        /// Those that it has.
        features: String,
    },
    /// A breaker that is open more than once, each time for other features.
    #[error(
        "the circuit breaker of {view} is open {openings}: say which of these is to be closed by its number"
    )]
    SeveralOpenings {
        /// The view.
        view: VersionId,
        /// Each with its number and what it holds.
        openings: String,
    },
    /// A number that no open breaker of the view has.
    #[error("the circuit breaker of {view} is not open by the number {number}: it is open {openings}")]
    NoSuchOpening {
        /// The view.
        view: VersionId,
        /// What was named.
        number: u32,
        /// Each that is open, with its number and what it holds.
        openings: String,
    },
    /// A last good moment at which nothing was readable.
    #[error(
        "nothing of {view} was readable at {good_until}, so there is no last good answer: name a later time, or let no value be answered"
    )]
    NothingGood {
        /// The view.
        view: VersionId,
        /// The last good moment.
        good_until: Micros,
    },
    /// Nothing was applied yet.
    #[error("nothing is registered in {}", .folder.display())]
    NothingRegistered {
        /// The project's folder.
        folder: PathBuf,
    },
    /// The online store holds the rows of another project.
    #[error(
        "the online rows of the project `{project}` at {url} are those of the logs in {}, and this project's are in {}: {}",
        .owner.display(), .own.display(),
        if *.is_on_disk { "give each project a folder of its own with `online.url` in twinstore.toml" }
        else { "give this project another name with `project` in twinstore.toml" }
    )]
    OtherOwner {
        /// The name of both projects.
        project: String,
        /// The online store, without a password.
        url: String,
        /// The other project's logs.
        owner: PathBuf,
        /// This project's logs.
        own: PathBuf,
        /// Whether they lie on disk, in a folder that has no names of projects.
        is_on_disk: bool,
    },
    /// The folder of all logs does not exist, and views were loaded into it.
    #[error(
        "the {} of the logs, {}, {}, and {} loaded into it: {}set `offline.url` right; if the logs are lost, {} there and load again",
        if is_bucket(.folder) { "bucket" } else { "folder" },
        .folder.display(),
        if is_bucket(.folder) { "has no object `.twinstore`" } else { "does not exist" },
        were(.views),
        if is_bucket(.folder) { "" } else { "mount its disk, or " },
        if is_bucket(.folder) { "put an empty object of that name" } else { "make an empty folder" },
    )]
    LogsAreGone {
        /// The folder.
        folder: PathBuf,
        /// The views.
        views: Vec<VersionId>,
    },
    /// There is no registry, or nothing in it, and views were loaded.
    #[error(
        "the registry is gone: nothing is registered in {registry}, and {} in {} {} what views have loaded; restore it from a copy, as it alone knows what was used and what circuit breakers answered",
        counted(*.tables as u64, "table"), .folder.display(), if *.tables == 1 { "has" } else { "have" }
    )]
    RegistryIsGone {
        /// Where it was to be, without a password.
        registry: String,
        /// Tables of views.
        tables: usize,
        /// The folder of the logs.
        folder: PathBuf,
    },
    /// There is no registry beside the logs of views, and definitions are to be registered.
    #[error(
        "the registry is gone: {registry} would begin again beside {} of views in {}; restore it from a copy, or, without one, begin with a new registry: it has no audit log, no live versions, no tokens and no circuit breakers of before; nothing was changed",
        counted(*.tables as u64, "table"), .folder.display()
    )]
    RegistryWouldBeNew {
        /// Where it was to be, without a password.
        registry: String,
        /// Tables of views.
        tables: usize,
        /// The folder of the logs.
        folder: PathBuf,
    },
    /// A view has online rows and no log.
    #[error(
        "{view} has {} online and no log in {}: set `offline.url` right, or bring the log back from a copy; nothing was changed",
        counted(*.rows, "row"), .folder.display()
    )]
    LogIsGone {
        /// The view.
        view: VersionId,
        /// How many online rows it has.
        rows: u64,
        /// The folder of the logs.
        folder: PathBuf,
    },
    /// A topic on disk cannot have this name.
    #[error("the topic `{topic}` cannot be the name of a folder: use letters, digits, `-`, `_` and `.`")]
    TopicName {
        /// The topic.
        topic: String,
    },
    /// Events of lineage cannot go there.
    #[error("`lineage.url` is {url}: name a file, or an `http` or `https` URL")]
    LineageUrl {
        /// The setting, without a password.
        url: String,
    },
    /// Traces and metrics cannot go there, or not for that share of requests.
    #[error(
        "`telemetry.url` is {url} and `telemetry.sample` {sample}: name an `http` or `https` URL of a collector, and a share of requests from 0 to 1"
    )]
    Telemetry {
        /// The setting, without a password.
        url: String,
        /// The share.
        sample: f64,
    },
    /// Nothing can be sent to a collector.
    #[error("telemetry cannot be sent from this machine ({0}): leave `telemetry.url` empty")]
    Collector(#[source] reqwest::Error),
    /// The clock is wrong, or that of a store is.
    #[error(
        "nothing was written: the clock of this machine ({here}) is {} seconds {} that of {whose} ({there}): set it right and run this again",
        .here.since(*.there).abs() / 1_000_000,
        if .here > .there { "ahead of" } else { "behind" }
    )]
    WrongClock {
        /// What the project's clock says.
        here: Micros,
        /// Whose clock it was compared with.
        whose: String,
        /// What that clock says.
        there: Micros,
    },
    /// A running backfill does not do what is wanted of it yet.
    #[error(
        "backfill {number} of {view} is to {request} and has not done so yet: it does once it has written what it is writing"
    )]
    BackfillBusy {
        /// The view.
        view: VersionId,
        /// Which.
        number: u64,
        /// What is wanted of it.
        request: &'static str,
    },
    /// No view has history.
    #[error("no registered view has a batch source: there is no history to load")]
    NoHistory,
    /// A range of times is empty.
    #[error("the range of times is empty: {from} does not lie before {to}")]
    EmptyRange {
        /// Its begin, inclusive.
        from: Micros,
        /// Its end, exclusive.
        to: Micros,
    },
    /// A backfill by dates is over, or does not have the dates that are named.
    #[error(transparent)]
    BackfillRefused(#[from] BackfillRefused),
    /// The values of a read are not those of one entity.
    #[error("{}", problems.join("\n"))]
    Entity {
        /// Everything that is wrong, a sentence each.
        problems: Vec<String>,
    },
    /// Files of which definitions were to be made cannot be read.
    #[error("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Unreadable {
        /// What is wrong with each.
        problems: Vec<materializer::MaterializerError>,
    },
    /// A folder holds no Feast repository.
    #[error("{} holds no `feature_store.yaml`: name the folder of a Feast repository", .folder.display())]
    NoFeastRepository {
        /// The folder.
        folder: PathBuf,
    },
    /// No interpreter has Feast.
    #[error(
        "Feast is not installed for {}: name the Python in whose environment the repository is used",
        .candidates.iter().map(|python| python.display().to_string()).collect::<Vec<_>>().join(", ")
    )]
    NoFeastPython {
        /// Those that were tried.
        candidates: Vec<PathBuf>,
    },
    /// The interpreter that was to describe a Feast repository failed.
    #[error("{} did not describe the repository: {why}", .python.display())]
    FeastPython {
        /// The interpreter.
        python: PathBuf,
        /// Why.
        why: String,
    },
    /// The policy says what it may not.
    #[error("{0}")]
    Policy(registry::Problems),
    /// There is no policy.
    #[error("there is no policy in {policy}: everybody may do everything")]
    NoPolicy {
        /// Where it would lie.
        policy: String,
    },
    /// The policy does not allow a command to who runs it.
    #[error("`{subject}` may not {action} {resource}: {missing}; {policy} says who may do what")]
    Denied {
        /// Who.
        subject: String,
        /// What they wanted to do.
        action: access::Action,
        /// With what.
        resource: String,
        /// What is missing.
        missing: access::Missing,
        /// The file of the policy.
        policy: String,
    },
    /// A token is to have a role that the policy does not have.
    #[error(
        "there is no role `{role}` in {policy}{}",
        if .known.is_empty() { ": write it there first".to_owned() } else { format!(": there is {}", .known.join(", ")) }
    )]
    NoSuchRole {
        /// What was named.
        role: Name,
        /// Those that there are.
        known: Vec<String>,
        /// The file of the policy.
        policy: String,
    },
    /// Others than this machine would be answered, and nothing says who may read.
    #[error(
        "`{key}` is {address}, which others than this machine reach, and there is no policy that says who may read: write {policy}, or set `serve.unprotected` to true where the network keeps others out"
    )]
    Unprotected {
        /// The setting.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// The file of the policy.
        policy: String,
    },
    /// The setting `token` holds no token.
    #[error(
        "the setting `token` cannot be sent to a server: it has a line break or another character that no token has"
    )]
    NotAToken,
    /// The settings name an issuer in part.
    #[error(
        "`access.oidc_issuer`, `access.oidc_audience` and `access.oidc_keys` belong together: name all three"
    )]
    IssuerInPart,
    /// The server cannot speak TLS.
    #[error("TLS cannot begin: {why}")]
    Tls {
        /// What is wrong with the certificate, its key or the authorities.
        why: String,
    },
    /// A view that keeps its rows, whatever their age.
    #[error("no row of {view} goes by its age: {why}")]
    NotExpired {
        /// The view.
        view: VersionId,
        /// Why.
        why: String,
    },
    /// Only an online store on disk is verified.
    #[error("the online store is in Redis, which checks its own files: only a store on disk is verified")]
    StoreNotOnDisk,
    /// The spine of a training set would be written over.
    #[error("{} is the spine and would be written over", .path.display())]
    SpineIsOutput {
        /// The file.
        path: PathBuf,
    },
    /// Two versions have no feature that can be compared.
    #[error("{new} and {old} have nothing to compare: {why}")]
    NothingToCompare {
        /// The old version.
        old: VersionId,
        /// The new version.
        new: VersionId,
        /// Why, and what to do.
        why: String,
    },
    /// The log of a view has no row to draw an entity and a moment from.
    #[error("the log of {view} has no row from which an entity and a moment could be drawn")]
    NoRowsToDraw {
        /// The view.
        view: VersionId,
    },
    /// A file of the project cannot be read or written.
    #[error("cannot {action} {}: {source}", .path.display())]
    File {
        /// What was tried, as in `read`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Nothing reads a source that rows were to be pushed into.
    #[error("no view reads the source `{source_name}`: define one and apply it before rows are pushed")]
    SourceWithoutViews {
        /// The source.
        source_name: Name,
    },
    /// Rows cannot be pushed into a source.
    #[error("nothing can be pushed into the source `{source_name}`: {why}")]
    NotPushable {
        /// The source.
        source_name: Name,
        /// Why, and what to do.
        why: String,
    },
    /// The rows to push cannot be read.
    #[error("the rows cannot be read: {0}")]
    Lines(#[source] io::Error),
    /// Some rows of a push were taken before it failed.
    #[error("{source}; {} before were taken", counted(*.taken as u64, "row"))]
    PushedInPart {
        /// How many.
        taken: usize,
        /// Why it failed.
        source: Box<ProjectError>,
    },
    /// No view has a stream.
    #[error("no registered view has a source with a `stream`: there is nothing to follow")]
    NoStream,
    /// The source of a view has no stream.
    #[error("the source `{source_name}` of {view} has no `stream`")]
    SourceWithoutStream {
        /// The view.
        view: VersionId,
        /// Its source.
        source_name: Name,
    },
    /// A derived view has no stream of its own.
    #[error(
        "{view} has no stream of its own, as it is derived from {input}: once the rows of the stream of {input} are in its log, a load of the new rows brings them to {view}"
    )]
    DerivedWithoutStream {
        /// The view.
        view: VersionId,
        /// The view whose rows it reads.
        input: VersionId,
    },
    /// The load of a view whose rows a derived view reads failed.
    #[error("{view} was not loaded, as it is derived from {input}, whose load failed")]
    InputFailed {
        /// The view.
        view: VersionId,
        /// The view whose rows it reads.
        input: VersionId,
    },
    /// The share of bad rows that is allowed is none.
    #[error("the share of bad rows is a number from 0 to 1")]
    BadShare,
    /// The stream of a view cannot begin.
    #[error("{view}: {source}")]
    Feed {
        /// The view.
        view: VersionId,
        /// Why.
        source: materializer::FeedError,
    },
    /// The topic of a view's stream cannot be read.
    #[error("{view}: {source}")]
    Topic {
        /// The view.
        view: VersionId,
        /// Why.
        source: materializer::PushError,
    },
    /// A thread cannot be started.
    #[error("the system starts no thread: {0}")]
    Thread(#[source] io::Error),
    /// Metrics cannot be served where they were to be.
    #[error("metrics cannot be served at {address}: {source}")]
    Metrics {
        /// The address.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// A setting is no address.
    #[error("`{key}` is `{text}`, which is no address: write it as 127.0.0.1:6566")]
    Address {
        /// The setting.
        key: &'static str,
        /// What it is.
        text: String,
    },
    /// There is no memory for the hot tier.
    #[error("the system does not grant {bytes} bytes for rows that are read often: lower `serve.hot_bytes`")]
    HotMemory {
        /// How much was requested.
        bytes: usize,
    },
    /// There is nothing to serve.
    #[error("no service is registered: define a `feature_service` and apply it")]
    NoService,
    /// The services could not be compiled.
    #[error("the services cannot be compiled: {0}")]
    NotCompiled(#[source] tokio::task::JoinError),
    /// Not all requests were answered in the time to drain.
    #[error("some requests were still in flight when the time to drain was up, and were cut off")]
    CutOff,
    /// No view and no service has this name and version.
    #[error(
        "there is no view and no service `{version}`{}",
        if .versions.is_empty() { String::new() } else { format!(": there is {}", .versions.join(", ")) }
    )]
    NoSuchVersion {
        /// What was named.
        version: VersionId,
        /// The versions of that name.
        versions: Vec<String>,
    },
    /// No entity has these join keys, or several have.
    #[error(
        "{} {} the join keys: {}",
        .given.join(", "),
        if *.is_ambiguous { "are of several entities, so name the one of which these are" } else { "are of no entity; these are" },
        .entities.join(", ")
    )]
    NoSuchEntity {
        /// What was named.
        given: Vec<String>,
        /// The entities, each with its join keys.
        entities: Vec<String>,
        /// Whether several are meant.
        is_ambiguous: bool,
    },
    /// A value that a join key cannot have.
    #[error("the join key `{key}` cannot be that: {why}")]
    KeyValue {
        /// The join key.
        key: Name,
        /// Why.
        why: String,
    },
    /// Nothing of this name has a freshness objective.
    #[error(
        "nothing of the name `{name}` has a freshness objective{}",
        if .known.is_empty() { ": give a view or a consumer one with `freshness`".to_owned() } else { format!(": there is {}", .known.join(", ")) }
    )]
    NoObjective {
        /// What was named.
        name: String,
        /// What has one.
        known: Vec<String>,
    },
    /// A file of OpenSLO does not say what it has to.
    #[error("{}: {source}", .file.display())]
    OpenSlo {
        /// The file.
        file: PathBuf,
        /// What it lacks.
        source: NotOpenSlo,
    },
    /// A name and version mean several things.
    #[error("`{version}` is a {}: say which kind is meant", .kinds.join(" and a "))]
    SeveralKinds {
        /// What was named.
        version: VersionId,
        /// What it means.
        kinds: Vec<String>,
    },
    /// A view without history of whose stream no row is in its log.
    #[error("{view} has no rows in the offline store yet, and they come from its stream")]
    NotStreamed {
        /// The view.
        view: VersionId,
    },
    /// More threads than a training set is read with.
    #[error(
        "a training set is read with up to {most} threads, and {threads} are given: name fewer, or none for one for each core"
    )]
    TooManyThreads {
        /// How many were to read.
        threads: usize,
        /// How many may.
        most: usize,
    },
    /// Gates of a cutover fail.
    #[error(
        "{to} cannot replace the live version yet:\n{}",
        .failed.iter().map(|gate| gate.said.as_str()).collect::<Vec<_>>().join("\n")
    )]
    GatesFailed {
        /// The version that was to answer.
        to: VersionId,
        /// The gates that failed, and what each says.
        failed: Vec<Gate>,
    },
    /// The caller cancelled it.
    #[error("it was cancelled before it was done: what was committed stays")]
    Cancelled,
    /// Faults were to be injected that do not exist.
    #[cfg(feature = "fault-injection")]
    #[error("{0}")]
    FaultInjection(String),
    /// As the exchange with a server says.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// Everything that is wrong with the definitions.
    #[error(transparent)]
    Definitions(#[from] registry::Problems),
    /// As the registry says.
    #[error(transparent)]
    Registry(#[from] registry::RegistryError),
    /// As the offline store says.
    #[error(transparent)]
    Offline(#[from] offline::OfflineError),
    /// As the online store says.
    #[error(transparent)]
    Online(#[from] online::OnlineError),
    /// As the materializer says.
    #[error(transparent)]
    Materializer(#[from] materializer::MaterializerError),
    /// The rows of a source's query could not be extracted.
    #[error(transparent)]
    NotExtracted(Arc<materializer::MaterializerError>),
    /// As a topic on disk says.
    #[error(transparent)]
    Push(#[from] materializer::PushError),
    /// An expression does not compile.
    #[error(transparent)]
    Expression(#[from] transform::ExpressionError),
    /// Columns cannot be compared.
    #[error(transparent)]
    Columns(#[from] arrow::error::ArrowError),
    /// A name is none.
    #[error(transparent)]
    Name(#[from] feature::NameError),
    /// As the read or the server says, with what to do.
    #[error("{}", .0.sentence())]
    Serve(#[source] server::ServeError),
}

impl ProjectError {
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { action, path, source }
    }
}

impl From<server::ServeError> for ProjectError {
    fn from(error: server::ServeError) -> Self {
        Self::Serve(error)
    }
}

impl From<read::ReadError> for ProjectError {
    fn from(error: read::ReadError) -> Self {
        Self::Serve(error.into())
    }
}

impl From<read::RequestError> for ProjectError {
    fn from(error: read::RequestError) -> Self {
        Self::Serve(error.into())
    }
}

/// Whether a path of logs is the address of a bucket.
pub(crate) fn is_bucket(folder: &Path) -> bool {
    folder.to_str().is_some_and(|folder| folder.contains("://"))
}

/// Which dates have rows, as the end of a sentence.
fn there(dates: Option<&(EventDate, EventDate)>) -> String {
    match dates {
        Some((first, last)) => format!(": its rows happened from {first} to {last}"),
        None => ": it has no row with a date".to_owned(),
    }
}

/// Views that were loaded, the first of them by name.
fn were(views: &[VersionId]) -> String {
    match views {
        [view] => format!("{view} was"),
        [first, others @ ..] => format!("{first} and {} others were", others.len()),
        [] => "views were".to_owned(),
    }
}
