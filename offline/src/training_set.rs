//! Training sets: a spine joined with the logs of a service's views, on-demand features, the file and its manifest.

mod batch;
mod check_files;
mod content_hash;
mod content_hash_format_1;
mod csv_text;
mod csv_writer;
mod dictionaries;
mod file_format;
mod guarded;
mod hashing;
mod log_range;
mod manifest;
mod manifest_hash;
mod options;
mod output;
mod partial;
mod spine;
mod spine_csv;
mod stream;
mod summary;
mod written_columns;

pub use check_files::{CheckedTrainingSets, check_training_sets, training_sets_below};
pub use content_hash::{ColumnHash, ContentHash};
pub use file_format::FileFormat;
pub use log_range::LogRange;
pub use manifest::{BuildInfo, Manifest, ManifestForgotten, ManifestSpine, ManifestView, QuarantinedRows};
pub use manifest_hash::ManifestHash;
pub use options::Options;
pub use output::{FileContent, FileWriter, FinishedFile, write_file};
pub use partial::end_files;
pub use spine::{Spine, read_file};
pub use stream::{ReadLogs, TrainingSet, TrainingSetStream, training_set};
pub use summary::{FeatureSummary, OpenLabels, Summary};
pub use written_columns::WrittenColumns;
