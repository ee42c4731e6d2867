//! History: batch sources, which of their rows are new, and the load that brings those into both stores.
//!
//! `batch_source.rs` is what a source has to offer; `parquet.rs`, `csv.rs`, `json.rs`, `delta.rs` and `derived.rs` are
//! the sources, and `contract.rs` is the suite that all of them pass, exported as `contract_tests!`. `load.rs` is a load
//! from its beginning to its end, `migration.rs` one that goes date by date. The rows of a query are extracted into files
//! first (`query.rs`).

mod batch_checks;
mod batch_source;
mod chunk;
mod columns;
mod committing;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
mod counted_times;
mod csv;
mod delta;
mod delta_rewrites;
mod derived;
#[cfg(test)]
mod derived_contract;
mod event_range;
mod file_content;
mod file_rows;
mod file_text;
mod file_validator;
mod files_to_load;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod heads;
mod holding;
mod json;
mod known_rows;
mod load;
mod load_report;
mod loaded_files;
mod loaded_rows;
mod locate;
mod migration;
mod misfit;
mod mode;
mod old_files;
mod other_kind;
mod parquet;
mod quarantine;
mod query;
mod repeats;
#[cfg(test)]
mod siblings;
mod source_file;
mod source_rows;
mod survey;
mod text_records;
mod text_rows;

pub use batch_source::{BatchSource, RowReader};
pub use derived::rows_to_derive;
pub(crate) use derived::versions_to_derive_from;
pub use event_range::EventRange;
pub use heads::{Heads, check_source_path, heads};
pub use holding::rows_of_source;
pub use load_report::{FileRead, LoadReport, QuarantineReport};
pub use loaded_files::is_loaded_as_a_whole;
pub use migration::{
    ColumnSummary, DELAY_PERCENTILE, DateOrder, DateReport, HistoryDelay, MeasuredDelay, Migration,
    MigrationEnd, MigrationEvent, MigrationReport, MigrationState, MigrationWatch, Pace, StopRequest,
    check_has_dates, is_offline_first,
};
pub(crate) use migration::{history_end, refuse_beside};
pub use misfit::Misfit;
pub use other_kind::other_kind;
pub use quarantine::{Decision, QuarantinedFile, quarantined};
pub use query::{Database, ExtractReport, check_query, extract};
pub use source_file::{SourceFile, SourceFiles, TableVersions};
pub use source_rows::{RowProblem, SourceRows, UnreadableRow};
pub use survey::{ColumnKind, Surveyed, SurveyedColumn, source_paths, survey};
