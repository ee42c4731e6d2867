//! Training sets: built with their manifests, and made again from them.

mod again;
mod build;

pub use again::TrainingSetCheck;
pub(crate) use again::verify;
pub(crate) use build::build;
pub use build::{BuildTrainingSet, BuiltTrainingSet};
