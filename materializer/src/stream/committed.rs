//! How far a log has a stream, recorded in the same commits as the rows. Each partition has markers of its own, so
//! that processes with different partitions never contend for one.

use feature::Micros;
use offline::{Log, Marker};
use sha2::{Digest, Sha256};

use super::protocol::Move;
use crate::error::MaterializerError;
use crate::markers::{self, first_63_bits, next_offset, stream_stamp, stream_topic};

/// What the log records of a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CommittedPartition {
    /// The next offset; `None` if no flush was ever committed.
    pub(crate) next: Option<u64>,
    /// The newest stamp that the online store's applied time was raised to before it was committed.
    pub(crate) stamp: Option<Micros>,
}

/// How far the log is in a partition of this topic; refused if it was filled from another topic.
pub(crate) async fn partition(
    log: &Log,
    topic: &str,
    partition: u32,
) -> Result<CommittedPartition, MaterializerError> {
    let next = markers::read_number(log, &next_offset(partition)).await?;
    if next.is_none() {
        return Ok(CommittedPartition::default());
    }
    if markers::read(log, &stream_topic(partition)).await? != Some(fingerprint(topic)) {
        return Err(MaterializerError::OtherTopic { view: log.view().id.clone(), topic: topic.to_owned() });
    }
    let stamp = markers::read_moment(log, &stream_stamp(partition)).await?;
    Ok(CommittedPartition { next, stamp })
}

/// The offset up to which a log has the one partition of a topic on disk; `None` if it was filled from no topic, or from
/// another one.
pub async fn streamed_up_to(log: &Log, topic: &str) -> Result<Option<u64>, MaterializerError> {
    match partition(log, topic, 0).await {
        Err(MaterializerError::OtherTopic { .. }) => Ok(None),
        committed => Ok(committed?.next),
    }
}

/// The markers of a flush's partitions. `applied_at` is what the online store's applied time was raised to;
/// `None` if no row of the flush is visible yet.
pub(crate) fn markers(topic: &str, moves: &[Move], applied_at: Option<Micros>) -> Vec<Marker> {
    let of = |step: &Move| {
        let stamped = applied_at.map(|at| markers::marker(stream_stamp(step.partition), at.get()));
        [
            markers::marker(next_offset(step.partition), step.to as i64),
            markers::marker(stream_topic(step.partition), fingerprint(topic)),
        ]
        .into_iter()
        .chain(stamped)
    };
    moves.iter().flat_map(of).collect()
}

/// The first 63 bits of the SHA-256 of a topic's name.
fn fingerprint(topic: &str) -> i64 {
    first_63_bits(&Sha256::digest(topic.as_bytes()).into())
}
