//! `POST /push` and `POST /write-to-online-store`, as a Feast server has them. Both push rows into a
//! source, and are answered once they can be read: whoever wrote a row reads it right after.

use std::sync::Arc;

use access::Action;
use axum::body::Body as Empty;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use feature::{Name, VersionId, excerpt};
use online::Reader;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::choice::view_and_version;
use super::feast_exchange::{answered, parsed};
use super::json::FeastJson;
use super::refusal::Refusal;
use crate::call::Call;
use crate::error::ServeError;
use crate::http::{Columns, HttpState, json as json_response};
use crate::push::{self, AtLeast, PushOptions, PushSource, PushView, Table, Wait};
use crate::request_fault::RequestFault;

/// The column of the event time, as Feast's client calls it whatever it is called in the source.
const EVENT_TIMESTAMP: &str = "event_timestamp";
const DESTINATIONS: [&str; 3] = ["online", "offline", "online_and_offline"];

/// The body of `/push`; what else Feast's clients send is passed over.
#[derive(Deserialize)]
struct PushBody {
    push_source_name: String,
    df: Columns,
    to: Option<String>,
}

/// The body of `/write-to-online-store`, likewise.
#[derive(Deserialize)]
struct WriteBody {
    feature_view_name: String,
    df: Columns,
}

pub(super) async fn push<R: Reader + 'static>(
    State(state): State<Arc<HttpState<R>>>,
    request: Request,
) -> Response {
    answered(&state, request, async |call, request| {
        let body: PushBody = parsed(&state, call, request, &["push_source_name", "df"]).await?;
        if let Some(to) = body.to.filter(|to| !DESTINATIONS.contains(&to.as_str())) {
            return Err(no_destination(&to));
        }
        let name = &body.push_source_name;
        if let Err(ServeError::Request(RequestFault::UnknownSource { source_name, .. })) =
            state.serving.catalog().services().source(name)
        {
            let message = format!("Unable to find push source '{source_name}'.");
            return Err(hidden(
                &state,
                call,
                name,
                Refusal::Said(StatusCode::UNPROCESSABLE_ENTITY, "PushSourceNotFoundException", message),
            ));
        }
        let options = PushOptions { source: name, wait: Wait::Online, at_least: AtLeast::Whole, view: None };
        let table = |source: &PushSource| table(source, None, body.df);
        push::push(&state.serving, call, &options, table).await?;
        Ok(Response::new(Empty::empty()))
    })
    .await
}

pub(super) async fn write_to_online_store<R: Reader + 'static>(
    State(state): State<Arc<HttpState<R>>>,
    request: Request,
) -> Response {
    answered(&state, request, async |call, request| {
        let body: WriteBody = parsed(&state, call, request, &["feature_view_name", "df"]).await?;
        let written = &body.feature_view_name;
        let id = view(&state, written).map_err(|refusal| match refusal {
            Refusal::Said(..) => hidden(&state, call, written, refusal),
            refusal => refusal,
        })?;
        let Some(source) = state.serving.catalog().services().source_of(&id) else {
            return Err(RequestFault::NotHere("writing to an on-demand view").into());
        };
        let name = source.name.to_string();
        let options =
            PushOptions { source: &name, wait: Wait::Online, at_least: AtLeast::Whole, view: Some(&id) };
        let table = |source: &PushSource| table(source, Some(&id), body.df);
        push::push(&state.serving, call, &options, table).await?;
        Ok(json_response(StatusCode::OK, &Json::Null))
    })
    .await
}

fn no_destination(to: &str) -> Refusal {
    const LONGEST_CHARS: usize = 80;
    let to = excerpt(to, LONGEST_CHARS);
    let said = format!(
        "{to} is not a supported push format. Please specify one of these ['online', 'offline', 'online_and_offline']."
    );
    let problem = json!({"type": "value_error", "loc": ["body", "to"], "msg": said, "input": to});
    Refusal::Unprocessable(json!({"detail": [problem]}))
}

