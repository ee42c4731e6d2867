//! Serving: features over gRPC and HTTP, as they are registered, behind a hot tier.

mod hot;
mod serve;

pub use serve::Serve;
pub(crate) use serve::serve;
