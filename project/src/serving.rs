//! Serving: features over gRPC and HTTP, as they are registered, behind a hot tier; and to this process alone.

mod hot;
mod in_process;
mod serve;

pub use in_process::{OnlineReads, ReadEntities};
pub use serve::Serve;
pub(crate) use serve::serve;
