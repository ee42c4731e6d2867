//! How far a log has a stream, kept as application transactions in the same commits as the rows. Each
//! partition has its own, so that processes with different partitions never contend for one.

use feature::Micros;
use offline::{Log, Marker};
use sha2::{Digest, Sha256};

use super::protocol::Move;
use crate::error::MaterializerError;

/// What the log says of a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// The next offset; none where no flush was ever committed.
    pub(crate) next: Option<u64>,
    /// The newest stamp that the online store's applied time was raised to before it was committed.
    pub(crate) stamp: Option<Micros>,
}

/// The counter of a partition's next offset.
pub(crate) fn next(partition: u32) -> String {
    format!("stream:{partition}")
}

fn stamp(partition: u32) -> String {
    format!("stream-stamp:{partition}")
}

fn topic(partition: u32) -> String {
    format!("stream-topic:{partition}")
}

/// Where the log stands in a partition; refused where it was filled from another topic.
pub(crate) async fn place(log: &Log, name: &str, partition: u32) -> Result<Place, MaterializerError> {
    let Some(offset) = log.marker(&next(partition)).await? else { return Ok(Place::default()) };
    if log.marker(&topic(partition)).await? != Some(fingerprint(name)) {
        return Err(MaterializerError::OtherTopic { view: log.view().id.clone(), topic: name.to_owned() });
    }
    let stamp = log.marker(&stamp(partition)).await?.and_then(|at| Micros::new(at).ok());
    Ok(Place { next: Some(offset as u64), stamp })
}

/// The next offset of a partition by the log, of whatever topic.
pub(crate) async fn committed_offset(log: &Log, partition: u32) -> Result<Option<u64>, MaterializerError> {
    Ok(log.marker(&next(partition)).await?.map(|offset| offset as u64))
}

/// What the commit of a flush says of its partitions. `applied_at` is what the online store's applied time
/// was raised to; none where nothing of the flush is visible yet.
pub(crate) fn markers(name: &str, moves: &[Move], applied_at: Option<Micros>) -> Vec<Marker> {
    let of = |step: &Move| {
        let stamped = applied_at.map(|at| Marker { app: stamp(step.partition), version: at.get() });
        [
            Marker { app: next(step.partition), version: step.to as i64 },
            Marker { app: topic(step.partition), version: fingerprint(name) },
        ]
        .into_iter()
        .chain(stamped)
    };
    moves.iter().flat_map(of).collect()
}

/// The first 63 bits of the SHA-256 of a topic's name.
fn fingerprint(name: &str) -> i64 {
    let digest = Sha256::digest(name.as_bytes());
    let first = digest.first_chunk::<8>().copied().unwrap_or_default();
    (u64::from_be_bytes(first) >> 1) as i64
}
