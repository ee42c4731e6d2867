//! A segment whose frames match their checksums, whatever is in them.

use super::frame::{Frame, HEAD};

/// Bytes before the first frame of a segment.
const HEADER_BYTES: usize = 8;

/// The same bytes, with the checksum of each frame as far as there are frames.
pub(in crate::stream) fn mended(data: &[u8]) -> Vec<u8> {
    let mut segment = data.to_vec();
    let mut at = HEADER_BYTES;
    while let Some(head) = segment.get(at..).and_then(|rest| rest.first_chunk::<HEAD>()) {
        let (length, _) = Frame::head(*head);
        let covered = at + HEAD..at.saturating_add(HEAD).saturating_add(length);
        let Some(sum) = segment.get(covered.clone()).map(crc32fast::hash) else { break };
        if let Some(old) = segment.get_mut(at + HEAD / 2..at + HEAD) {
            old.copy_from_slice(&sum.to_le_bytes());
        }
        at = covered.end;
    }
    segment
}
