//! Rows that are pushed: into which source, what of them is taken, and when it is answered.
//!
//! The server checks rows against the source's columns, asks a [`Sink`] what the views of the source will say of
//! them, and hands it those that are good, which makes them durable. It writes no store: the rows come into both stores by the way that every
//! stream goes.

mod refused_row;
mod rows;
mod sink;

use std::sync::Arc;
use std::time::Duration;

use access::{Action, Resource, ResourceKind};
use feature::{VersionId, excerpt};
use online::Reader;
use tokio::time::{sleep, timeout_at};

pub use self::refused_row::RefusedRow;
pub(crate) use self::rows::{Checked, Table};
pub use self::sink::{
    Appending, PushSource, PushView, RefusedByView, Sink, SinkError, Taken, Validated, Validating,
};
use crate::call::Call;
use crate::error::ServeError;
use crate::metrics::{PushCounts, Stage};
use crate::request_fault::RequestFault;
use crate::server_fault::ServerFault;
use crate::serving::Serving;

/// How often it is checked whether rows can be read.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// The longest reason that is given for a row.
const LONGEST_REASON_CHARS: usize = 400;
/// The kind of reason of a row that a view leaves out over a null in its key.
const NULL_KEY: &str = "null_key";

/// When a push is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Wait {
    /// Once its rows are durable.
    #[default]
    Durable,
    /// Once they can be read online in every view of the source.
    Online,
}

/// What of a push has to be taken: where it is not, nothing is, and the push is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AtLeast {
    /// Nothing: its rows are answered one by one.
    Nothing,
    /// One of its rows, where there are some.
    OneRow,
    /// All of its rows.
    Whole,
}

/// What a push asks for, beside its rows.
pub(crate) struct PushOptions<'a> {
    /// The source.
    pub source: &'a str,
    /// When it is answered.
    pub wait: Wait,
    /// What of it has to be taken.
    pub at_least: AtLeast,
    /// The view that is waited for; none for all of the source.
    pub view: Option<&'a VersionId>,
}

/// The outcome for a push.
#[derive(Debug)]
pub(crate) struct Pushed {
    pub source: Arc<PushSource>,
    /// How many rows were taken.
    pub taken: usize,
    /// What was refused, by row and view. A row that some view takes is taken, and refused by the others.
    pub refused: Vec<RefusedRow>,
    /// How many rows do not pass the `where` of a view, where there are some.
    pub filtered: Vec<(VersionId, u64)>,
    /// The offset of the first that was taken; the others follow.
    pub first_offset: u64,
}

/// The source of this name, into which rows can be pushed.
fn source<R: Reader>(serving: &Serving<R>, name: &str) -> Result<Arc<PushSource>, ServeError> {
    let source = serving.catalog().services().source(name)?;
    match &source.refusal {
        Some(why) => {
            Err(RequestFault::NotPushable { source_name: source.name.clone(), why: why.clone() }.into())
        }
        None => Ok(source),
    }
}

/// Checks rows, makes those that are good durable, and waits for them if that is requested.
pub(crate) async fn push<R: Reader>(
    serving: &Serving<R>,
    call: &Call,
    options: &PushOptions<'_>,
    table: impl FnOnce(&PushSource) -> Result<Table, ServeError>,
) -> Result<Pushed, ServeError> {
    call.is_of(serving.of_pushes());
    let pushed = serving.admitted(call, options.source, take(serving, call, options, table)).await?;
    if options.wait == Wait::Online && pushed.taken > 0 {
        // A permit among those that are answered is not kept meanwhile: this only waits.
        readable(serving, call, &pushed, options.view).await?;
    }
    Ok(pushed)
}

async fn take<R: Reader>(
    serving: &Serving<R>,
    call: &Call,
    options: &PushOptions<'_>,
    table: impl FnOnce(&PushSource) -> Result<Table, ServeError>,
) -> Result<Pushed, ServeError> {
    let action = Action::Write;
    let source = source(serving, options.source);
    let source = source.map_err(|error| serving.unknown(call, action, options.source, error))?;
    serving.permit(call, action, [&Resource::new(ResourceKind::Source, source.name.as_str())])?;
    let Some(sink) = serving.sink() else {
        return Err(RequestFault::NotHere("pushing rows").into());
    };
    let table = table(&source)?;
    let limit = serving.limits().max_entities;
    if table.rows() > limit {
        return Err(RequestFault::TooManyRows { given: table.rows(), limit }.into());
    }
    serving.takes_on(call, table.rows())?;
    let checked = table.check(&source);
    call.end_of(Stage::Decode);
    let Door { rows, refused, filtered } =
        at_the_door(sink, &source, options, checked, serving.counts()).await?;
    if rows.is_empty() {
        return Ok(Pushed { source, taken: 0, refused, filtered, first_offset: 0 });
    }
    call.in_time()?;
    let count = rows.len();
    // Whoever gives up while rows are synced cannot know whether they were taken.
    let taken = match timeout_at(call.deadline(), sink.append(&source, rows)).await {
        Ok(taken) => taken.map_err(|error| ServeError::from_sink(&source.name, error))?,
        Err(_) => return Err(ServerFault::Unsure { source_name: source.name.clone() }.into()),
    };
    call.end_of(Stage::Sync);
    serving.counts().taken(count, taken.synced_nanos);
    Ok(Pushed { source, taken: count, refused, filtered, first_offset: taken.first_offset })
}

