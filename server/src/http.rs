//! The HTTP face: `POST /v1/features`, `POST /v1/push` and `GET /health`, in JSON, and `GET /metrics`. The
//! routes of a Feast server are beside them.

mod push;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, FailedToBufferBody};
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use feature::{Micros, excerpt};
use online::Reader;
use read::{FeatureColumn, FeatureRequest, Features, json::AsJson};
use serde::de::{DeserializeOwned, Deserializer, Error as _, MapAccess, Visitor};
use serde::ser::{SerializeMap, SerializeSeq, Serializer};
use serde::{Deserialize, Serialize};
use tokio::time::timeout_at;

use crate::call::Call;
use crate::error::{Code, ServeError};
use crate::feast;
use crate::limits::Limits;
use crate::metrics::{Face, Stage};
use crate::serving::{Asked, Serving};

/// The header that says how many milliseconds the caller waits.
const TIMEOUT: &str = "x-request-timeout-ms";

/// What the routes share.
pub(crate) struct HttpFace<R> {
    pub serving: Arc<Serving<R>>,
    stopping: Arc<AtomicBool>,
}

/// The routes; `stopping` tells health that requests are to go elsewhere.
pub(crate) fn routes<R: Reader + 'static>(serving: Arc<Serving<R>>, stopping: Arc<AtomicBool>) -> Router {
    let limit = DefaultBodyLimit::max(serving.limits().max_request_bytes);
    Router::new()
        .route("/v1/features", post(features::<R>))
        .route("/v1/push", post(push::push::<R>))
        .route("/health", get(health::<R>))
        .route("/metrics", get(metrics::<R>))
        .merge(feast::routes())
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(limit)
        .with_state(Arc::new(HttpFace { serving, stopping }))
}

async fn features<R: Reader + 'static>(
    State(face): State<Arc<HttpFace<R>>>,
    request: Request,
) -> Result<Response, ServeError> {
    answered(&face.serving, request, async |call, request| answer(&face.serving, call, request).await).await
}

async fn answer<R: Reader>(
    serving: &Serving<R>,
    call: &Call,
    request: Request,
) -> Result<Response, ServeError> {
    let body: Body = parsed(serving.limits(), call, request, ServeError::Malformed).await?;
    let request = FeatureRequest {
        features: body.features.unwrap_or_default(),
        entities: body.entities.0,
        request: body.request.0,
    };
    let asked = Asked { service: body.service, request, at: body.at, trained_on: body.trained_on };
    let features = serving.features(call, asked).await?.into_features();
    let response = with_headers(call, json(StatusCode::OK, &AnswerBody(&features)));
    call.end_of(Stage::Encode);
    Ok(response)
}

/// Counts a request, and gives its answer.
async fn answered<R: Reader>(
    serving: &Serving<R>,
    request: Request,
    answer: impl AsyncFnOnce(&Call, Request) -> Result<Response, ServeError>,
) -> Result<Response, ServeError> {
    let waits = waits(request.headers());
    let call = serving.begin(Face::Http, waits.as_ref().ok().copied().flatten());
    let answer = match waits {
        Ok(_) => answer(&call, request).await,
        Err(error) => Err(error),
    };
    call.ended(&answer);
    answer
}

/// What the body of a request says; else `malformed`, of what is wrong with it.
async fn parsed<B: DeserializeOwned>(
    limits: &Limits,
    call: &Call,
    request: Request,
    malformed: fn(String) -> ServeError,
) -> Result<B, ServeError> {
    const LONGEST_CHARS: usize = 240;
    let body = body(limits, call, request).await?;
    let parsed = serde_json::from_slice(&body)
        .map_err(|error| malformed(excerpt(&error.to_string(), LONGEST_CHARS).into_owned()))?;
    call.end_of(Stage::Parse);
    Ok(parsed)
}

/// How long the caller waits, where it says so.
pub(crate) fn waits(headers: &HeaderMap) -> Result<Option<Duration>, ServeError> {
    let Some(text) = headers.get(TIMEOUT) else { return Ok(None) };
    let millis = text.to_str().ok().and_then(|text| text.trim().parse().ok());
    millis
        .map(Duration::from_millis)
        .map(Some)
        .ok_or_else(|| ServeError::Malformed(format!("the header `{TIMEOUT}` is no number of milliseconds")))
}

/// The body of a request, as far as its caller waits for it.
pub(crate) async fn body(limits: &Limits, call: &Call, request: Request) -> Result<Bytes, ServeError> {
    let body = timeout_at(call.deadline(), Bytes::from_request(request, &())).await;
    body.map_err(|_| ServeError::Malformed("its body did not arrive in time".to_owned()))?.map_err(
        |rejection| match rejection {
            BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => {
                ServeError::TooManyBytes { limit: limits.max_request_bytes }
            }
            rejection => ServeError::Malformed(rejection.body_text()),
        },
    )
}

