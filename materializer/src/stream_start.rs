//! Where a view's stream starts: history gives the rows that happened before a moment, the stream those from it
//! on, so no row is lost there and none counts twice.
//!
//! The moment is `stream.from` of the source. If a view has both and the source names none, the stream starts right
//! after the last event of the history that is in the log when its first row is accepted, or that a backfill under
//! way is to bring there, or, if there is no history yet, at the time of its first position. It is recorded in the log and never moves.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::{Int8Type, TimestampMicrosecondType};
use feature::{Micros, Position, Source, View};
use futures::StreamExt;
use offline::{EVENT_TIME, Log, Marker, OfflineError, OfflineStore, POSITION_KIND};

use crate::error::MaterializerError;
use crate::history;
use crate::markers::{self, HISTORY_READS, STREAM_START};

/// How often the start is decided again because another writer committed in between.
const TRIES: usize = 100;

/// The start that the log records, else the one that the source names. Refused if they differ.
pub(crate) async fn find(log: &Log, source: &Source) -> Result<Option<Micros>, MaterializerError> {
    let named = source.stream.as_ref().and_then(|stream| stream.from);
    let recorded = recorded(log).await?;
    match (recorded, named) {
        (Some(recorded), Some(named)) if recorded != named => {
            Err(MaterializerError::StreamStartMoved { view: log.view().id.clone(), recorded, named })
        }
        _ => Ok(recorded.or(named)),
    }
}

/// The start that the log records.
pub(crate) async fn recorded(log: &Log) -> Result<Option<Micros>, MaterializerError> {
    markers::read_moment(log, STREAM_START).await
}

/// The marker of a stream's first commit.
pub(crate) fn marker(from: Micros) -> Marker {
    markers::marker(STREAM_START, from.get())
}

/// Decides where the stream starts if its source does not name it, and records it in the log: right after the
/// last event of the history that is there, else at `first`, the time of the stream's first row. The first
/// writer that accepts a row of the stream decides; it never moves afterwards.
pub(crate) async fn settle(
    offline: &OfflineStore,
    view: &Arc<View>,
    first: Micros,
) -> Result<Micros, MaterializerError> {
    for _ in 0..TRIES {
        let mut log = offline.log(view).await?;
        if let Some(recorded) = recorded(&log).await? {
            return Ok(recorded);
        }
        // A backfill that goes date by date has a last date, whichever it has loaded yet.
        let end = history_end(&log).await?.max(history::history_end(&log).await?);
        let from = match end {
            // History may end with the last moment that there is: then the stream has no rows.
            Some(end) => Micros::new(end.get() + 1).unwrap_or(Micros::MAX),
            None => first,
        };
        match log.appender().await?.commit(&[marker(from)], &HISTORY_READS).await {
            Ok(_) => return Ok(from),
            Err(OfflineError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(MaterializerError::OnlineConflict { view: view.id.clone() })
}

/// Refuses a start that the history in the log reaches: rows would count twice.
pub(crate) async fn check(log: &Log, from: Micros) -> Result<(), MaterializerError> {
    match history_end(log).await? {
        Some(reaches) if from <= reaches => {
            Err(MaterializerError::StreamStartCovered { view: log.view().id.clone(), from, reaches })
        }
        _ => Ok(()),
    }
}

/// The last event of the history in the log; `None` if it has no history.
async fn history_end(log: &Log) -> Result<Option<Micros>, MaterializerError> {
    if log.version().is_none() {
        return Ok(None);
    }
    let view = &log.view().id;
    let mut end = None;
    let mut batches = log.scan(&[EVENT_TIME, POSITION_KIND])?;
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(OfflineError::from)?;
        let [times, kinds] = batch.columns() else {
            return Err(MaterializerError::invariant(view, "a scan of two columns of the log gave others"));
        };
        let times = times.as_primitive::<TimestampMicrosecondType>().values();
        let kinds = kinds.as_primitive::<Int8Type>().values();
        let history = times
            .iter()
            .zip(kinds)
            .filter(|(_, kind)| **kind == Position::KIND_HISTORY as i8)
            .map(|(time, _)| *time);
        end = end.max(history.max());
    }
    let moment = |end| {
        Micros::new(end).map_err(|_| {
            MaterializerError::invariant(view, "a row of the log has an event time out of range")
        })
    };
    end.map(moment).transpose()
}
