//! Which rows of a file the log has already: what a backfill of another range, or one that was cut
//! off, passes over.

use arrow::array::AsArray;
use arrow::datatypes::{Int8Type, Int32Type, Int64Type};
use futures::StreamExt;
use offline::{Log, OfflineError, POSITION_KIND, POSITION_MAJOR, POSITION_MINOR};
use roaring::RoaringTreemap;

/// The numbers of the rows that the log has of the file with this number.
pub(crate) async fn known_rows(log: &Log, number: u32) -> Result<RoaringTreemap, OfflineError> {
    let mut known = RoaringTreemap::new();
    for mut stream in log.scan(&[POSITION_KIND, POSITION_MAJOR, POSITION_MINOR], None, 1)? {
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            let [kinds, majors, minors] = batch.columns() else { continue };
            let kinds = kinds.as_primitive::<Int8Type>().values();
            let majors = majors.as_primitive::<Int32Type>().values();
            let minors = minors.as_primitive::<Int64Type>().values();
            for ((kind, major), minor) in kinds.iter().zip(majors).zip(minors) {
                if *kind == 0 && *major as u32 == number {
                    known.insert(*minor as u64);
                }
            }
        }
    }
    Ok(known)
}
