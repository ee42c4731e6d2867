//! The HTTP protocol: `POST /v1/features`, `POST /v1/push` and `GET /health`, in JSON, and `GET /metrics`. The
//! routes of a Feast server and of pages for people are beside them.

mod exchange;
mod page;
mod push;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use feature::Micros;
use online::Reader;
use read::{FeatureColumn, FeatureRequest, Features, json::AsJson};
use serde::de::{Deserializer, Error as _};
use serde::ser::{SerializeMap, SerializeSeq, Serializer};
use serde::{Deserialize, Serialize};

pub(crate) use self::exchange::{
    Columns, HttpState, body, json, refusal, status, waits, with_headers, with_hint,
};
use self::exchange::{answered, parsed, unknown};
use crate::call::Call;
use crate::error::ServeError;
use crate::feast;
use crate::metrics::Stage;
use crate::request_fault::RequestFault;
use crate::serving::{ServiceRequest, Serving};

/// The routes; `stopping` tells health that requests are to go elsewhere.
pub(crate) fn routes<R: Reader + 'static>(serving: Arc<Serving<R>>, stopping: Arc<AtomicBool>) -> Router {
    let limit = DefaultBodyLimit::max(serving.limits().max_request_bytes);
    Router::new()
        .route("/v1/features", post(features::<R>))
        .route("/v1/push", post(push::push::<R>))
        .route("/health", get(health::<R>))
        .route("/metrics", get(metrics::<R>))
        .merge(feast::routes())
        .merge(page::routes())
        .fallback(page::missing::<R>)
        .method_not_allowed_fallback(wrong_method)
        .layer(limit)
        .with_state(Arc::new(HttpState { serving, stopping }))
}

async fn features<R: Reader + 'static>(
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
    let body: Body = parsed(serving.limits(), call, request, RequestFault::Malformed).await?;
    let request = FeatureRequest {
        features: body.features.unwrap_or_default(),
        entities: body.entities.0,
        request: body.request.0,
    };
    let service_request =
        ServiceRequest { service: body.service, request, at: body.at, trained_on: body.trained_on };
    let features = serving.features(call, service_request).await?.into_features();
    let response = with_headers(call, json(StatusCode::OK, &AnswerBody(&features)));
    call.end_of(Stage::Encode);
    Ok(response)
}

async fn metrics<R: Reader + 'static>(State(state): State<Arc<HttpState<R>>>) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, state.serving.exposition()).into_response()
}

async fn health<R: Reader + 'static>(State(state): State<Arc<HttpState<R>>>) -> Response {
    let reason = if state.stopping.load(Ordering::Relaxed) {
        "it is stopping".to_owned()
    } else if state.serving.is_ill() {
        state.serving.illness()
    } else {
        // Reads are answered; whoever writes learns what holds up which view.
        let (degraded, unfollowed) = (state.serving.degraded(), state.serving.unfollowed());
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

async fn wrong_method(method: Method, uri: Uri) -> Response {
    refusal(StatusCode::METHOD_NOT_ALLOWED, &unknown(&method, &uri))
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
