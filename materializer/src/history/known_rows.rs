//! The rows of a file that the log has already: a backfill of another range, or one that resumes an interrupted
//! load, skips them.

use offline::Log;
use roaring::RoaringTreemap;

use crate::error::MaterializerError;

/// The kind of the positions of history.
const KIND_HISTORY: u8 = 0;

/// The numbers of the rows that the log has of the file with this number.
pub(crate) async fn known_rows(log: &Log, number: u32) -> Result<RoaringTreemap, MaterializerError> {
    let mut known = RoaringTreemap::new();
    log.for_each_position(|(kind, file, row)| {
        if kind == KIND_HISTORY && file == number {
            known.insert(row);
        }
    })
    .await?;
    Ok(known)
}
