//! A feature store project, opened as a value.
//!
//! [`Project::open`] reads the settings of a folder; the methods of a [`Project`] do what a user of a feature store does:
//! plan and apply definitions, load history, build training sets, read features online. Results are owned values, long
//! commands report to a [`Progress`] and end by a token, and the time comes from the clock that the project is opened
//! with. This is the one place where the parts are wired together: it holds no rule of a part, parses no command line
//! and prints nothing. The command line and other interfaces call the same methods.
//!
//! ```
//! use std::time::{SystemTime, UNIX_EPOCH};
//!
//! use feature::Micros;
//! use twinstore::{Backfill, Get, Project, Run};
//!
//! fn now() -> Micros {
//!     let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set");
//!     Micros::new(since.as_micros() as i64).expect("a time before the year 9999")
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let temporary = tempfile::tempdir()?;
//! # let folder = temporary.path();
//! # std::fs::create_dir(folder.join("features"))?;
//! std::fs::write(folder.join("landings.csv"), "landed_at,dest,arr_delay\n2026-01-01T10:00:00Z,LAX,4.5\n")?;
//! std::fs::write(folder.join("features/flights.yaml"), "
//! kind: entity
//! name: airport
//! keys: {airport: string}
//! ---
//! kind: source
//! name: landings
//! schema: {landed_at: timestamp, dest: string, arr_delay: float64}
//! event_time: landed_at
//! batch: {path: landings.csv}
//! assumed_delay: 2m
//! ---
//! kind: feature_view
//! name: airport_arrivals
//! version: 1
//! entity: airport
//! source: landings
//! keys: {airport: dest}
//! features:
//!   last_delay: {latest: arr_delay}
//! ---
//! kind: feature_service
//! name: late_arrival
//! version: 1
//! features:
//!   - {from: airport_arrivals@1}
//! ")?;
//!
//! let project = Project::open(folder, now)?;
//! assert!(project.plan().await?.plan.refused.is_empty());
//! project.apply().await?;
//! let loads = project.backfill(&Backfill::default(), &Run::default()).await?;
//! assert_eq!(loads.loaded[0].report.rows_loaded, 1);
//!
//! let read = project.get(&Get::of("late_arrival".parse()?, [("airport".to_owned(), "LAX".into())])).await?;
//! assert_eq!(read.features[0].value, feature::Value::Float64(4.5));
//! # Ok(())
//! # }
//! ```

// The futures of loads and streams are spawned here, down to a connection of a store: deeper than the default.
#![recursion_limit = "256"]

mod advice;
mod alerts;
mod audit;
mod background;
mod breakers;
mod clock;
mod dead_letters;
mod definitions;
mod doctor;
mod ending;
mod error;
mod exploring;
mod extracting;
pub mod fault_injection;
mod feast;
mod first_use;
mod followed_registry;
mod forgetting;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod get;
mod lineage;
mod load;
mod load_order;
mod migration;
mod missing_logs;
mod operations;
mod outline;
mod overview;
mod parity;
mod permission;
mod plan;
mod project;
mod pushing;
mod quality;
mod quarantine;
mod read_features;
mod remote;
mod rollout;
mod run;
mod served;
mod server_error;
mod serving;
mod settings;
mod slo;
mod stores;
mod streaming;
mod targets;
mod telemetry;
mod training_set;
mod upkeep;
mod verify;

