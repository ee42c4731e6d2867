//! The offline store: the log of every view version as a Delta table (`log/`), the point-in-time join of a spine
//! with logs (`join/`), the rows of a log with their features (`feature_rows.rs`) and those of some entities
//! (`entity_rows.rs`), and the training sets that the join gives (`training_set/`). Each uses only those before it.
//!
//! The log is the only durable truth. This crate reads it and appends to it. What is appended and when is decided in
//! `materializer`, and what a definition means in `registry`.
//!
//! ```no_run
//! # use twinstore_offline as offline;
//! # async fn example(plan: feature::ServicePlan) -> Result<(), offline::OfflineError> {
//! use std::path::Path;
//!
//! let store = offline::OfflineStore::open(".twinstore/offline", Path::new("."))?;
//! let spine = offline::Spine::read(Path::new("departures.parquet"), "scheduled_departure", &plan)?;
//! let set = offline::training_set(&store, &plan, &spine, &offline::Options::default()).await?;
//! offline::write_file(Path::new("training.parquet"), &set.batch)?;
//! # Ok(())
//! # }
//! ```

mod blocking;
mod damage;
mod entity_rows;
mod error;
mod fault_injection;
mod feature_rows;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod join;
mod log;
mod opened_file;
mod threads;
mod training_set;

pub use damage::Damaged;
pub use entity_rows::{draw_entities, entity_rows};
pub use error::OfflineError;
#[cfg(feature = "fault-injection")]
pub use fault_injection::{BatchFaults, suspend};
pub use fault_injection::{BatchGuard, BatchPoint};
pub use feature_rows::{FeatureRowStream, FeatureRows, RowRange};
pub use join::{
    JoinLookup, JoinSpec, OfferedRows, PointInTimeCodec, PointInTimeExec, Reading, RowFacts, RowFold,
    WholeRows, fold_batches, fold_rows,
};
pub use log::{
    ASSUMED_DELAY, AVAILABLE_AT, Added, Appender, BucketRequests, COPIED_BYTES, CheckedTable, Committed,
    CountedColumn, DATE, DELETED, DeadLetter, DeadLetters, EVENT_TIME, EXPIRED_BEFORE, EncodedKeys,
    FORGOTTEN, FORGOTTEN_WHOLE, Facts, ForgetRows, Forgotten, KeptVersions, LATE, Log, LogFile, LogSnapshot,
    Marker, OfflineStore, Optimized, POSITION_KIND, POSITION_MAJOR, POSITION_MINOR, PROVENANCE, Quarantine,
    QuarantinedBatch, ReadLock, RowsWriter, SearchedTable, StatisticsTable, StatisticsWriter, TableLocation,
    Uncounted, Vacuumable, Vacuumed, WHOLE_FROM, Written, log_batch, log_schema, row_columns, rows,
    source_table,
};
pub use opened_file::{OpenedFile, OpenedReader, digest_of, file_sha256, open_parquet};
pub use threads::threads;
pub use training_set::{
    BuildInfo, CheckedTrainingSets, ColumnHash, ContentHash, FeatureSummary, FileContent, FileFormat,
    FileWriter, FinishedFile, LogRange, Manifest, ManifestForgotten, ManifestHash, ManifestSpine,
    ManifestView, OpenLabels, Options, QuarantinedRows, ReadLogs, Spine, Summary, TrainingSet,
    TrainingSetStream, WrittenColumns, check_training_sets, end_files, read_file, training_set,
    training_sets_below, write_file,
};
