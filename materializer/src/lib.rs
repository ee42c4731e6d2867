//! The materializer: the only writer of both stores.
//!
//! It reads a source's rows, applies a view's transform, and writes them into the log and the online store in an
//! order from which every crash converges. It does not know definitions as their authors wrote them, and it serves
//! no reads.
//!
//! | folder | what it decides |
//! |---|---|
//! | `rows/` | why a row is refused, what an accepted one is in the log, how a refused one is kept |
//! | `history/` | batch sources, which of their rows are new, and the load of those |
//! | `stream/` | the write protocol of a stream, its sources and decoders, and the topic on disk |
//! | `fold/` | entities folded from the log and written online |
//! | `forgetting.rs` | a view freed of a forgotten entity |
//! | `expiry.rs`, `vacuuming.rs` | a view freed of rows beyond its retention, and of files that no kept version needs |
//! | `last_good.rs` | the online rows of a last good moment, for as long as the breaker of a view is open |
//! | `lost_tables.rs` | tables beside a log that are gone, though the log says that something lies in them |
//! | `markers.rs` | every key that is stored beside rows |
//!
//! ```no_run
//! # use twinstore_materializer as materializer;
//! # async fn example(
//! #     target: materializer::Target,
//! #     online: online::Embedded,
//! #     clock: fn() -> feature::Micros,
//! # ) -> Result<(), Box<dyn std::error::Error>> {
//! use materializer::{EventRange, FirstUse, Materializer};
//!
//! let project = std::path::PathBuf::from(".");
//! let offline = offline::OfflineStore::open(".twinstore/offline", &project)?;
//! let first_use = FirstUse::default();
//! let materializer =
//!     Materializer { offline, online, project, schema_registry: None, clock, first_use };
//! let report = materializer.backfill(&target, EventRange::default(), |_rows| {}).await?;
//! println!("{} rows loaded", report.rows_loaded);
//! # Ok(())
//! # }
//! ```

mod blocking;
mod error;
mod expiry;
mod first_use;
mod fold;
mod forgetting;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod history;
mod last_good;
mod load_lock;
mod load_turn;
mod lost_tables;
mod maintenance;
mod markers;
mod materializer;
mod observed_column;
mod rows;
mod schema_registry;
mod statistics;
mod stream;
mod stream_start;
mod vacuuming;

pub use error::{FeedError, Halt, MaterializerError};
pub use expiry::{ExpiredOfView, expired_before};
pub use first_use::{BeginningUse, FirstUse, NotUsable};
pub use fold::prefix::check_prefix;
pub use fold::refold::{FoldedAgain, OnlineRead, Refolded, refold};
pub use forgetting::ForgottenOfView;
#[cfg(any(test, feature = "contract"))]
pub use history::contract;
pub use history::{
    BatchSource, ColumnKind, ColumnSummary, DELAY_PERCENTILE, Database, DateOrder, DateReport, Decision,
    EventRange, ExtractReport, FileRead, Heads, HistoryDelay, LoadReport, MeasuredDelay, Migration,
    MigrationEnd, MigrationEvent, MigrationReport, MigrationState, MigrationWatch, Misfit, Pace,
    QuarantineReport, QuarantinedFile, RowProblem, RowReader, SourceFile, SourceFiles, SourceRows,
    StopRequest, Surveyed, SurveyedColumn, TableVersions, UnreadableRow, check_has_dates, check_query,
    check_source_path, extract, heads, is_loaded_as_a_whole, is_offline_first, other_kind, quarantined,
    rows_of_source, rows_to_derive, source_paths, survey,
};
pub use load_lock::DecisionLock;
pub use load_turn::online_may_lack_rows;
pub use lost_tables::{check_dead_letters, check_quarantine, lost_tables};
pub use materializer::{Input, Materializer, Target};
pub use observed_column::ObservedColumn;
pub use rows::record::Record;
pub use schema_registry::SchemaRegistry;
pub use statistics::{ColumnDay, count_statistics, statistics};
pub use stream::{
    Appended, Arrival, BadRowLimit, BadRows, Bounds, CheckedTopic, Event, FaultInjection, FaultPoint, Feed,
    Guard, Kafka, KafkaSettings, LatencyStage, Others, PartitionReport, PushError, PushFeed, PushLog,
    PushOutcome, PushValidator, PushWriter, Pushed, Refused, RefusedRow, ReplayReport, RowTraces,
    SearchedTopic, StreamMetrics, StreamOptions, StreamReport, TracedRow, check_topic, count_unsettled,
    expose_streams, follow, forget_pushed, is_empty_topic, leave_topic, read_up_to, streamed_up_to,
    unsettled,
};
pub use vacuuming::{Vacuum, VacuumedOfView};
