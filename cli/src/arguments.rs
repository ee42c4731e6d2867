//! What can be written on the command line. Its documentation is generated from here.

mod access_arguments;
mod at_least_one;
mod backfill;
mod breaker_arguments;
mod capacity_arguments;
mod forget_arguments;
mod lifecycle_arguments;
mod memory_size;
mod offline_arguments;
mod quality_arguments;
mod slo_arguments;
mod stream_arguments;
mod training_set_arguments;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use feature::{Micros, ServiceRef};
use twinstore::ViewName;

use at_least_one::at_least_one;

pub use access_arguments::{AccessCommand, CreateTokenArgs, TokenCommand, WhichToken};
pub use backfill::{BackfillArgs, BackfillCommand, DatedBackfill};
pub use breaker_arguments::{BreakerCommand, OpenBreakerArgs};
pub use capacity_arguments::CapacityArgs;
pub use forget_arguments::ForgetArgs;
pub use lifecycle_arguments::{AuditArgs, CutoverArgs, DeprecateArgs, ParityArgs, RetireArgs, RollbackArgs};
pub use offline_arguments::{CostArgs, ExpireArgs, OfflineCommand, VacuumArgs};
pub use quality_arguments::{DecideArgs, DriftArgs, QualityCommand, QuarantineCommand, StatisticsArgs, days};
pub use slo_arguments::{AlertFormatArg, AlertsArgs, SloArgs};
pub use stream_arguments::{PushArgs, ServeArgs, StreamArgs};
pub use training_set_arguments::{AsOfArg, TrainingSetArgs, TrainingSetCommand, TrainingSetOther};

/// A feature store: training sets that cannot leak, and the same features online.
#[derive(Parser, Debug)]
#[command(name = "twinstore", version, max_term_width = 100)]
pub struct Arguments {
    /// The folder of the project: definitions in `features/`, settings in `twinstore.toml`
    #[arg(long, global = true, value_name = "DIR", default_value = ".")]
    pub project: PathBuf,

    /// Say more on stderr; twice for more still
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// How log lines are written
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,

    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// One object a line
    Json,
}

/// How a result is written on stdout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Table,
    /// For programs
    Json,
}

