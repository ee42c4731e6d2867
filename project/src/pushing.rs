//! Pushing: rows into topics on disk, by a command or through a server, and what of a project decides whether they are
//! taken.

mod lost_topics;
mod push;
mod served_at;
mod sources;
mod topics;

pub(crate) use lost_topics::{lost_topics, warn_of_lost_topics};
pub use push::{Pushed, RefusedLine};
pub(crate) use push::{push, push_remotely};
pub(crate) use served_at::{ServedAt, served_at};
pub(crate) use sources::PushSources;
pub(crate) use topics::Topics;
