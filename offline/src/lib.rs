//! The offline store: the log of every view version as a Delta table, and the point-in-time join
//! that makes training sets from it.
//!
//! The log is the only durable truth. This crate reads it and appends to it; what is appended and
//! when is the materializer's to say, and what a definition means is the registry's.
//!
//! ```no_run
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

mod check;
mod check_training_sets;
mod columns;
mod commit;
mod content_hash;
mod content_hash_1;
mod csv_text;
mod csv_writer;
mod dead_letter;
mod dictionaries;
mod encodings;
mod error;
mod file_format;
mod join;
mod label_times;
mod log;
mod log_check;
mod log_range;
mod manifest;
mod optimize;
mod parquet_source;
mod partial;
mod rows;
mod scan;
mod spine;
mod spine_csv;
mod storage;
mod storage_clock;
mod store;
mod table;
mod training_set;
mod training_set_file;
mod trial;
mod written;

pub use check::CheckedTable;
pub use check_training_sets::{CheckedTrainingSets, check_training_sets};
pub use columns::{
    ASSUMED_DELAY, AVAILABLE_AT, DATE, DELETED, EVENT_TIME, Facts, LATE, POSITION_KIND, POSITION_MAJOR,
    POSITION_MINOR, PROVENANCE, log_batch, log_schema,
};
pub use commit::{Added, Committed};
pub use content_hash::{ColumnHash, ContentHash};
pub use dead_letter::{DeadLetter, DeadLetters};
pub use error::OfflineError;
pub use file_format::{FileFormat, FileWriter, write_file};
pub use join::PointInTimeCodec;
pub use join::{
    JoinLookup, JoinSpec, LogFile, LogSnapshot, PointInTime, PointInTimeExec, PointInTimePlanner, Reading,
};
pub use log::Log;
pub use log_range::LogRange;
pub use manifest::{Made, Manifest, ManifestSpine, ManifestView, file_sha256};
pub use optimize::Optimized;
pub use parquet_source::open_parquet;
pub use partial::end_files;
pub use rows::{row_columns, rows};
pub use spine::{Spine, read_file};
pub use storage::Damaged;
pub use store::OfflineStore;
pub use table::{Appender, Marker, Written, source_table};
pub use training_set::{FeatureSummary, Making, Options, Summary, TrainingSet, training_set};
pub use training_set_file::{FileContent, FinishedFile, TrainingSetFile};
pub use trial::{BatchGuard, BatchPoint, BatchTrial};
pub use written::Written as WrittenColumns;