pub use access::{Action as AccessAction, Decision, KnownToken, Resource, Subject, Token, TokenName};
pub use alerts::{AlertFormat, ComparedObjective, ImportedObjective, NotOpenSlo};
pub use breakers::{CloseBreaker, OpenBreaker, OpenedBreaker};
pub use dead_letters::{DeadLetterChoice, RefusedRow};
pub use definitions::{Meaning, RemovedDefinition};
pub use doctor::{Examination, Found};
pub use ending::{Retire, RetiredVersions, Sunset};
pub use error::ProjectError;
pub use exploring::{SearchResult, ViewLog};
pub use feast::FeastRepository;
pub use feature::{Advice, Canary, EventDate, HelpTopic, OpenAnswer, Opening, Percent};
pub use forgetting::{Forget, ForgetReport, HoldingSource, HoldingTrainingSet, NamingView, SearchedPart};
pub use lineage::{LineageReport, SchemaField, ViewLineage};
pub use load::{Backfill, FailedLoad, Loaded, Loads, Materialize};
pub use materializer::{
    ColumnDay, ColumnSummary, DELAY_PERCENTILE, DateOrder, DateReport, EventRange, ExtractReport,
    HistoryDelay, LoadReport, MeasuredDelay, MigrationEnd, MigrationReport, Pace, ReplayReport, StreamReport,
};
pub use migration::{BackfillOutcome, BackfillRefused, BackfillStatus, StartBackfill};
pub use missing_logs::OtherLog;
pub use monitor::{
    Bar, Bounds, Condition, Drift, DriftVerdict, Exceeded, Figure, Figures, Judgement, LEAST_ROWS,
    LikelyCause, Measure, QuantilePair, Statistics, TopValue, Verdict,
};
pub use offline::{
    BucketRequests, FeatureSummary, LogRange, OpenLabels, QuarantinedRows, Summary, end_files,
};
pub use outline::{OutlineFiles, OutlinedFiles, outline};
pub use overview::{
    DriftedColumn, FeatureDetail, FeatureVersion, GivenBy, NewestLoad, Observer, Overview, ParitySummary,
    PipelineKind, ServiceDetail, ServiceSummary, StageDelay, ViewDetail, ViewQuality, ViewSummary,
};
pub use parity::{
    CompareVersions, ComparedFeature, DifferingRow, InputRow, Moments, NotCompared, ParityReport,
};
pub use permission::{
    CheckAccess, CheckedAccess, CreateToken, CreatedToken, NamedResource, NotAResource, NotASubject,
};
pub use plan::{AppliedPlan, BOUNDED_PARTITIONS, BOUNDED_VALUE_BYTES, PlannedChanges, SourceMisfit};
pub use project::{Clock, Project};
pub use pushing::{Pushed, RefusedLine};
pub use quality::{
    ColumnDrift, DriftReference, DriftReport, MeasureDrift, Promise, ShowStatistics, SourceContract,
};
pub use quarantine::{DecideBatch, QuarantinedOfView};
pub use read::json::AsJson;
pub use read_features::{Get, Input, NeverLoaded, ReadFeature, ReadFeatures};
pub use registry::{
    Action, AuditAction, AuditEntry, AuditLog, BackInTime, BackfillDate, BackfillDateState, BackfillDelay,
    BackfillRecord, BackfillState, BreakerRecord, CarriedObject, CodeLine, DefinitionId, Deprecated,
    Deprecation, FeastFinding, FeastImport, FeastOutcome, FoundFeature, Job, KeptToken, Kind, Lineage,
    LineageEdge, LineageKind, LineageNode, Listed, LoadedFile, MeasuredRows, Moved, NotAReason,
    OutlineProblem, PartitionRead, Plan, Reach, ReadView, Reason, RegistryError, Rollout, RowCounts, RunId,
    RunOutcome, RunRecord, RunState, Runtime, ServiceShown, Shown, ShownFeature,
    UNKNOWN as USED_BEFORE_RECORDS, column_names, reference as definitions_reference,
};
pub use remote::{RemoteAnswer, RemoteColumn, RemoteReads};
pub use rollout::{CutOver, CutOverDone, Gate, GateKind};
pub use run::{Event, Progress, Run, Work};
pub use served::{
    ComparedView, DEFAULT_ENTITIES, DifferingEntity, DifferingFeature, ServedCell, ValuesReport, VerifyValues,
};
pub use server::{Answered, MakingPage, Page, PageRequest, Pages};
pub use server_error::ServerError;
pub use serving::{OnlineReads, ReadEntities, Serve};
pub use settings::{
    AccessSettings, ClientSettings, ClientToken, LineageSettings, Location, SETTINGS, ServeSettings, Setting,
    Settings, StreamSettings,
};
pub use slo::{BurnRate, ObjectiveStanding, SloReport};
pub use streaming::{DerivedRows, FollowStreams, FollowedView, StreamFailure, StreamOutcome};
pub use targets::ViewName;
pub use tokio_util::sync::CancellationToken;
pub use training_set::{BuildTrainingSet, BuiltTrainingSet, JoinRows, JoinedRows, TrainingSetCheck};
pub use upkeep::{
    EstimateCost, Expire, ExpiredView, OptimizedView, PartCost, RebuiltView, Vacuum, VacuumedView, ViewCost,
};
pub use verify::{Checked, Verified};
