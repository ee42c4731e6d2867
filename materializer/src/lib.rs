//! The materializer: the only writer of both stores.
//!
//! It reads a source's rows, puts them through a view's transform, and brings them into the log and
//! the online store in an order from which every crash converges. It knows no definitions as
//! their authors wrote them, and serves nobody.
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

mod ahead;
mod chunk;
mod counting;
mod csv_records;
mod delta_source;
mod error;
mod file_format;
mod first_use;
mod heads;
mod history;
mod judge;
mod known_rows;
mod load_lock;
mod loaded;
mod loaded_rows;
mod old_files;
mod online_first;
mod rebuild;
mod report;
mod rewritten_files;
mod seam;
mod source_content;
mod source_files;
mod source_reader;
mod stream;
mod survey;
mod sync;
mod text_reader;
mod turn;

pub use error::MaterializerError;
pub use first_use::{BeginningUse, FirstUse, NotUsable};
pub use heads::{HEAD_ROWS, Heads, Misfit, heads};
pub use history::{Materializer, Target};
pub use judge::EventRange;
pub use report::LoadReport;
pub use stream::{
    Admitted, Appended, Arrival, BadShare, Bounds, CheckedTopic, Door, Event, Feed, FeedError, Following,
    Guard, Halt, Kafka, KafkaSettings, Located, Move, PartitionReport, Point, Protocol, PushError, PushFeed,
    PushLog, PushWriter, Pushed, Record, Refused, RefusedRow, ReplayReport, SchemaRegistry, Share, Stage,
    Step, StreamReport, Trial, Watch, check_topic, follow, read_up_to, unsettled,
};
pub use survey::{ColumnKind, SAMPLE_ROWS, Surveyed, SurveyedColumn, source_paths, survey};
