//! Batch commands beside each other, killed, stopped and cut off, each trial from a seed; and a checker of what
//! is left: every row of every source is in the log once, the online store is the fold of the log, training sets
//! are what their manifests say, and nothing is left over.

mod actor;
mod command;
mod findings;
mod project;
mod scene;
mod script;
mod sources;

pub use command::{Ended, Running};
pub use findings::Findings;
pub use project::{BatchProject, Stores};
pub use scene::{Counts, Scene};
pub use script::trial;
pub use sources::Sources;
