//! Training sets: a spine joined with the logs of a service's views, on-demand features, the file and its manifest.

mod batch;
mod check_files;
mod content_hash;
mod content_hash_format_1;
mod csv_text;
mod csv_writer;
mod dictionaries;
mod file_format;
mod file_writer;
mod hashing;
mod layout;
mod log_range;
mod manifest;
mod opened_file;
mod options;
mod output;
mod partial;
mod spine;
mod spine_csv;
mod stream;
mod summary;
mod written_columns;

pub use check_files::{CheckedTrainingSets, check_training_sets};
pub use content_hash::{ColumnHash, ContentHash};
pub use file_format::FileFormat;
pub use file_writer::{FileWriter, write_file};
pub use log_range::LogRange;
pub use manifest::{BuildInfo, Manifest, ManifestSpine, ManifestView};
pub use opened_file::file_sha256;
pub use options::Options;
pub use output::{FileContent, FinishedFile, TrainingSetFile};
pub use partial::end_files;
pub use spine::{Spine, read_file};
pub use stream::{TrainingSet, TrainingSetStream, training_set};
pub use summary::{FeatureSummary, Summary};
pub use written_columns::WrittenColumns;
