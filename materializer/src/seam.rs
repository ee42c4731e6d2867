//! The seam between a view's history and its stream: history gives the rows that happened before a
//! moment, the stream those from it on, so no row is lost there and none counts twice.
//!
//! The moment is `stream.from` of the source. Where both exist and it names none, the stream counts right after
//! the last event of the history that is in the log when its first row is taken, or, where there is none yet,
//! from the time of its first position on. It is kept in the log and never moves.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::{Int8Type, TimestampMicrosecondType};
use feature::{Micros, Source, View};
use futures::StreamExt;
use offline::{EVENT_TIME, Log, Marker, OfflineError, OfflineStore, POSITION_KIND};

use crate::error::MaterializerError;
use crate::loaded;

/// From when the stream counts.
pub(crate) const FROM: &str = "stream-from";
/// How often it is settled anew because another writer came between.
const TRIES: usize = 100;

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

/// From when the stream counts where its source does not say it, recorded in the log: right after the last
/// event of the history that is there, else from this moment on, that of its first row. Whoever takes a row of
/// the stream first settles it; it never moves.
pub(crate) async fn settle(
    offline: &OfflineStore,
    view: &Arc<View>,
    first: Micros,
) -> Result<Micros, MaterializerError> {
    for _ in 0..TRIES {
        let mut log = offline.log(view).await?;
        if let Some(held) = recorded(&log).await? {
            return Ok(held);
        }
        let from = match history_end(&log).await? {
            Some(end) => Micros::new(end.get() + 1).unwrap_or(Micros::MAX),
            None => first,
        };
        match log.appender().await?.commit(&[marker(from)], &loaded::HISTORY).await {
            Ok(_) => return Ok(from),
            Err(OfflineError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(MaterializerError::OnlineConflict { view: view.id.clone() })
}

/// Refuses a seam that the history in the log reaches: rows would count twice.
pub(crate) async fn check(log: &Log, from: Micros) -> Result<(), MaterializerError> {
    match history_end(log).await? {
        Some(reaches) if from <= reaches => {
            Err(MaterializerError::SeamCovered { view: log.view().id.clone(), from, reaches })
        }
        _ => Ok(()),
    }
}

/// The last event of the history in the log; none where it has no history.
async fn history_end(log: &Log) -> Result<Option<Micros>, MaterializerError> {
    if log.version().is_none() {
        return Ok(None);
    }
    let mut end = None;
    let mut batches = log.scan(&[EVENT_TIME, POSITION_KIND])?;
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(OfflineError::from)?;
        let [times, kinds] = batch.columns() else { continue };
        let times = times.as_primitive::<TimestampMicrosecondType>().values();
        let kinds = kinds.as_primitive::<Int8Type>().values();
        // Kind 0 is history.
        let history = times.iter().zip(kinds).filter(|(_, kind)| **kind == 0).map(|(time, _)| *time);
        end = end.max(history.max());
    }
    Ok(end.and_then(|end| Micros::new(end).ok()))
}
