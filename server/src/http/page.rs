//! The routes of pages for people: what is made elsewhere goes out under headers that let a browser run no script, ask no
//! other host, and show it in no frame.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use online::Reader;

use super::exchange::{HttpState, unknown};
use crate::pages::{Page, PageRequest};

/// What a page may load and do.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The paths of pages.
const PATHS: [&str; 7] =
    ["/", "/views/{*rest}", "/features/{*rest}", "/services/{*rest}", "/search", "/changes", "/style.css"];

pub(super) fn routes<R: Reader + 'static>() -> Router<Arc<HttpState<R>>> {
    PATHS.iter().fold(Router::new(), |router, path| router.route(path, get(page::<R>)))
}

async fn page<R: Reader + 'static>(
    State(state): State<Arc<HttpState<R>>>,
    method: Method,
    uri: Uri,
) -> Response {
    made(&state, method, uri).await
}

/// A path that has no route: a person is answered by a page, a program by an error.
pub(super) async fn missing<R: Reader + 'static>(
    State(state): State<Arc<HttpState<R>>>,
    method: Method,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let accepts = headers.get(header::ACCEPT).and_then(|accepts| accepts.to_str().ok()).unwrap_or_default();
    let is_read = matches!(method, Method::GET | Method::HEAD);
    if is_read && accepts.contains("text/html") {
        return made(&state, method, uri).await;
    }
    unknown(&method, &uri).into_response()
}

async fn made<R: Reader>(state: &HttpState<R>, method: Method, uri: Uri) -> Response {
    let Some(pages) = state.serving.pages() else { return unknown(&method, &uri).into_response() };
    let request =
        PageRequest { path: uri.path().to_owned(), query: uri.query().unwrap_or_default().to_owned() };
    let Page { status, content_type, body, is_constant } = pages.page(request).await;
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let kept = if is_constant { "max-age=600" } else { "no-store" };
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, kept),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    (status, headers, body).into_response()
}
