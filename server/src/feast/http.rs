//! `POST /get-online-features`, as a Feast server has it, and beside it the routes by which Feast writes.
//! Those that load history are not here: they say so.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::post;
use online::Reader;
use serde::Deserialize;

use super::feast_exchange::{answered, parsed};
use super::json::{AnswerBody, FeastJson};
use super::refusal::Refusal;
use super::{FeastRequest, Selection, answer, write};
use crate::call::Call;
use crate::error::ServeError;
use crate::http::{Columns, HttpState, json, with_headers};
use crate::metrics::Stage;

/// Feast's routes.
pub(crate) fn routes<R: Reader + 'static>() -> Router<Arc<HttpState<R>>> {
    let loads = ["/materialize", "/materialize-incremental"];
    let routes = Router::new()
        .route("/get-online-features", post(get_online_features::<R>))
        .route("/push", post(write::push::<R>))
        .route("/write-to-online-store", post(write::write_to_online_store::<R>));
    loads.into_iter().fold(routes, |routes, path| routes.route(path, post(load)))
}

async fn get_online_features<R: Reader + 'static>(
    State(state): State<Arc<HttpState<R>>>,
    request: Request,
) -> Response {
    answered(&state, request, async |call, request| respond(&state, call, request).await).await
}

async fn respond<R: Reader>(
    state: &HttpState<R>,
    call: &Call,
    request: Request,
) -> Result<Response, Refusal> {
    let body: Body = parsed(state, call, request, &["entities"]).await?;
    let selection = match (body.feature_service, body.features) {
        (Some(name), _) => Selection::Service(name),
        (None, Some(features)) if !features.is_empty() => Selection::Features(features),
        (None, _) => {
            let needed = "it names neither `features` nor a `feature_service`".to_owned();
            return Err(ServeError::Malformed(needed).into());
        }
    };
    let columns = body.entities.0.into_iter().map(|(name, values)| (name, FeastJson(values))).collect();
    let feast_request = FeastRequest { selection, columns, full_names: body.full_feature_names };
    let answer = answer(&state.serving, call, feast_request).await?;
    let with_views = body.include_feature_view_version_metadata;
    let response = with_headers(call, json(StatusCode::OK, &AnswerBody { answer: &answer, with_views }));
    call.end_of(Stage::Encode);
    Ok(response)
}

async fn load() -> Response {
    Refusal::from(ServeError::NotHere("loading history as Feast's clients ask for it")).into_response()
}

/// The body of a request; what else Feast's clients send is passed over.
#[derive(Deserialize)]
struct Body {
    entities: Columns,
    features: Option<Vec<String>>,
    feature_service: Option<String>,
    #[serde(default)]
    full_feature_names: bool,
    #[serde(default)]
    include_feature_view_version_metadata: bool,
}
