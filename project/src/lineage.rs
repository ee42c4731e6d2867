//! Lineage: each load, stream and training set is recorded in the registry when it begins and when it ends, and reported as
//! OpenLineage events to whoever listens; what comes from what is read from there.

mod dataset;
mod emitter;
mod open_lineage;
mod query;
mod recorder;
mod subject;

pub use query::{LineageReport, SchemaField, ViewLineage};
pub(crate) use query::{events, graph_in, lineage, loads};
pub(crate) use recorder::{Ended, Recorder};
pub(crate) use subject::Subject;
