//! A stream into both stores: nothing lost, nothing twice, through every crash.

mod decode;
mod door;
mod feed;
mod follower;
mod judge;
mod kafka;
mod letter;
mod positions;
mod protocol;
mod push;
mod replay;
mod report;
mod schema_registry;
mod trial;
mod watch;
mod working;

pub(crate) use decode::{json_values, text_value};
pub use door::{Admitted, Door, RefusedRow};
pub use feed::{Arrival, Feed, FeedError};
pub use follower::{Following, follow};
pub use kafka::{Kafka, KafkaSettings};
pub(crate) use positions::committed_offset;
pub use protocol::{BadShare, Bounds, Event, Halt, Located, Move, Protocol, Record, Refused, Share, Step};
pub use push::{
    Appended, CheckedTopic, PushError, PushFeed, PushLog, PushWriter, Pushed, check_topic, read_up_to,
};
pub use replay::{ReplayReport, unsettled};
pub use report::{PartitionReport, StreamReport};
pub use schema_registry::SchemaRegistry;
pub use trial::{Guard, Point, Trial};
pub use watch::{Stage, Watch};