/// How results are written.
#[derive(Args, Clone, Copy, Debug)]
pub struct FormatArg {
    /// How the result is written on stdout
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

/// What to register.
#[derive(Args, Clone, Copy, Debug)]
pub struct ApplyArgs {
    /// Begin with a new registry where the logs of views are there and their registry is gone: what it knew beside the
    /// definitions is lost
    #[arg(long)]
    pub new_registry: bool,
    /// How the result is written
    #[command(flatten)]
    pub format: FormatArg,
}

/// Everything that twinstore does.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Write a small working project: a sample, or one for files of yours
    ///
    /// With --from it is made of these files: their columns and a sample of their values give a source, an entity, a
    /// view and a service, and a spine for a first training set. What was chosen is said in comments. No file is
    /// overwritten.
    Init(InitArgs),
    /// Make definitions of those of another feature store
    #[command(subcommand)]
    Import(ImportCommand),
    /// Show what `apply` would change, and the views, services, consumers and training sets that each change reaches
    Plan(FormatArg),
    /// Register the definitions, in one transaction
    Apply(ApplyArgs),
    /// Load history into the offline store, then sync the online store
    ///
    /// History is read from the batch path of each view's source. Files that were loaded before are
    /// passed over, so running it again changes nothing. The subcommands load one view date by date, with checks, and
    /// can be paused and resumed.
    Backfill(BackfillCommand),
    /// Load the batch rows that are new since the last run into both stores
    ///
    /// New are files and Delta versions that were not loaded before, whatever their event times.
    /// Their availability is measured: it is the moment after the online write was acknowledged.
    Materialize(MaterializeArgs),
    /// Follow the streams into both stores until it is stopped
    ///
    /// Each view has a consumer group of its own. What is read is written online first, then committed to
    /// the log together with its offsets, so it may be killed at any moment. On SIGTERM or Ctrl-C it
    /// commits what it has read.
    Stream(StreamArgs),
    /// Push rows into a topic on disk, from which `stream` brings them into both stores
    ///
    /// Where `stream.brokers` is `embedded://FOLDER`, no broker is needed. Rows are checked as those that are pushed
    /// over HTTP: refused ones are named, and the others taken. Where the project is served, the server takes them.
    /// When it returns, they are durable.
    Push(PushArgs),
    /// Build a training set: the point-in-time join of a spine with the features of a service
    ///
    /// Beside the file lies FILE.manifest.json: everything from which it can be made again.
    TrainingSet(TrainingSetCommand),
    /// Compare two versions of a view or of a service, at the same entities and moments
    ///
    /// Features are matched by name, and each is checked: equal, within bounds, a declared change, or outside bounds.
    /// Entities and moments are drawn from the log of the old version, or are those of a spine. Exit code 1 where a
    /// feature is outside its bounds. The report is kept in the registry.
    Parity(ParityArgs),
    /// Read the features of one entity online
    Get(GetArgs),
    /// Serve features over gRPC and HTTP until it is stopped
    ///
    /// The addresses are `serve.grpc` and `serve.http` of twinstore.toml. It follows what is applied and
    /// made live. Where topics lie on disk it takes pushed rows, and brings them into both stores. On
    /// SIGTERM or Ctrl-C it finishes what is in flight.
    Serve(ServeArgs),
    /// Look at the rows that were refused, and try them once more
    #[command(subcommand)]
    DeadLetter(DeadLetterCommand),
    /// Look at the quality of what is loaded
    #[command(subcommand)]
    Quality(QualityCommand),
    /// Measure how far what a view's columns hold lies from a reference
    ///
    /// The figures are of the statistics that are kept of every column: the population stability index, the
    /// Kolmogorov–Smirnov distance, χ² and the Jensen–Shannon distance. Exit code 1 where an index is above 0.25.
    Drift(DriftArgs),
    /// Look at the circuit breakers of views, and open and close them
    #[command(subcommand)]
    Breaker(BreakerCommand),
    /// Look after the online store
    #[command(subcommand)]
    Online(OnlineCommand),
    /// Look after the logs
    #[command(subcommand)]
    Offline(OfflineCommand),
    /// Check what is stored, and say all that is damaged in it
    ///
    /// Commits of logs are read, and the files that they name have to be there in their length. With
    /// --deep every file is read: logs and their checkpoints, refused rows, topics on disk, training sets
    /// and their manifests, the registry. With a name, --values or --served, what is served is compared with the
    /// log instead: rows are folded again at the positions that online rows name. Nothing is changed. Exit code 1
    /// where something is damaged or differs.
    Verify(VerifyArgs),
    /// Show every view and service at a glance, what is bad first
    ///
    /// Each with its objective, its delays, its newest load, the quality and the drift of its rows, and how it compares
    /// with its version before. `serve` shows the same as a page. Exit code 1 where something is wrong.
    Overview(FormatArg),
    /// Show how freshness objectives stand: attained, error budget left, how fast it burns, since when, and which stage
    ///
    /// An objective is the `freshness` of a view, or of a service's consumer. Servers count their reads at the moment
    /// that they answer them, and the budget is that of the last 30 days.
    Slo(SloArgs),
    /// Print alert rules for Prometheus, a dashboard for Grafana, or the objectives as OpenSLO
    ///
    /// They are generated from what is registered: print them again after an apply that changes objectives, sources or
    /// who reads what. A source that stops is one alert, which names what it reaches.
    Alerts(AlertsArgs),
    /// Look for what is wrong, and end in the probable cause and what to do
    ///
    /// It walks from what people see down to what everything stands on: what was changed, freshness, values, rows that
    /// were kept out, pipelines, broker, online store, registry, versions, ports, clock, disk. Nothing is changed. Exit
    /// code 1 where something is wrong.
    Doctor(FormatArg),
    /// Look up what is defined
    #[command(subcommand)]
    Registry(RegistryCommand),
    /// Make a version of a service answer its own name, once its gates pass
    ///
    /// The gates look at what both stores hold of every view that the version reads, beside what they hold of the
    /// live version's; all that fail are said at once. With --percent it answers as a canary, for a stable share of the
    /// entities by the service's first join key. Servers follow within a second, and every answer is of one version.
    Cutover(CutoverArgs),
    /// End a service's canary, or make the version live again that was live before
    ///
    /// It has no gates and loads nothing: the version before is still written.
    Rollback(RollbackArgs),
    /// Say that a version is to be retired on a date
    ///
    /// From then on it is said where the version is read: by `get`, `training-set`, `plan`, `registry list` and
    /// `registry show`, in the headers of a server's answers, and in its metrics.
    Deprecate(DeprecateArgs),
    /// Retire a version that nothing needs any more, and free what it took in both stores
    ///
    /// It is refused while a service or an on-demand view reads the version, or a service's own name means it. The
    /// version stays in the registry as a record, and is never used again. Where the command is interrupted, running
    /// it again goes on from there.
    Retire(RetireArgs),
    /// Remove everything that is stored of an entity, and search for it again
    ///
    /// Its rows go from the logs of all views of the entity, in every version, and from what was made of them: online
    /// rows, refused rows, topics on disk, served answers, reports. Rows that happened up to now stay out, whatever loads
    /// them. Files of sources and training sets are yours: they stay, and are named. With --dry-run nothing is changed.
    /// Exit code 1 where something is left. Where the command is interrupted, running it again goes on from there.
    Forget(ForgetArgs),
    /// Show who changed what is registered, when and why
    ///
    /// Every change is an entry, written together with it and hashed over the entry before. The whole log is
    /// checked: an entry that was changed, removed or moved is named, and the exit code is 1. Whoever can write the
    /// registry's file can write all of it again, so note the last hash elsewhere where that matters.
    Audit(AuditArgs),
    /// Create, list and end the tokens by which programs come to a server
    ///
    /// What they may do is said by the policy, `access.yaml`, and by the roles that they are created with.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Say who may do what by the policy, and who came
    #[command(subcommand)]
    Access(AccessCommand),
    /// Show what a feature, a view, a source or a service comes from, and what comes from it
    ///
    /// Upstream are columns, sources, files and topics; downstream are views, services, models and training sets. Of a
    /// feature or a column the columns and features are followed, of anything else the definitions.
    Lineage(LineageArgs),
    /// Estimate what a demand takes: cores, servers, memory, disks, what breaks first, and the tail while servers fail
    ///
    /// It needs no project. Everything is computed from figures that were measured on one core (--figures), and the
    /// tail is simulated, request by request. Numbers may be written as 11.6k, 1.16M, 2G or 30T.
    Capacity(CapacityArgs),
    /// Print the reference pages of the documentation, as Markdown
    #[command(hide = true)]
    Reference {
        /// Which page
        #[arg(value_enum)]
        page: Page,
    },
}

