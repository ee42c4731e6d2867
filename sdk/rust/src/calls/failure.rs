//! What a failed request says: whether a server can have seen it, whether it says when to come back, and which error that is.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use tonic::{Code, ConnectError, Status};

use crate::error::{self, Error, root};

/// When to try again, in milliseconds, as a server that has too much to do says it (gRFC A6).
const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// What a request is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose<'a> {
    Read,
    /// Into this source.
    Push(&'a str),
}

/// Why a request failed, as far as that decides what is done next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cause {
    /// There was no connection, so no server saw it.
    NotSent,
    /// The connection broke: a server may have seen it.
    Broken,
    /// The server has too much to do, and says for how long.
    Busy(Duration),
    /// The server cannot answer now.
    Unavailable,
    /// The server refused the token, and there is another one by now.
    TokenReplaced,
    /// There was no answer in time.
    Late,
    /// The server refused it, and would again.
    Refused,
}

/// A request that failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub endpoint: Arc<str>,
    pub cause: Cause,
    pub status: Status,
}

impl Purpose<'_> {
    /// Whether sending it twice does what sending it once does.
    pub fn is_safe_twice(self) -> bool {
        matches!(self, Purpose::Read)
    }

    /// That there was no answer in time.
    pub fn late(self, deadline: Duration, attempts: u32) -> Error {
        match self {
            Purpose::Push(source_name) if attempts > 0 => Error::PushUnknown {
                source_name: source_name.to_owned(),
                endpoint: "the server".to_owned(),
                why: format!("there was no answer within {} ms", deadline.as_millis()),
            },
            _ => Error::Late { deadline, attempts },
        }
    }
}

impl Failure {
    /// The error of a request that is not repeated; `None` of one that had no answer in time.
    pub fn into_error(self, purpose: Purpose<'_>) -> Option<Error> {
        let Failure { endpoint, cause, status } = self;
        let endpoint = endpoint.to_string();
        Some(match (cause, purpose) {
            (Cause::Late, _) => return None,
            (Cause::NotSent, _) => {
                Error::Unreachable { endpoint, why: root(&status), source: Box::new(status) }
            }
            (Cause::Broken, Purpose::Push(source_name)) => {
                Error::PushUnknown { source_name: source_name.to_owned(), endpoint, why: root(&status) }
            }
            (Cause::Broken, Purpose::Read) => {
                Error::Disconnected { endpoint, why: root(&status), source: Box::new(status) }
            }
            (Cause::Busy(_) | Cause::Unavailable | Cause::TokenReplaced | Cause::Refused, _) => {
                Error::Refused {
                    endpoint,
                    code: error::Code::of(status.code()),
                    message: status.message().to_owned(),
                    retry_after: pushback(&status),
                }
            }
        })
    }
}

impl Cause {
    pub fn of(status: &Status) -> Self {
        // What a server says has no cause on this side.
        if let Some(source) = status.source() {
            return match () {
                () if is_below::<ConnectError>(source) => Cause::NotSent,
                () if is_below::<tonic::TimeoutExpired>(source) => Cause::Late,
                () => Cause::Broken,
            };
        }
        match (status.code(), pushback(status)) {
            (_, Some(wait)) => Cause::Busy(wait),
            (Code::Unavailable, None) => Cause::Unavailable,
            (Code::DeadlineExceeded, None) => Cause::Late,
            _ => Cause::Refused,
        }
    }
}

fn pushback(status: &Status) -> Option<Duration> {
    let millis = status.metadata().get(PUSHBACK)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_millis(millis))
}

fn is_below<E: StdError + 'static>(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<E>() {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use tonic::metadata::MetadataValue;

    use super::*;

    fn refused(code: Code, pushback_ms: Option<i32>) -> Status {
        let mut status = Status::new(code, "no");
        if let Some(millis) = pushback_ms {
            status.metadata_mut().insert(PUSHBACK, MetadataValue::from(millis));
        }
        status
    }

    #[test]
    fn what_a_server_says_decides() {
        let cause = |code, pushback_ms| Cause::of(&refused(code, pushback_ms));
        assert_eq!(cause(Code::ResourceExhausted, Some(250)), Cause::Busy(Duration::from_millis(250)));
        // Too large: it would be refused again.
        assert_eq!(cause(Code::ResourceExhausted, None), Cause::Refused);
        // The protocol has a server say so that there is no point in another try.
        assert_eq!(cause(Code::ResourceExhausted, Some(-1)), Cause::Refused);
        assert_eq!(cause(Code::Unavailable, None), Cause::Unavailable);
        assert_eq!(cause(Code::DeadlineExceeded, None), Cause::Late);
        for code in [Code::InvalidArgument, Code::NotFound, Code::FailedPrecondition, Code::Internal] {
            assert_eq!(cause(code, None), Cause::Refused, "{code:?}");
        }
    }

    #[test]
    fn a_push_that_a_server_may_have_taken_is_not_called_a_failed_one() {
        let broken = Failure {
            endpoint: "here:1".into(),
            cause: Cause::Broken,
            status: Status::unknown("connection reset"),
        };
        let error = broken.into_error(Purpose::Push("landings")).unwrap();
        assert!(matches!(error, Error::PushUnknown { .. }), "{error}");
        let late = Purpose::Push("landings").late(Duration::from_secs(1), 1);
        assert_eq!(late.advice(), error::Advice::Stop);
        assert_eq!(Purpose::Read.late(Duration::from_secs(1), 1).advice(), error::Advice::Retry);
    }
}
