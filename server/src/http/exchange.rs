//! What all routes share: their state, the body of a request and how long its caller waits, and refusals as JSON.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, FailedToBufferBody};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use feature::{excerpt, shown};
use online::Reader;
use read::MOST_COLUMNS;
use serde::de::{DeserializeOwned, Deserializer, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use tokio::time::timeout_at;

use crate::call::{Arrived, Call};
use crate::code::Code;
use crate::error::ServeError;
use crate::limits::Limits;
use crate::metrics::{Protocol, Stage};
use crate::request_fault::RequestFault;
use crate::serving::Serving;

/// The longest name of a column that a message shows.
const LONGEST_NAME_CHARS: usize = 80;

/// How a caller that is not known shows who it is.
const BEARER: HeaderValue = HeaderValue::from_static("Bearer realm=\"twinstore\"");

/// The header that says how many milliseconds the caller waits.
const TIMEOUT: &str = "x-request-timeout-ms";

/// What the routes share.
pub(crate) struct HttpState<R> {
    pub serving: Arc<Serving<R>>,
    pub stopping: Arc<AtomicBool>,
}

/// Counts a request, and gives its answer.
pub(super) async fn answered<R: Reader>(
    serving: &Serving<R>,
    request: Request,
    answer: impl AsyncFnOnce(&Call, Request) -> Result<Response, ServeError>,
) -> Result<Response, ServeError> {
    let waits = waits(request.headers());
    let call = serving.calls().begin(Protocol::Http, &Arrived::of(request.extensions().get()));
    let answer = match waits {
        Ok(_) => answer(&call, request).await,
        Err(error) => Err(error),
    };
    call.ended(&answer);
    answer
}

/// What the body of a request says; else `malformed`, of what is wrong with it.
pub(super) async fn parsed<B: DeserializeOwned>(
    limits: &Limits,
    call: &Call,
    request: Request,
    malformed: fn(String) -> RequestFault,
) -> Result<B, ServeError> {
    const LONGEST_CHARS: usize = 240;
    let body = body(limits, call, request).await?;
    call.in_time()?;
    let parsed = serde_json::from_slice(&body)
        .map_err(|error| malformed(excerpt(&error.to_string(), LONGEST_CHARS).into_owned()))?;
    call.end_of(Stage::Parse);
    Ok(parsed)
}

/// How long the caller waits, where it says so.
pub(crate) fn waits(headers: &HeaderMap) -> Result<Option<Duration>, ServeError> {
    let Some(text) = headers.get(TIMEOUT) else { return Ok(None) };
    let millis = text.to_str().ok().and_then(|text| text.trim().parse().ok());
    millis.map(Duration::from_millis).map(Some).ok_or_else(|| {
        RequestFault::Malformed(format!("the header `{TIMEOUT}` is not a number of milliseconds")).into()
    })
}

/// The body of a request, as far as its caller waits for it.
pub(crate) async fn body(limits: &Limits, call: &Call, request: Request) -> Result<Bytes, ServeError> {
    let body = timeout_at(call.deadline(), Bytes::from_request(request, &())).await;
    let body = body.map_err(|_| RequestFault::Malformed("its body did not arrive in time".to_owned()))?;
    body.map_err(|rejection| {
        let fault = match rejection {
            BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => {
                RequestFault::TooManyBytes { limit: limits.max_request_bytes }
            }
            rejection => RequestFault::Malformed(rejection.body_text()),
        };
        fault.into()
    })
}

/// Columns of values by name; a name that is given twice is refused.
#[derive(Default)]
pub(crate) struct Columns(pub Vec<(String, Vec<serde_json::Value>)>);

impl<'de> Deserialize<'de> for Columns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Columns;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(r#"columns as in {"name": [value, …]}"#)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Columns, A::Error> {
                let mut columns: Vec<(String, Vec<serde_json::Value>)> = Vec::new();
                let mut known: HashSet<String> = HashSet::new();
                while let Some(name) = map.next_key::<String>()? {
                    if columns.len() == MOST_COLUMNS {
                        return Err(A::Error::custom(format!(
                            "it has more than the {MOST_COLUMNS} columns that one request may have"
                        )));
                    }
                    let shown = excerpt(&name, LONGEST_NAME_CHARS);
                    if !known.insert(name.clone()) {
                        return Err(A::Error::custom(format!("the column `{shown}` is given twice")));
                    }
                    let values = map.next_value().map_err(|error: A::Error| {
                        A::Error::custom(format!("the column `{shown}`: {error}"))
                    })?;
                    columns.push((name, values));
                }
                Ok(Columns(columns))
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}

impl IntoResponse for ServeError {
    fn into_response(self) -> Response {
        refusal(status(self.code()), &self)
    }
}

pub(crate) fn status(code: Code) -> StatusCode {
    match code {
        Code::InvalidArgument => StatusCode::BAD_REQUEST,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::FailedPrecondition => StatusCode::CONFLICT,
        Code::ResourceExhausted => StatusCode::PAYLOAD_TOO_LARGE,
        Code::Overloaded => StatusCode::TOO_MANY_REQUESTS,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
    }
}

pub(crate) fn refusal(status: StatusCode, serve_error: &ServeError) -> Response {
    let error = serve_error;
    let refused = error.refused();
    let error = serde_json::json!({
        "code": error.code().name(),
        "message": shown(&error.to_string()),
        "help": error.help(),
    });
    if refused.is_empty() {
        return with_hint(serve_error, json(status, &serde_json::json!({"error": error})));
    }
    json(status, &serde_json::json!({"error": error, "taken": 0, "refused": refused}))
}

/// A refusal that says when to try again, or how to show who sends a request, where that helps.
pub(crate) fn with_hint(error: &ServeError, mut response: Response) -> Response {
    if let Some(wait) = error.retry_after() {
        let seconds = wait.as_millis().div_ceil(1_000).max(1);
        if let Ok(seconds) = HeaderValue::from_str(&seconds.to_string()) {
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
    }
    if error.code() == Code::Unauthenticated {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, BEARER);
    }
    response
}

/// An answer with what its head says.
pub(crate) fn with_headers(call: &Call, mut response: Response) -> Response {
    for (name, value) in call.headers() {
        // They hold visible ASCII characters alone.
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(body) => (status, [(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// The error of a path that is not served.
pub(super) fn unknown(method: &Method, uri: &Uri) -> ServeError {
    const LONGEST_CHARS: usize = 80;
    RequestFault::UnknownRoute(excerpt(&format!("{method} {}", uri.path()), LONGEST_CHARS).into_owned())
        .into()
}
