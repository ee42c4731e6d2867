//! Rows that are pushed: into which source, what of them is taken, and when it is answered.
//!
//! The server checks rows against the source's columns and hands those that are good to a [`Sink`],
//! which makes them durable. It writes no store: the rows come into both stores by the way that every
//! stream goes.

mod rows;
mod sink;

use std::sync::Arc;
use std::time::Duration;

use feature::VersionId;
use online::Reader;
use tokio::time::{sleep, timeout_at};

pub(crate) use self::rows::{Checked, Table};
pub use self::sink::{Appending, PushSource, PushView, Sink, SinkError, Taken};
use crate::call::Call;
use crate::error::ServeError;
use crate::metrics::Stage;
use crate::serving::Serving;

/// How often it is asked whether rows can be read.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// When a push is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Wait {
    /// Once its rows are durable.
    #[default]
    Durable,
    /// Once they can be read online in every view of the source.
    Online,
}

/// What a push asks for, beside its rows.
pub(crate) struct Asking<'a> {
    /// The source.
    pub source: &'a str,
    /// When it is answered.
    pub wait: Wait,
    /// Whether nothing is taken where a row cannot be.
    pub is_whole: bool,
    /// The view that is waited for; none for all of the source.
    pub view: Option<&'a VersionId>,
}

/// What became of a push.
#[derive(Debug)]
pub(crate) struct Pushed {
    pub source: Arc<PushSource>,
    /// How many rows were taken.
    pub taken: usize,
    /// The rows that were not, by their place, and everything that is wrong with each.
    pub refused: Vec<(usize, String)>,
    /// The offset of the first that was taken; the others follow.
    pub first_offset: u64,
}

/// The source of this name, into which rows can be pushed.
fn source<R: Reader>(serving: &Serving<R>, name: &str) -> Result<Arc<PushSource>, ServeError> {
    let source = serving.catalog().services().source(name)?;
    match &source.refusal {
        Some(why) => Err(ServeError::NotPushable { source_name: source.name.clone(), why: why.clone() }),
        None => Ok(source),
    }
}

/// Checks rows, makes those that are good durable, and waits for them if that is asked for.
pub(crate) async fn push<R: Reader>(
    serving: &Serving<R>,
    call: &Call,
    asking: &Asking<'_>,
    table: impl FnOnce(&PushSource) -> Result<Table, ServeError>,
) -> Result<Pushed, ServeError> {
    call.is_of(serving.of_pushes());
    let pushed = serving.admitted(call, asking.source, take(serving, call, asking, table)).await?;
    if asking.wait == Wait::Online && pushed.taken > 0 {
        // A place among those that are answered is not kept meanwhile: this only waits.
        readable(serving, call, &pushed, asking.view).await?;
    }
    Ok(pushed)
}

async fn take<R: Reader>(
    serving: &Serving<R>,
    call: &Call,
    asking: &Asking<'_>,
    table: impl FnOnce(&PushSource) -> Result<Table, ServeError>,
) -> Result<Pushed, ServeError> {
    let source = source(serving, asking.source)?;
    let Some(sink) = serving.sink() else {
        return Err(ServeError::NotHere("pushing rows"));
    };
    let table = table(&source)?;
    let limit = serving.limits().max_entities;
    if table.rows() > limit {
        return Err(ServeError::TooManyRows { given: table.rows(), limit });
    }
    call.asks_about(table.rows());
    let Checked { rows, refused } = table.check(&source);
    call.end_of(Stage::Decode);
    serving.counts().refused(refused.len());
    if !refused.is_empty() && (rows.is_empty() || asking.is_whole) {
        return Err(ServeError::no_good_row(&source.name, &refused));
    }
    if rows.is_empty() {
        return Ok(Pushed { source, taken: 0, refused, first_offset: 0 });
    }
    let count = rows.len();
    // Whoever gives up while rows are synced cannot know whether they were taken.
    let taken = match timeout_at(call.deadline(), sink.append(&source, rows)).await {
        Ok(taken) => taken.map_err(|error| ServeError::from_sink(&source.name, error))?,
        Err(_) => return Err(ServeError::Unsure { source_name: source.name.clone() }),
    };
    call.end_of(Stage::Sync);
    serving.counts().taken(count, taken.synced_nanos);
    Ok(Pushed { source, taken: count, refused, first_offset: taken.first_offset })
}

/// Waits until the views of the source, or this one, have the rows of a push.
async fn readable<R: Reader>(
    serving: &Serving<R>,
    call: &Call,
    pushed: &Pushed,
    only: Option<&VersionId>,
) -> Result<(), ServeError> {
    let Some(sink) = serving.sink() else { return Ok(()) };
    let end = pushed.first_offset + pushed.taken as u64;
    let unread = |view: &PushView, why: String| ServeError::NotReadable {
        source_name: pushed.source.name.clone(),
        view: view.id.clone(),
        why,
    };
    let is_meant = |view: &&PushView| only.is_none_or(|only| view.id == *only);
    for view in pushed.source.views.iter().filter(is_meant) {
        let reached = async {
            loop {
                if sink.progress(&pushed.source, &view.id) >= end {
                    return Ok(());
                }
                if let Some(why) = sink.stopped(&view.id) {
                    return Err(unread(view, why));
                }
                sleep(LOOK_EVERY).await;
            }
        };
        let in_time = timeout_at(call.deadline(), reached).await;
        in_time
            .unwrap_or_else(|_| Err(unread(view, "its stream did not come that far in time".to_owned())))?;
    }
    call.end_of(Stage::Online);
    Ok(())
}
