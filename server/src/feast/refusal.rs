//! Refusals as Feast's client reads them: a JSON string that holds a JSON object with the class of the
//! exception to raise. What the caller has to correct is a 4xx, since the client sends a 5xx again.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use feature::{excerpt, shown, visible};
use read::RequestError;
use serde_json::{Value as Json, json};

use crate::access_fault::AccessFault;
use crate::code::Code;
use crate::error::ServeError;
use crate::http::{json as json_response, status as http_status, with_hint};
use crate::request_fault::RequestFault;

/// Why a request of a Feast client is not answered.
pub(crate) enum Refusal {
    /// The body is not what it should be: what is wrong, as FastAPI says it.
    Unprocessable(Json),
    /// What a Feast server says in its own words: status, class and message.
    Said(StatusCode, &'static str, String),
    /// Everything else.
    Refused(ServeError),
}

impl From<ServeError> for Refusal {
    fn from(error: ServeError) -> Self {
        Refusal::Refused(error)
    }
}

impl From<RequestFault> for Refusal {
    fn from(fault: RequestFault) -> Self {
        Refusal::Refused(fault.into())
    }
}

impl Refusal {
    /// What is wrong with a body that could not be read.
    pub fn of_body(body: &[u8], error: &serde_json::Error, required: &[&str]) -> Self {
        const LONGEST_CHARS: usize = 240;
        /// A longer body is not looked at again, and is not sent back.
        const MOST_BYTES: usize = 4 << 10;
        let said = error.to_string();
        let said = excerpt(&said, LONGEST_CHARS);
        if body.len() > MOST_BYTES {
            let problem = json!({"type": "value_error", "loc": ["body"], "msg": said, "input": {}});
            return Refusal::Unprocessable(json!({"detail": [problem]}));
        }
        let problems = match serde_json::from_slice::<Json>(body) {
            Err(_) => {
                vec![json!({"type": "json_invalid", "loc": ["body"], "msg": "JSON decode error",
                            "input": {}, "ctx": {"error": said}})]
            }
            Ok(Json::Object(fields)) if required.iter().any(|name| !fields.contains_key(*name)) => {
                let missing = required.iter().filter(|name| !fields.contains_key(**name));
                missing
                    .map(|name| {
                        json!({"type": "missing", "loc": ["body", name], "msg": "Field required",
                               "input": fields})
                    })
                    .collect()
            }
            Ok(_) => vec![json!({"type": "value_error", "loc": ["body"], "msg": said, "input": {}})],
        };
        Refusal::Unprocessable(json!({"detail": problems}))
    }

    /// What the caller does next.
    pub fn code(&self) -> Code {
        match self {
            Refusal::Unprocessable(_) => Code::InvalidArgument,
            Refusal::Said(..) => Code::NotFound,
            Refusal::Refused(error) => error.code(),
        }
    }

    /// The response.
    pub fn into_response(self) -> Response {
        match self {
            Refusal::Unprocessable(detail) => repeated(&detail),
            Refusal::Said(status, class, message) => raised(status, class, &message),
            Refusal::Refused(error) => of_error(&error),
        }
    }
}

/// The response that repeats what a request said: a terminal obeys nothing in it, and an escape is one of JSON too.
fn repeated(detail: &Json) -> Response {
    let text = visible(&detail.to_string()).into_owned();
    (StatusCode::UNPROCESSABLE_ENTITY, [(header::CONTENT_TYPE, "application/json")], text).into_response()
}

/// The response to what is not answered.
pub(super) fn of_error(error: &ServeError) -> Response {
    with_hint(error, raised(http_status(error.code()), class(error), &sentence(error)))
}

/// What Feast's client raises again.
fn raised(status: StatusCode, class: &str, message: &str) -> Response {
    let message = shown(message);
    let detail = json!({"module": "feast.errors", "class": class, "message": message});
    json_response(status, &Json::String(detail.to_string()))
}

/// The class of `feast.errors` that Feast's client raises.
fn class(error: &ServeError) -> &'static str {
    let fault = match error {
        ServeError::Request(fault) => fault,
        ServeError::Access(AccessFault::Denied { .. }) => return "FeastPermissionError",
        _ => return "FeastError",
    };
    match fault {
        RequestFault::UnknownView { view, .. } if view.contains('@') => "FeatureViewVersionNotFound",
        RequestFault::UnknownView { .. } => "FeatureViewNotFoundException",
        RequestFault::UnknownFeature { .. } => "FeastObjectNotFoundException",
        RequestFault::UnknownService { .. } | RequestFault::Retired { .. } => {
            "FeatureServiceNotFoundException"
        }
        RequestFault::Collision(_) => "FeatureNameCollisionError",
        _ => "FeastError",
    }
}

/// What, where and what to do; a read of views has no service that could be looked up.
pub(crate) fn sentence(error: &ServeError) -> String {
    match error {
        ServeError::Request(
            RequestFault::Read(RequestError::Misfit { problems, .. })
            | RequestFault::MisfitRows { problems, .. },
        ) => problems.join("; "),
        error => error.sentence(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_repeated_of_a_body_moves_no_cursor_and_is_the_same_json() {
        let body = "{\"features\": [\"a\u{202e}b\u{9b}c\"]}";
        let error = serde_json::from_str::<bool>(body).unwrap_err();
        let refusal = Refusal::of_body(body.as_bytes(), &error, &["entities"]);
        let answered = axum::body::to_bytes(refusal.into_response().into_body(), 4_096).await.unwrap();
        let text = std::str::from_utf8(&answered).unwrap();
        assert!(text.contains("a\\u202eb\\u009bc") && !text.contains(['\u{202e}', '\u{9b}']), "{text}");
        let json: Json = serde_json::from_str(text).unwrap();
        assert_eq!(json["detail"][0]["input"]["features"][0], "a\u{202e}b\u{9b}c");
    }
}
