//! Lineage: what every feature comes from, who reads it, and which runs produced its data.
//!
//! What depends on what is derived from the definitions; what was loaded, streamed and built is recorded by each run
//! when it begins and when it ends.

mod features;
mod graph;
mod of_registered;
mod run;
mod run_records;

pub use features::FeatureInputs;
pub use graph::{Lineage, LineageEdge, LineageKind, LineageNode};
pub(crate) use run::from_text;
pub use run::{
    FileSetAside, Job, LoadedFile, MAX_FILES, MeasuredRows, PartitionRead, ReadView, RowCounts, RunId,
    RunOutcome, RunRecord, RunState, Runtime,
};
