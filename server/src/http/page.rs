//! The routes of pages for people: what is made elsewhere goes out under headers that let a browser run no script, ask no
//! other host, and show it in no frame.

use std::sync::Arc;

use access::{Action, Identity, Resource, ResourceKind};
use axum::Router;
use axum::extract::State;
use axum::http::{Extensions, HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use feature::VersionId;
use online::Reader;
use percent_encoding::percent_decode_str;

use super::exchange::{HttpState, unknown};
use crate::call::Arrived;
use crate::error::ServeError;
use crate::pages::{Page, PageRequest};
use crate::serving::Serving;

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
    extensions: Extensions,
    method: Method,
    uri: Uri,
) -> Response {
    made(&state, &extensions, method, uri).await
}

/// A path that has no route: a person is answered by a page, a program by an error.
pub(super) async fn missing<R: Reader + 'static>(
    State(state): State<Arc<HttpState<R>>>,
    method: Method,
    headers: HeaderMap,
    extensions: Extensions,
    uri: Uri,
) -> Response {
    let accepts = headers.get(header::ACCEPT).and_then(|accepts| accepts.to_str().ok()).unwrap_or_default();
    let is_read = matches!(method, Method::GET | Method::HEAD);
    if is_read && accepts.contains("text/html") {
        return made(&state, &extensions, method, uri).await;
    }
    unknown(&method, &uri).into_response()
}

async fn made<R: Reader>(
    state: &HttpState<R>,
    extensions: &Extensions,
    method: Method,
    uri: Uri,
) -> Response {
    let Some(pages) = state.serving.pages() else { return unknown(&method, &uri).into_response() };
    let caller = Arrived::of(extensions.get()).caller;
    if let Err(error) = shows_values(&state.serving, caller.as_deref(), &uri) {
        return error.into_response();
    }
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

/// Refuses a page that shows values to who may not read them: frequent values of a feature, reads that are tried of the
/// services that the query names, and what is said of a view that is protected. A name that is not known is refused.
fn shows_values<R: Reader>(
    serving: &Serving<R>,
    caller: Option<&Identity>,
    uri: &Uri,
) -> Result<(), ServeError> {
    let Some(access) = serving.access() else { return Ok(()) };
    let parts: Vec<String> = uri.path().trim_matches('/').split('/').map(decoded).collect();
    let services = serving.catalog().services();
    let view = |id: VersionId| services.views()?.resource(&id).ok();
    let of_view = |name: &String| name.parse().ok().and_then(view).unwrap_or_else(|| unknown_resource(name));
    match parts.as_slice() {
        [kind, name, ..] if kind == "features" => {
            access.permit(caller, Action::ReadOnline, &of_view(name))?;
        }
        [kind, name, ..] if kind == "views" => {
            let resource = of_view(name);
            if access.protects(&resource) {
                access.permit(caller, Action::ReadOnline, &resource)?;
            }
        }
        _ => {}
    }
    for pair in uri.query().unwrap_or_default().split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if decoded(&name.replace('+', " ")) != "service" {
            continue;
        }
        let service = decoded(&value.replace('+', " "));
        let served = service.parse().ok().and_then(|id| services.exact(&id));
        let resources = served.map(|served| served.resources().to_vec());
        for resource in resources.unwrap_or_else(|| vec![unknown_resource(&service)]) {
            access.permit(caller, Action::ReadOnline, &resource)?;
        }
    }
    Ok(())
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// What is not there: who may read everything alone learns that.
fn unknown_resource(name: &str) -> Resource {
    const LONGEST_CHARS: usize = 80;
    Resource::new(ResourceKind::View, format!("`{}`", feature::excerpt(name, LONGEST_CHARS)))
}
