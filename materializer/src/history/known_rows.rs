//! The rows of a file that the log has already: a backfill of another range, or one that resumes an interrupted
//! load, skips them.

use feature::Position;
use offline::Log;
use roaring::RoaringTreemap;

use crate::error::MaterializerError;

/// The numbers of the rows that the log has of the file with this number.
pub(crate) async fn known_rows(log: &Log, number: u32) -> Result<RoaringTreemap, MaterializerError> {
    let mut known = RoaringTreemap::new();
    log.for_each_position(|(kind, file, row)| {
        if kind == Position::KIND_HISTORY && file == number {
            known.insert(row);
        }
    })
    .await?;
    Ok(known)
}
