//! Why a call fails, and what its caller does next.

use std::error::Error as StdError;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error as ThisError;

/// What a caller does after an error.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Advice {
    /// The same call may succeed later.
    Retry,
    /// The same call fails again until its arguments, a definition or a setting is corrected.
    Correct,
    /// Calling again would not help, or would do the same thing twice: a person has to look.
    Stop,
}

/// The kind of a server's refusal, by the names of gRPC.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Code {
    /// The request does not fit the service or the source.
    InvalidArgument,
    /// There is no such service or source.
    NotFound,
    /// The version, the moment or the source cannot be served as it was requested.
    FailedPrecondition,
    /// The request is too large, or the server has too much to do.
    ResourceExhausted,
    /// The online store does not answer, or nothing was taken of a push.
    Unavailable,
    /// The answer was not there in time.
    DeadlineExceeded,
    /// The server does not know this method.
    Unimplemented,
    /// It is not known who the caller is.
    Unauthenticated,
    /// The caller may not do this.
    PermissionDenied,
    /// Something is wrong in the server.
    Internal,
    /// Any other code.
    Unknown,
}

impl Code {
    pub(crate) fn of(code: tonic::Code) -> Self {
        match code {
            tonic::Code::InvalidArgument | tonic::Code::OutOfRange => Code::InvalidArgument,
            tonic::Code::NotFound => Code::NotFound,
            tonic::Code::FailedPrecondition => Code::FailedPrecondition,
            tonic::Code::ResourceExhausted => Code::ResourceExhausted,
            tonic::Code::Unavailable => Code::Unavailable,
            tonic::Code::DeadlineExceeded => Code::DeadlineExceeded,
            tonic::Code::Unimplemented => Code::Unimplemented,
            tonic::Code::Unauthenticated => Code::Unauthenticated,
            tonic::Code::PermissionDenied => Code::PermissionDenied,
            tonic::Code::Internal | tonic::Code::DataLoss => Code::Internal,
            _ => Code::Unknown,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Code::InvalidArgument => "INVALID_ARGUMENT",
            Code::NotFound => "NOT_FOUND",
            Code::FailedPrecondition => "FAILED_PRECONDITION",
            Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Code::Unavailable => "UNAVAILABLE",
            Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Code::Unimplemented => "UNIMPLEMENTED",
            Code::Unauthenticated => "UNAUTHENTICATED",
            Code::PermissionDenied => "PERMISSION_DENIED",
            Code::Internal => "INTERNAL",
            Code::Unknown => "UNKNOWN",
        })
    }
}

/// What lies below an error.
pub(crate) type Source = Box<dyn StdError + Send + Sync>;

/// Why a call fails. The message says what, where and what to do; [`Error::advice`] says the last of these as a value.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// There is no server to call.
    #[error("no server is named: name at least one as host:port")]
    NoEndpoint,
    /// The address of a server cannot be used.
    #[error("`{endpoint}` is no address of a server: write host:port, or grpcs://host:port for TLS")]
    Endpoint {
        /// The address.
        endpoint: String,
    },
    /// More connections than one client opens.
    #[error(
        "{connections} connections are more than the {most} of one client: name fewer servers, or fewer connections to each"
    )]
    Connections {
        /// How many connections that were.
        connections: usize,
        /// How many there may be.
        most: usize,
    },
    /// Certificates or keys cannot be used.
    #[error("{path} cannot be used for TLS: {why}")]
    Tls {
        /// The file; empty for what the system has.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The token cannot be read or sent.
    #[error("the token cannot be used: {why}")]
    Token {
        /// What is wrong.
        why: String,
    },
    /// No connection was made, so nothing was sent.
    #[error(
        "{endpoint} cannot be reached: {why}; check the address, that a server listens there, and TLS on both sides"
    )]
    Unreachable {
        /// The server that was tried last.
        endpoint: String,
        /// Why.
        why: String,
        /// What was reported.
        #[source]
        source: Source,
    },
    /// The connection broke before the answer was there.
    #[error("the connection to {endpoint} broke before the answer was there: {why}; read again")]
    Disconnected {
        /// The server.
        endpoint: String,
        /// Why.
        why: String,
        /// What was reported.
        #[source]
        source: Source,
    },
    /// Nobody knows whether the rows of a push were taken.
    #[error(
        "the rows for the source `{source_name}` may have been taken by {endpoint} or not: {why}; a second push could count them twice"
    )]
    PushUnknown {
        /// The source.
        source_name: String,
        /// The server.
        endpoint: String,
        /// Why.
        why: String,
    },
    /// The deadline passed.
    #[error("no answer after {} ms and {attempts} attempts: try again, or allow more time", deadline.as_millis())]
    Late {
        /// How long the call was allowed to take.
        deadline: Duration,
        /// How often a request was sent.
        attempts: u32,
    },
    /// The server refused the request.
    #[error("{endpoint} refused the request ({code}): {message}")]
    Refused {
        /// The server.
        endpoint: String,
        /// The kind of refusal.
        code: Code,
        /// What the server says: what, where and what to do.
        message: String,
        /// When to try again, where the server says so.
        retry_after: Option<Duration>,
    },
    /// The server answered with something that is no answer.
    #[error(
        "the answer of {endpoint} cannot be read: {why}; check that client and server are of one version"
    )]
    UnreadableAnswer {
        /// The server.
        endpoint: String,
        /// What is wrong with it.
        why: String,
    },
    /// The answer has no feature of this name.
    #[error("there is no feature `{name}` in the answer: it has {}", listed(there_are))]
    NoSuchFeature {
        /// The name.
        name: String,
        /// The features that there are.
        there_are: Vec<String>,
    },
    /// The answer has no such row.
    #[error("there is no row {row} in `{feature}`: it has {rows}, counted from 0")]
    NoSuchRow {
        /// The feature.
        feature: String,
        /// The row.
        row: usize,
        /// How many there are.
        rows: usize,
    },
    /// The values of a feature are of another type.
    #[error("`{feature}` holds {holds}, not {wanted}: read it as what it is")]
    WrongType {
        /// The feature.
        feature: String,
        /// What it holds.
        holds: &'static str,
        /// What was wanted.
        wanted: &'static str,
    },
}

impl Error {
    /// What the caller does next.
    pub const fn advice(&self) -> Advice {
        match self {
            Error::NoEndpoint
            | Error::Endpoint { .. }
            | Error::Connections { .. }
            | Error::Tls { .. }
            | Error::Token { .. }
            | Error::NoSuchFeature { .. }
            | Error::NoSuchRow { .. }
            | Error::WrongType { .. } => Advice::Correct,
            Error::Unreachable { .. } | Error::Disconnected { .. } | Error::Late { .. } => Advice::Retry,
            Error::PushUnknown { .. } | Error::UnreadableAnswer { .. } => Advice::Stop,
            Error::Refused { code, retry_after, .. } => match code {
                Code::Unavailable | Code::DeadlineExceeded => Advice::Retry,
                Code::ResourceExhausted if retry_after.is_some() => Advice::Retry,
                Code::Internal | Code::Unknown => Advice::Stop,
                _ => Advice::Correct,
            },
        }
    }
}

/// Names in a sentence.
fn listed(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

/// What was reported at the bottom of an error: the layers above say no more than that something below them failed.
pub(crate) fn root(error: &(dyn StdError + 'static)) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}
