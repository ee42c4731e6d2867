//! A topic on the local disk, for projects without a broker: rows are pushed into it and are durable before that is
//! acknowledged; streams follow it by the same protocol as a topic of Kafka. It has one partition.
//!
//! A folder holds segments, named by their first offset, each a header and frames; `end`, the offset up to which
//! everything is synced; `lock`, held by the process that appends; and for each group a file with the offset that
//! its log is at, which is locked by its reader. docs/push-log.md describes it byte by byte.

mod disk;
mod forgetting;
mod frame;
#[cfg(feature = "fuzzing")]
pub(super) mod fuzzing;
mod number;
mod push_error;
mod push_feed;
mod segment;
mod topic;
mod topic_check;
mod topic_end;
mod writer;

pub use forgetting::{SearchedTopic, forget_pushed};
pub use push_error::PushError;
pub use push_feed::PushFeed;
pub use topic::{PushLog, Pushed};
pub use topic_check::{CheckedTopic, check_topic, is_empty_topic};
pub(super) use topic_end::end_of;
pub use topic_end::{leave_topic, read_up_to};
pub use writer::{Appended, PushWriter};