/// What is said of a view that is not there; to who may not look at what there is, that they may not write to it.
fn hidden<R: Reader>(state: &HttpState<R>, call: &Call, written: &str, refusal: Refusal) -> Refusal {
    let missing = RequestFault::unknown_view(written, []).into();
    match state.serving.unknown(call, Action::Write, written, missing) {
        ServeError::Access(fault) => ServeError::from(fault).into(),
        _ => refusal,
    }
}

/// The view of this name: its highest version, or the one that is named.
fn view<R: Reader>(state: &HttpState<R>, written: &str) -> Result<VersionId, Refusal> {
    const LONGEST_CHARS: usize = 80;
    let services = state.serving.catalog().services();
    let found = view_and_version(written)
        .zip(services.views())
        .and_then(|((name, version), views)| views.find(name, version).ok().cloned());
    found.ok_or_else(|| {
        let message = format!("Can't recognize feast object with a name {}", excerpt(written, LONGEST_CHARS));
        Refusal::Said(StatusCode::NOT_FOUND, "FeastObjectNotFoundException", message)
    })
}

/// The rows of a source that a data frame means. Columns that nothing here is called are passed over, as
/// Feast does.
fn table(source: &PushSource, view: Option<&VersionId>, df: Columns) -> Result<Table, ServeError> {
    let view = view.and_then(|id| source.views.iter().find(|view| view.id == *id));
    let mut columns: Vec<(String, FeastJson)> = Vec::new();
    let mut problems = Vec::new();
    for (name, values) in df.0 {
        let Some(column) = meant(source, view, &name, &mut problems) else { continue };
        // As many as the source has, at most.
        match columns.iter().find(|(known, _)| *known == column.as_str()) {
            None => columns.push((column.to_string(), FeastJson(values))),
            Some((_, known)) if known.0 == values => {}
            Some(_) => problems.push(format!("`{name}` and another column are both `{column}`, and differ")),
        }
    }
    let given = |name: &Name| columns.iter().any(|(known, _)| *known == name.as_str());
    problems.extend(missing(source, view, given));
    if problems.is_empty() {
        Table::of_columns(source, columns)
    } else {
        Err(RequestFault::misfit_rows(&source.name, problems).into())
    }
}

/// The column of the source that a column of a data frame is; none where it is passed over.
fn meant<'a>(
    source: &'a PushSource,
    view: Option<&'a PushView>,
    name: &str,
    problems: &mut Vec<String>,
) -> Option<&'a Name> {
    let of_view = view.into_iter().flat_map(|view| view.keys.iter().chain(&view.features));
    let mut of_view = of_view.filter(|(known, _)| known.as_str() == name).peekable();
    let is_of_view = of_view.peek().is_some();
    let by_view = of_view.find_map(|(_, column)| column.as_ref());
    let by_name = || source.column(name).map(|field| &field.name);
    let by_time = || source.event_time.as_ref().filter(|_| name == EVENT_TIMESTAMP);
    let column = by_view.or_else(by_name).or_else(by_time);
    if column.is_none() && is_of_view {
        problems.push(format!(
            "`{name}` is computed from the columns of the source `{}`: write those",
            source.name
        ));
    }
    column
}

/// Columns that are not given, though a view would read them. A row that leaves them out would write nulls
/// over what is there; where a join key is left out too, the view leaves out the row.
fn missing(source: &PushSource, written: Option<&PushView>, given: impl Fn(&Name) -> bool) -> Vec<String> {
    let mut problems = Vec::new();
    if let Some(event_time) = source.event_time.as_ref().filter(|name| !given(name)) {
        problems.push(format!("`{event_time}`, when a row happened, is missing"));
    }
    for view in &source.views {
        let is_written = written.is_some_and(|written| written.id == view.id);
        let leaves_out =
            |(_, column): &(Name, Option<Name>)| column.as_ref().is_some_and(|name| !given(name));
        if !is_written && view.keys.iter().any(leaves_out) {
            continue;
        }
        let is_missing = |name: &&Name| !given(name) && source.event_time.as_ref() != Some(*name);
        let missing: Vec<&str> = view.reads.iter().filter(is_missing).map(Name::as_str).collect();
        if !missing.is_empty() {
            problems.push(format!("{} reads `{}`, which is missing", view.id, missing.join("`, `")));
        }
    }
    problems
}