/// The outcome for rows that a command pushes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PushedRows {
    /// How many rows were taken.
    pub taken: usize,
    /// What was refused, by row and view.
    pub refused: Vec<RefusedRow>,
    /// How many rows do not pass the `where` of a view, where there are some.
    pub filtered: Vec<(VersionId, u64)>,
    /// The offset of the first that was taken, where some were.
    pub first_offset: Option<u64>,
}

/// Checks rows as a push over HTTP does, and makes those that are good durable.
pub async fn push_rows(
    sink: &dyn Sink,
    source: &PushSource,
    rows: &[Box<serde_json::value::RawValue>],
) -> Result<PushedRows, ServeError> {
    let at_least = AtLeast::Nothing;
    let options = PushOptions { source: source.name.as_str(), wait: Wait::Durable, at_least, view: None };
    let checked = Table::of_objects(source, rows).check(source);
    let Door { rows, refused, filtered } =
        at_the_door(sink, source, &options, checked, &PushCounts::default()).await?;
    let taken = rows.len();
    if taken == 0 {
        return Ok(PushedRows { refused, filtered, ..PushedRows::default() });
    }
    let appended = sink.append(source, rows).await;
    let appended = appended.map_err(|error| ServeError::from_sink(&source.name, error))?;
    Ok(PushedRows { taken, refused, filtered, first_offset: Some(appended.first_offset) })
}

/// What of a push is made durable, and what is said of the rest.
struct Door {
    rows: Vec<Vec<u8>>,
    refused: Vec<RefusedRow>,
    filtered: Vec<(VersionId, u64)>,
}

/// Asks the views of the source what becomes of rows that can be read. All is refused where less would be taken than has to
/// be.
async fn at_the_door(
    sink: &dyn Sink,
    source: &PushSource,
    options: &PushOptions<'_>,
    checked: Checked,
    counts: &PushCounts,
) -> Result<Door, ServeError> {
    let Checked { rows, indexes, mut refused } = checked;
    let unread = refused.len();
    counts.refused_for("", "unreadable", unread as u64);
    let rows = Arc::new(rows);
    let validated = match rows.is_empty() {
        true => Validated::default(),
        false => {
            sink.validate(source, &rows).await.map_err(|error| ServeError::from_sink(&source.name, error))?
        }
    };
    let is_meant = |view: &VersionId| options.view.is_none_or(|only| only == view);
    // A view whose join key a row does not have leaves it out: the row is meant for others.
    let breaks_the_whole =
        |row: &RefusedByView| is_meant(&row.view) && (row.kind != NULL_KEY || options.view.is_some());
    let is_broken = unread > 0 || validated.refused.iter().any(breaks_the_whole);
    for row in validated.refused {
        counts.refused_for(&row.view.to_string(), &row.kind, 1);
        let Some(index) = indexes.get(row.index).copied() else { continue };
        let reason = excerpt(&format!("{}: {}", row.kind, row.detail), LONGEST_REASON_CHARS).into_owned();
        refused.push(RefusedRow { index, view: Some(row.view), reason });
    }
    refused.sort_by_key(|row| row.index);
    let is_taken = |index: usize| validated.is_taken.get(index).copied().unwrap_or(true);
    let taken = (0..rows.len()).filter(|index| is_taken(*index)).count();
    counts.refused((unread + rows.len() - taken) as u64);
    let is_nothing = taken == 0 && !refused.is_empty();
    let is_too_little = match options.at_least {
        AtLeast::Nothing => false,
        AtLeast::OneRow => is_nothing,
        AtLeast::Whole => is_nothing || is_broken || taken < rows.len(),
    };
    if is_too_little {
        counts.refused(taken as u64);
        return Err(RequestFault::no_good_row(&source.name, refused).into());
    }
    let rows = Arc::unwrap_or_clone(rows).into_iter().enumerate();
    let rows = rows.filter(|(index, _)| is_taken(*index)).map(|(_, row)| row).collect();
    Ok(Door { rows, refused, filtered: validated.filtered })
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
    let unread = |view: &PushView, why: String| ServerFault::NotReadable {
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
