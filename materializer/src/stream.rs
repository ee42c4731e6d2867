//! A stream into both stores: nothing lost, nothing twice, through every crash.
//!
//! `protocol.rs` decides the order of steps, `follower/` performs them. A source of records implements `feed.rs`:
//! `kafka.rs` and `push/` are the two that there are.

mod committed;
mod decode;
mod fault_injection;
mod feed;
mod fold_cache;
mod follower;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod kafka;
mod protocol;
mod push;
mod push_validator;
mod record_validator;
mod replay;
mod row_traces;
mod stream_metrics;
mod stream_report;

pub use committed::streamed_up_to;
pub use fault_injection::{FaultInjection, FaultPoint, Guard};
pub use feed::{Arrival, Feed, Others};
pub use follower::{StreamOptions, follow};
pub use kafka::{Kafka, KafkaSettings};
pub use protocol::{BadRowLimit, BadRows, Bounds, Event, Refused};
pub use push::{
    Appended, CheckedTopic, PushError, PushFeed, PushLog, PushWriter, Pushed, SearchedTopic, check_topic,
    forget_pushed, is_empty_topic, leave_topic, read_up_to,
};
pub use push_validator::{PushOutcome, PushValidator, RefusedRow};
pub use replay::{ReplayReport, count_unsettled, unsettled};
pub use row_traces::{RowTraces, TracedRow};
pub use stream_metrics::{LatencyStage, StreamMetrics, expose as expose_streams};
pub use stream_report::{PartitionReport, StreamReport};
