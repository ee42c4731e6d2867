//! `POST /v1/push`: rows of a source, as JSON objects.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use online::Reader;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::exchange::{HttpState, answered, json, parsed};
use crate::call::Call;
use crate::error::ServeError;
use crate::metrics::Stage;
use crate::push::{self, AtLeast, PushOptions, PushSource, Pushed, RefusedRow, Table, Wait};
use crate::request_fault::RequestFault;
use crate::serving::Serving;

pub(super) async fn push<R: Reader + 'static>(
    State(state): State<Arc<HttpState<R>>>,
    request: Request,
) -> Result<Response, ServeError> {
    answered(&state.serving, request, async |call, request| answer(&state.serving, call, request).await).await
}

async fn answer<R: Reader>(
    serving: &Serving<R>,
    call: &Call,
    request: Request,
) -> Result<Response, ServeError> {
    let body: Body = parsed(serving.limits(), call, request, RequestFault::MalformedPush).await?;
    let wait = match body.wait {
        Some(WaitFor::Online) => Wait::Online,
        None => Wait::Durable,
    };
    let options = PushOptions { source: &body.source, wait, at_least: AtLeast::OneRow, view: None };
    let table = |source: &PushSource| Ok(Table::of_objects(source, &body.rows));
    let pushed = push::push(serving, call, &options, table).await?;
    let response = json(StatusCode::OK, &AnswerBody::of(&pushed));
    call.end_of(Stage::Encode);
    Ok(response)
}

/// The body of a push.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    source: String,
    /// Each is read by itself: one that cannot be is refused alone.
    rows: Vec<Box<RawValue>>,
    wait: Option<WaitFor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum WaitFor {
    Online,
}

/// The body of its answer.
#[derive(Serialize)]
struct AnswerBody<'a> {
    source: &'a str,
    taken: usize,
    refused: &'a [RefusedRow],
    filtered: BTreeMap<String, u64>,
    topic: &'a str,
    first_offset: Option<u64>,
}

impl<'a> AnswerBody<'a> {
    fn of(pushed: &'a Pushed) -> Self {
        Self {
            source: pushed.source.name.as_str(),
            taken: pushed.taken,
            refused: &pushed.refused,
            filtered: pushed.filtered.iter().map(|(view, rows)| (view.to_string(), *rows)).collect(),
            topic: &pushed.source.topic,
            first_offset: (pushed.taken > 0).then_some(pushed.first_offset),
        }
    }
}
