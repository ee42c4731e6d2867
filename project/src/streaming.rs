//! Streams: the topics of views into both stores, a thread for each view. What follows one view is the same in `stream`
//! and in `serve`.

mod compacting;
mod deriving;
mod freshness;
mod metrics;
mod stream;
mod stream_status;
mod streams;

pub use deriving::DerivedRows;
pub(crate) use stream::stream;
pub use stream::{FollowStreams, FollowedView, StreamFailure, StreamOutcome};
pub(crate) use stream_status::{StreamStatus, is_fault};
pub(crate) use streams::{StreamSetup, Streams, ViewStreamOptions, bad_row_limit};