async fn metrics<R: Reader + 'static>(State(face): State<Arc<HttpFace<R>>>) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, face.serving.exposition()).into_response()
}

async fn health<R: Reader + 'static>(State(face): State<Arc<HttpFace<R>>>) -> Response {
    let reason = if face.stopping.load(Ordering::Relaxed) {
        "it is stopping"
    } else if face.serving.is_ill() {
        "the online store does not answer"
    } else {
        // Reads are answered; whoever writes is told what holds up which view.
        let (degraded, unfollowed) = (face.serving.degraded(), face.serving.unfollowed());
        if degraded.is_empty() && unfollowed.is_none() {
            return json(StatusCode::OK, &serde_json::json!({"status": "SERVING"}));
        }
        let views: Vec<_> = degraded
            .iter()
            .map(|(view, reason)| serde_json::json!({"view": view, "reason": reason}))
            .collect();
        let mut body = serde_json::json!({"status": "DEGRADED", "degraded": views});
        if let (Some((since, reason)), Some(body)) = (unfollowed, body.as_object_mut()) {
            let registry = serde_json::json!({"since": since.to_string(), "reason": reason});
            body.insert("registry".to_owned(), registry);
        }
        return json(StatusCode::OK, &body);
    };
    let body = serde_json::json!({"status": "NOT_SERVING", "reason": reason});
    json(StatusCode::SERVICE_UNAVAILABLE, &body)
}

async fn unknown(method: Method, uri: Uri) -> ServeError {
    const LONGEST_CHARS: usize = 80;
    ServeError::UnknownRoute(excerpt(&format!("{method} {}", uri.path()), LONGEST_CHARS).into_owned())
}

async fn wrong_method(method: Method, uri: Uri) -> Response {
    refusal(StatusCode::METHOD_NOT_ALLOWED, &unknown(method, uri).await)
}

/// The body of a request for features.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    service: String,
    features: Option<Vec<String>>,
    #[serde(default)]
    entities: Columns,
    #[serde(default)]
    request: Columns,
    #[serde(default, deserialize_with = "moment")]
    at: Option<Micros>,
    trained_on: Option<String>,
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
                while let Some(name) = map.next_key::<String>()? {
                    if columns.iter().any(|(known, _)| *known == name) {
                        return Err(A::Error::custom(format!("the column `{name}` is given twice")));
                    }
                    let values = map.next_value().map_err(|error: A::Error| {
                        A::Error::custom(format!("the column `{name}`: {error}"))
                    })?;
                    columns.push((name, values));
                }
                Ok(Columns(columns))
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}

fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Micros>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
}

/// The body of an answer.
struct AnswerBody<'a>(&'a Features);

impl Serialize for AnswerBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut body = serializer.serialize_map(Some(3))?;
        body.serialize_entry("service", &self.0.service)?;
        body.serialize_entry("at", &self.0.at.to_string())?;
        body.serialize_entry("columns", &ColumnsBody(self.0))?;
        body.end()
    }
}

struct ColumnsBody<'a>(&'a Features);

impl Serialize for ColumnsBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let columns = &self.0.columns;
        let mut body = serializer.serialize_map(Some(columns.len()))?;
        columns
            .iter()
            .try_for_each(|column| body.serialize_entry(&column.name, &ColumnBody(self.0, column)))?;
        body.end()
    }
}

struct ColumnBody<'a>(&'a Features, &'a FeatureColumn);

impl Serialize for ColumnBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ColumnBody(features, column) = self;
        let times = features.times_of(column);
        let event_times: Vec<Option<String>> =
            times.iter().map(|times| times.map(|times| times.event_time.to_string())).collect();
        let ages_s: Vec<Option<f64>> =
            times.iter().map(|times| times.map(|times| features.age_s(times))).collect();
        let mut body = serializer.serialize_map(Some(4))?;
        body.serialize_entry("values", &ValuesBody(column))?;
        body.serialize_entry("statuses", &*column.statuses)?;
        body.serialize_entry("event_times", &event_times)?;
        body.serialize_entry("ages_s", &ages_s)?;
        body.end()
    }
}

struct ValuesBody<'a>(&'a FeatureColumn);

impl Serialize for ValuesBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let FeatureColumn { values, data_type, .. } = self.0;
        let mut list = serializer.serialize_seq(Some(values.len()))?;
        for row in 0..values.len() {
            list.serialize_element(&AsJson(&transform::value_at(values, row, *data_type)))?;
        }
        list.end()
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
    }
}

fn refusal(status: StatusCode, error: &ServeError) -> Response {
    let refused = error.refused();
    let error = serde_json::json!({
        "code": error.code().name(),
        "message": error.to_string(),
        "help": error.help(),
    });
    if refused.is_empty() {
        return json(status, &serde_json::json!({"error": error}));
    }
    json(status, &serde_json::json!({"error": error, "taken": 0, "refused": refused}))
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
