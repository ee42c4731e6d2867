//! The seam between a view's history and its stream: history gives the rows that happened before a
//! moment, the stream those from it on, so no row is lost there and none counts twice.
//!
//! The moment is `stream.from` of the source, or, where both exist and it names none, the broker's
//! timestamp of the first record that was committed. It is kept in the log and never moves.

use arrow::array::AsArray;
use arrow::datatypes::{Int8Type, TimestampMicrosecondType};
use feature::{Micros, Source};
use futures::StreamExt;
use offline::{EVENT_TIME, Log, Marker, OfflineError, POSITION_KIND};

use crate::error::MaterializerError;

/// From when the stream counts.
pub(crate) const FROM: &str = "stream-from";

/// The seam by the log, else by the source. Refused where they differ.
pub(crate) async fn find(log: &Log, source: &Source) -> Result<Option<Micros>, MaterializerError> {
    let named = source.stream.as_ref().and_then(|stream| stream.from);
    let held = recorded(log).await?;
    match (held, named) {
        (Some(held), Some(named)) if held != named => {
            Err(MaterializerError::SeamMoved { view: log.view().id.clone(), held, named })
        }
        _ => Ok(held.or(named)),
    }
}

/// The seam by the log.
pub(crate) async fn recorded(log: &Log) -> Result<Option<Micros>, MaterializerError> {
    Ok(log.marker(FROM).await?.and_then(|at| Micros::new(at).ok()))
}

/// What the first commit of a stream says.
pub(crate) fn marker(from: Micros) -> Marker {
    Marker { app: FROM.to_owned(), version: from.get() }
}

/// Refuses a seam that the history in the log reaches: rows would count twice.
pub(crate) async fn check(log: &Log, from: Micros) -> Result<(), MaterializerError> {
    let mut reaches = None;
    let mut batches = log.scan(&[EVENT_TIME, POSITION_KIND])?;
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(OfflineError::from)?;
        let [times, kinds] = batch.columns() else { continue };
        let times = times.as_primitive::<TimestampMicrosecondType>().values();
        let kinds = kinds.as_primitive::<Int8Type>().values();
        // Kind 0 is history.
        let history = times.iter().zip(kinds).filter(|(_, kind)| **kind == 0).map(|(time, _)| *time);
        reaches = reaches.max(history.max());
    }
    match reaches.and_then(|reaches| Micros::new(reaches).ok()) {
        Some(reaches) if from <= reaches => {
            Err(MaterializerError::SeamCovered { view: log.view().id.clone(), from, reaches })
        }
        _ => Ok(()),
    }
}
