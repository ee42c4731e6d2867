//! What gRPC says of a call beside its messages: how long the caller waits, what the head of the answer says, and why
//! it is refused.

use std::time::Duration;

use feature::shown;
use tonic::codegen::http::HeaderMap;
use tonic::metadata::MetadataValue;
use tonic::{Response, Status};

use crate::call::Call;
use crate::code::Code;
use crate::error::ServeError;

/// When a caller that was refused as the server is busy may try again, as clients of gRPC read it, in milliseconds.
const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// How long the caller waits, where it says so: a little less than that, so that the refusal arrives
/// before it has left.
pub(crate) fn waits(headers: &HeaderMap) -> Option<Duration> {
    const LONGEST_MARGIN: Duration = Duration::from_millis(20);
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (unit_at, unit) = text.char_indices().next_back()?;
    // The protocol allows eight digits.
    let number = text.get(..unit_at).filter(|digits| (1..=8).contains(&digits.len()))?;
    let number: u64 = number.parse().ok()?;
    let waits = match unit {
        'H' => Duration::from_secs(number * 3_600),
        'M' => Duration::from_secs(number * 60),
        'S' => Duration::from_secs(number),
        'm' => Duration::from_millis(number),
        'u' => Duration::from_micros(number),
        'n' => Duration::from_nanos(number),
        _ => return None,
    };
    Some(waits - (waits / 10).min(LONGEST_MARGIN))
}

/// An answer with what the head of its call says.
pub(crate) fn with_metadata<T>(call: &Call, answer: T) -> Response<T> {
    with_headers(call.headers(), answer)
}

pub(super) fn with_headers<T>(headers: Vec<(&'static str, String)>, answer: T) -> Response<T> {
    let mut response = Response::new(answer);
    for (name, value) in headers {
        // They hold visible ASCII characters alone.
        if let Ok(value) = value.parse() {
            response.metadata_mut().insert(name, value);
        }
    }
    response
}

pub(crate) fn to_status(error: &ServeError) -> Status {
    let code = match error.code() {
        Code::InvalidArgument => tonic::Code::InvalidArgument,
        Code::NotFound => tonic::Code::NotFound,
        Code::FailedPrecondition => tonic::Code::FailedPrecondition,
        Code::ResourceExhausted | Code::Overloaded => tonic::Code::ResourceExhausted,
        Code::Unavailable => tonic::Code::Unavailable,
        Code::DeadlineExceeded => tonic::Code::DeadlineExceeded,
        Code::Unimplemented => tonic::Code::Unimplemented,
        Code::Internal => tonic::Code::Internal,
        Code::Unauthenticated => tonic::Code::Unauthenticated,
        Code::PermissionDenied => tonic::Code::PermissionDenied,
    };
    let mut status = Status::new(code, shown(&error.sentence()));
    if let Some(wait) = error.retry_after() {
        let millis = i32::try_from(wait.as_millis().max(1)).unwrap_or(i32::MAX);
        status.metadata_mut().insert(PUSHBACK, MetadataValue::from(millis));
    }
    status
}