/// A page of the documentation that is generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Page {
    /// Every key of a definition file
    Definitions,
    /// Every command and setting
    Commands,
}

/// What `init` takes.
#[derive(Args, Debug)]
pub struct InitArgs {
    /// The folder to write it to; it is made where there is none
    #[arg(default_value = ".")]
    pub dir: PathBuf,
    /// Files, folders, patterns or Delta tables to make the project for: Parquet, CSV or JSON lines
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub from: Vec<PathBuf>,
    /// The column of the files that says when a row happened
    #[arg(long, value_name = "COLUMN", requires = "from")]
    pub time: Option<String>,
    /// The column of the files that says whose a row is
    #[arg(long, value_name = "COLUMN", requires = "from")]
    pub key: Option<String>,
}

/// What is imported.
#[derive(Subcommand, Debug)]
pub enum ImportCommand {
    /// Write definitions for a Feast repository, and list what has no counterpart
    ///
    /// Runs the Python code of the repository, with the Feast of an environment that you name or that is found. For each
    /// file of it a file of definitions is written; no file is overwritten. What is not carried over, what is to be done
    /// first, and what gives other values than in Feast is listed, each with its line in the repository.
    Feast(ImportFeastArgs),
}

/// What `import feast` takes.
#[derive(Args, Debug)]
pub struct ImportFeastArgs {
    /// The folder of the repository, which has a `feature_store.yaml`
    pub repository: PathBuf,
    /// The folder of the project to write the definitions to; it is made where there is none
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub out: PathBuf,
    /// The Python that has Feast; without it, that of the active environment, of one beside the repository, or `python3`
    #[arg(long, value_name = "FILE")]
    pub python: Option<PathBuf>,
    /// How the list of what was carried and what was not is written
    #[command(flatten)]
    pub format: FormatArg,
}

/// What `materialize` takes.
#[derive(Args, Debug)]
pub struct MaterializeArgs {
    /// The view versions to load; all with a batch source where none is named
    #[arg(value_name = "VIEW[@V]")]
    pub views: Vec<ViewName>,
    /// How the result is written
    #[command(flatten)]
    pub format: FormatArg,
}

/// What `lineage` takes.
#[derive(Args, Debug)]
pub struct LineageArgs {
    /// A definition as name or name@version; a feature or a column by its own name, or as VIEW@V:FEATURE or SOURCE:COLUMN
    pub name: String,
    /// How the result is written on stdout
    #[arg(long, value_enum, default_value_t = LineageFormat::Tree)]
    pub format: LineageFormat,
}

/// How lineage is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LineageFormat {
    /// For people: what it comes from and what comes from it, as trees
    Tree,
    /// A flowchart for Mermaid, which shows it in Markdown
    Mermaid,
    /// For programs
    Json,
    /// An OpenLineage event for each of the newest runs, a JSON object on each line
    Openlineage,
}

