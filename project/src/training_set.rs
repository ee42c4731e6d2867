//! Training sets: built with their manifests, made again from them, or joined to rows in memory.

mod again;
mod build;
mod rows;

pub use again::TrainingSetCheck;
pub(crate) use again::verify;
pub(crate) use build::build;
pub use build::{BuildTrainingSet, BuiltTrainingSet};
pub(crate) use rows::join;
pub use rows::{JoinRows, JoinedRows};
