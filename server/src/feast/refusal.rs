//! Refusals as Feast's client reads them: a JSON string that holds a JSON object with the class of the
//! exception to raise. What the caller has to correct is a 4xx, since the client sends a 5xx again.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value as Json, json};

use crate::error::{Code, ServeError};
use crate::excerpt::excerpt;
use crate::http;

/// Why a request of a Feast client is not answered.
pub(crate) enum Refusal {
    /// The body is not what it should be: what is wrong, as FastAPI says it.
    Unprocessable(Json),
    /// Everything else.
    Refused(ServeError),
}

impl From<ServeError> for Refusal {
    fn from(error: ServeError) -> Self {
        Refusal::Refused(error)
    }
}

impl Refusal {
    /// What is wrong with a body that could not be read.
    pub fn of_body(body: &[u8], error: &serde_json::Error) -> Self {
        const LONGEST_CHARS: usize = 240;
        let said = error.to_string();
        let said = excerpt(&said, LONGEST_CHARS);
        let problem = match serde_json::from_slice::<Json>(body) {
            Err(_) => {
                json!({"type": "json_invalid", "loc": ["body"], "msg": "JSON decode error",
                       "input": {}, "ctx": {"error": said}})
            }
            Ok(Json::Object(fields)) if !fields.contains_key("entities") => {
                json!({"type": "missing", "loc": ["body", "entities"], "msg": "Field required",
                       "input": fields})
            }
            Ok(_) => json!({"type": "value_error", "loc": ["body"], "msg": said, "input": {}}),
        };
        Refusal::Unprocessable(json!({"detail": [problem]}))
    }

    /// What the caller does next.
    pub fn code(&self) -> Code {
        match self {
            Refusal::Unprocessable(_) => Code::InvalidArgument,
            Refusal::Refused(error) => error.code(),
        }
    }

    /// The response.
    pub fn into_response(self) -> Response {
        match self {
            Refusal::Unprocessable(detail) => http::json(StatusCode::UNPROCESSABLE_ENTITY, &detail),
            Refusal::Refused(error) => {
                let detail = json!({
                    "module": "feast.errors",
                    "class": class(&error),
                    "message": sentence(&error),
                });
                http::json(http::status(error.code()), &Json::String(detail.to_string()))
            }
        }
    }
}

/// The class of `feast.errors` that Feast's client raises.
fn class(error: &ServeError) -> &'static str {
    match error {
        ServeError::UnknownView { view, .. } if view.contains('@') => "FeatureViewVersionNotFound",
        ServeError::UnknownView { .. } => "FeatureViewNotFoundException",
        ServeError::UnknownFeature { .. } => "FeastObjectNotFoundException",
        ServeError::UnknownService { .. } => "FeatureServiceNotFoundException",
        ServeError::Collision(_) => "FeatureNameCollisionError",
        _ => "FeastError",
    }
}

/// What, where and what to do; a read of views has no service that could be looked up.
pub(crate) fn sentence(error: &ServeError) -> String {
    match error {
        ServeError::Misfit { problems, .. } => problems.join("; "),
        error => error.sentence(),
    }
}