/// What `get` takes.
#[derive(Args, Debug)]
pub struct GetArgs {
    /// The service: a name for its live version, or name@version
    #[arg(value_name = "S[@V]")]
    pub service: ServiceRef,
    /// Join keys and request columns, as in `dest=BOS distance=187`
    #[arg(value_name = "NAME=VALUE")]
    pub values: Vec<String>,
    /// Read as of this time instead of now
    #[arg(long, value_name = "TIME")]
    pub at: Option<Micros>,
    /// The training set of the model that reads, or its manifest: refused where another version would answer
    #[arg(long, value_name = "FILE")]
    pub trained_on: Option<PathBuf>,
    /// Ask the server at this address instead of the store itself
    #[arg(long, value_name = "HOST:PORT")]
    pub grpc: Option<String>,
    /// How the result is written
    #[command(flatten)]
    pub format: FormatArg,
}

/// What `verify` takes.
#[derive(Args, Debug)]
pub struct VerifyArgs {
    /// Compare online values of this view, or of the views of this service, with the log, to the bit
    #[arg(value_name = "NAME[@V]", conflicts_with = "deep")]
    pub name: Option<String>,
    /// Compare online values with the log: of all views where no name is given
    #[arg(long, conflicts_with = "deep")]
    pub values: bool,
    /// Compare the sample of what servers answered in the last day, and not what is online now
    #[arg(long, conflicts_with = "deep")]
    pub served: bool,
    /// How many entities to draw from the log of each view
    #[arg(long, default_value_t = twinstore::DEFAULT_ENTITIES, value_name = "N")]
    pub entities: usize,
    /// Read every file
    #[arg(long)]
    pub deep: bool,
    /// How the result is written
    #[command(flatten)]
    pub format: FormatArg,
}

/// What `online` does.
#[derive(Subcommand, Debug)]
pub enum OnlineCommand {
    /// Write the online rows of views again from their logs, in place
    ///
    /// Readers and writers go on: they see each row as it was or as it is then. Rows that are damaged or that
    /// their logs do not explain go. Where the store's file itself cannot be used, it is put aside beside the
    /// new one, all views are written again, and until that is done readers are refused.
    Rebuild {
        /// The view versions; all where none is named
        #[arg(value_name = "VIEW[@V]")]
        views: Vec<ViewName>,
        /// How the result is written
        #[command(flatten)]
        format: FormatArg,
    },
    /// Read every page and every row of the store on disk, and check that they are what was written
    Verify {
        /// How the result is written
        #[command(flatten)]
        format: FormatArg,
    },
}

/// What `dead-letter` does.
#[derive(Subcommand, Debug)]
pub enum DeadLetterCommand {
    /// List the rows that were refused, and why; not those that went through since
    List {
        /// The view versions; all where none is named
        #[arg(value_name = "VIEW[@V]")]
        views: Vec<ViewName>,
        /// Refused rows that are looked at, for each view
        #[arg(long, value_name = "ROWS", value_parser = at_least_one::<NonZeroUsize>, default_value = "1000")]
        limit: NonZeroUsize,
        /// How the result is written
        #[command(flatten)]
        format: FormatArg,
    },
    /// Validate the refused rows of streams once more, after what made them bad is corrected
    ///
    /// Those that are good now go into both stores, under the positions that they always had.
    Replay {
        /// The view versions; all whose source has a stream where none is named
        #[arg(value_name = "VIEW[@V]")]
        views: Vec<ViewName>,
        /// Refused rows that are looked at, for each view
        #[arg(long, value_name = "ROWS", value_parser = at_least_one::<NonZeroUsize>, default_value = "100000")]
        limit: NonZeroUsize,
        /// How the result is written
        #[command(flatten)]
        format: FormatArg,
    },
}

/// What can be defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum KindArg {
    /// An entity
    Entity,
    /// A source
    Source,
    /// A feature view
    FeatureView,
    /// An on-demand view
    OnDemandView,
    /// A feature service
    FeatureService,
}

/// What `registry` does.
#[derive(Subcommand, Debug)]
pub enum RegistryCommand {
    /// List everything that is defined, or what has a text in its name
    List {
        /// Only what has this text in its name, its owner, its description, or the names of its features
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
        /// How the result is written
        #[command(flatten)]
        format: FormatArg,
    },
    /// Show one definition: its text, its revisions and who reads it; of a service what it takes and gives
    Show {
        /// A name, or name@version, or the name of a feature
        name: String,
        /// How the result is written
        #[command(flatten)]
        format: FormatArg,
    },
    /// Remove a definition that nothing reads: an entity, a source, or a version that was never used
    ///
    /// A version is used once it was loaded, pushed to, streamed or read, by itself or through a service.
    /// From then on it stays as it is.
    Remove {
        /// A name, or name@version
        name: String,
        /// What it is, where a name means several things
        #[arg(long, value_name = "KIND")]
        kind: Option<KindArg>,
        /// How the result is written
        #[command(flatten)]
        format: FormatArg,
    },
}
