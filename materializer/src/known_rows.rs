//! Which rows of a file the log has already: what a backfill of another range, or one that was cut
//! off, passes over.

use offline::{Log, OfflineError};
use roaring::RoaringTreemap;

/// The numbers of the rows that the log has of the file with this number.
pub(crate) async fn known_rows(log: &Log, number: u32) -> Result<RoaringTreemap, OfflineError> {
    let mut known = RoaringTreemap::new();
    log.for_each_position(|(kind, file, row)| {
        // Kind 0 is history.
        if kind == 0 && file == number {
            known.insert(row);
        }
    })
    .await?;
    Ok(known)
}
