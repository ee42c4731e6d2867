//! Why a command failed, as one sentence that says what, where and what to do.

use std::fmt;

use crate::help;

/// The text of a failure.
#[derive(Debug)]
pub struct Failure(String);

impl Failure {
    /// A failure with this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<server::ServeError> for Failure {
    fn from(error: server::ServeError) -> Self {
        Self(error.sentence())
    }
}

impl From<read::ReadError> for Failure {
    fn from(error: read::ReadError) -> Self {
        server::ServeError::from(error).into()
    }
}

impl From<offline::OfflineError> for Failure {
    fn from(error: offline::OfflineError) -> Self {
        match error.help() {
            Some(topic) => Self(format!("{error}: {}", help::in_commands(&topic))),
            None => Self(error.to_string()),
        }
    }
}

macro_rules! say_as_it_is {
    ($($error:ty),* $(,)?) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self(error.to_string())
            }
        })*
    };
}

say_as_it_is!(
    registry::RegistryError,
    registry::Problems,
    online::OnlineError,
    materializer::MaterializerError,
    materializer::PushError,
    transform::ExpressionError,
    transform::TransformError,
    feature::TimeError,
    feature::NameError,
    feature::KeyError,
    arrow::error::ArrowError,
    std::io::Error,
    serde_json::Error,
);
