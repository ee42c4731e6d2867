//! What Feast's routes share: a request is counted, its body is parsed, and its refusal is Feast's.

use axum::extract::Request;
use axum::response::Response;
use online::Reader;
use serde::de::DeserializeOwned;

use super::refusal::Refusal;
use crate::call::{Arrived, Call};
use crate::http::{HttpState, body, waits};
use crate::metrics::{Protocol, Stage};

/// Counts a request, and gives its answer or its refusal.
pub(super) async fn answered<R: Reader>(
    state: &HttpState<R>,
    request: Request,
    answer: impl AsyncFnOnce(&Call, Request) -> Result<Response, Refusal>,
) -> Response {
    let waits = waits(request.headers());
    let call = state.serving.calls().begin(Protocol::FeastHttp, &Arrived::of(request.extensions().get()));
    let response = match waits {
        Ok(_) => answer(&call, request).await,
        Err(error) => Err(error.into()),
    };
    match response {
        Ok(response) => {
            call.answered();
            response
        }
        Err(refusal) => {
            call.refused(refusal.code());
            refusal.into_response()
        }
    }
}

/// What the body of a request says; it has to have these fields.
pub(super) async fn parsed<R: Reader, B: DeserializeOwned>(
    state: &HttpState<R>,
    call: &Call,
    request: Request,
    required: &[&str],
) -> Result<B, Refusal> {
    let bytes = body(state.serving.limits(), call, request).await?;
    call.in_time()?;
    let body = serde_json::from_slice(&bytes).map_err(|error| Refusal::of_body(&bytes, &error, required))?;
    call.end_of(Stage::Parse);
    Ok(body)
}
