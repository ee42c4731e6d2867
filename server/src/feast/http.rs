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
use serde::de::DeserializeOwned;

use super::json::{AnswerBody, FeastJson};
use super::refusal::Refusal;
use super::{Asking, FeastAsked, answer, write};
use crate::call::Call;
use crate::error::ServeError;
use crate::http::{Columns, HttpFace, body, json, waits, with_headers};
use crate::metrics::{Face, Stage};

/// Feast's routes.
pub(crate) fn routes<R: Reader + 'static>() -> Router<Arc<HttpFace<R>>> {
    let loads = ["/materialize", "/materialize-incremental"];
    let routes = Router::new()
        .route("/get-online-features", post(get_online_features::<R>))
        .route("/push", post(write::push::<R>))
        .route("/write-to-online-store", post(write::write_to_online_store::<R>));
    loads.into_iter().fold(routes, |routes, path| routes.route(path, post(load)))
}

async fn get_online_features<R: Reader + 'static>(
    State(face): State<Arc<HttpFace<R>>>,
    request: Request,
) -> Response {
    answered(&face, request, async |call, request| respond(&face, call, request).await).await
}

async fn respond<R: Reader>(face: &HttpFace<R>, call: &Call, request: Request) -> Result<Response, Refusal> {
    let body: Body = parsed(face, call, request, &["entities"]).await?;
    let asking = match (body.feature_service, body.features) {
        (Some(name), _) => Asking::Service(name),
        (None, Some(features)) if !features.is_empty() => Asking::Features(features),
        (None, _) => {
            let needed = "it names neither `features` nor a `feature_service`".to_owned();
            return Err(ServeError::Malformed(needed).into());
        }
    };
    let columns = body.entities.0.into_iter().map(|(name, values)| (name, FeastJson(values))).collect();
    let asked = FeastAsked { asking, columns, full_names: body.full_feature_names };
    let answer = answer(&face.serving, call, asked).await?;
    let with_views = body.include_feature_view_version_metadata;
    let response = with_headers(call, json(StatusCode::OK, &AnswerBody { answer: &answer, with_views }));
    call.end_of(Stage::Encode);
    Ok(response)
}

async fn load() -> Response {
    Refusal::from(ServeError::NotHere("loading history as Feast's clients ask for it")).into_response()
}

/// Counts a request, and gives its answer or its refusal.
pub(super) async fn answered<R: Reader>(
    face: &HttpFace<R>,
    request: Request,
    answer: impl AsyncFnOnce(&Call, Request) -> Result<Response, Refusal>,
) -> Response {
    let waits = waits(request.headers());
    let call = face.serving.begin(Face::FeastHttp, waits.as_ref().ok().copied().flatten());
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
    face: &HttpFace<R>,
    call: &Call,
    request: Request,
    required: &[&str],
) -> Result<B, Refusal> {
    let bytes = body(face.serving.limits(), call, request).await?;
    let body = serde_json::from_slice(&bytes).map_err(|error| Refusal::of_body(&bytes, &error, required))?;
    call.end_of(Stage::Parse);
    Ok(body)
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
