//! What the protocol needs of the source of a stream, whatever it is.

use std::time::Duration;

use locks::Holder;

use crate::error::FeedError;
use crate::rows::record::Record;

/// What a source has next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Arrival {
    /// A record.
    Record(Record),
    /// These partitions are this reader's from now on. It reads nothing of them before [`Feed::begin`].
    Assigned(Vec<u32>),
    /// These partitions are another's from now on.
    Revoked(Vec<u32>),
    /// Nothing within the wait.
    Nothing,
}

/// What other processes read of a source.
#[derive(Clone, Debug, Default)]
pub struct Others {
    /// The partitions; none while it is not known whose they are.
    pub partitions: Vec<u32>,
    /// Who reads them, where one process does that can be named.
    pub reader: Option<Holder>,
}

/// A source of records in partitions, read by this process alone for as long as they are assigned to it.
/// Its calls block: it is used on a thread of its own.
pub trait Feed {
    /// What it has next; waits for it this long.
    fn next(&mut self, wait: Duration) -> Result<Arrival, FeedError>;

    /// The first offset that it has of a partition, and the one that its next row will have.
    fn extent(&mut self, partition: u32) -> Result<(u64, u64), FeedError>;

    /// Reads these partitions from these offsets on.
    fn begin(&mut self, offsets: &[(u32, u64)]) -> Result<(), FeedError>;

    /// What other processes read of it instead of this one.
    fn others(&mut self) -> Result<Others, FeedError>;

    /// Notes that everything before these offsets is in the log. It is advice: if it fails, nothing is lost.
    fn acknowledge(&mut self, ends: &[(u32, u64)]);
}
