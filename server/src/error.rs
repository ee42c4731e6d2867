//! Why features are not served, grouped by what the caller does next.

use std::io;
use std::net::SocketAddr;

use feature::{Micros, VersionId};
use online::OnlineError;
use thiserror::Error;

/// Why features are not served. The message says what and where, [`ServeError::help`] what to do.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The request does not fit the service; here is everything that is wrong with it.
    #[error("the request does not fit {service}: {}", problems.join("; "))]
    Misfit {
        /// The service that was asked for.
        service: VersionId,
        /// One sentence for each problem.
        problems: Vec<String>,
    },
    /// The request cannot be read.
    #[error("the request cannot be read: {0}")]
    Malformed(String),
    /// There is no such service.
    #[error("there is no service `{service}`{}", nearest.as_ref().map(|name| format!(", but there is `{name}`")).unwrap_or_default())]
    UnknownService {
        /// What was asked for.
        service: String,
        /// What may have been meant.
        nearest: Option<String>,
    },
    /// The server answers nothing at this address.
    #[error("there is nothing at {0}")]
    UnknownRoute(String),
    /// The online store has moved on.
    #[error("{at} is too early for the online store: it has rows of {view} up to {applied}")]
    TooEarly {
        /// The moment that was asked for.
        at: Micros,
        /// The view that is ahead of it.
        view: VersionId,
        /// The greatest `visible_at` that its rows were folded up to.
        applied: Micros,
    },
    /// The batch is too large.
    #[error("the request has {given} entities, more than the {limit} that one request may have")]
    TooManyEntities {
        /// How many there are.
        given: usize,
        /// How many there may be.
        limit: usize,
    },
    /// The request is too large.
    #[error("the request has more than the {limit} bytes that one request may have")]
    TooManyBytes {
        /// How many bytes there may be.
        limit: usize,
    },
    /// The server is answering as many requests as it takes on.
    #[error("the server is answering {limit} requests already, as many as it takes on")]
    Busy {
        /// How many it takes on.
        limit: usize,
    },
    /// The answer took too long.
    #[error("the answer was not there within {millis} ms")]
    Late {
        /// How long it was waited for.
        millis: u128,
    },
    /// The online store cannot give what was asked for.
    #[error(transparent)]
    Store(#[from] OnlineError),
    /// An on-demand view cannot be compiled or evaluated.
    #[error("{view} cannot be evaluated: {reason}")]
    Evaluate {
        /// The on-demand view.
        view: VersionId,
        /// Why.
        reason: String,
    },
    /// The columns of an answer cannot be put together.
    #[error("the columns of the answer cannot be put together: {0}")]
    Assemble(#[from] arrow::error::ArrowError),
    /// Something has failed that cannot fail; the server goes on.
    #[error("the request could not be answered: {0}")]
    Broken(String),
    /// An address cannot be listened on.
    #[error("{address} cannot be listened on: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A face of the server has ended of itself.
    #[error("the server has stopped: {0}")]
    Stopped(String),
}

/// What a caller does next, in words that gRPC and HTTP share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Code {
    /// Correct the request.
    InvalidArgument,
    /// Ask for something that exists.
    NotFound,
    /// Ask for another moment, or the offline store.
    FailedPrecondition,
    /// Ask for less at once.
    ResourceExhausted,
    /// Ask again later: the server is busy.
    Overloaded,
    /// Ask again later: the store is not there.
    Unavailable,
    /// Ask again later: the time was up.
    DeadlineExceeded,
    /// Tell the operator.
    Internal,
}

impl Code {
    /// The name that HTTP shows.
    pub const fn name(self) -> &'static str {
        match self {
            Code::InvalidArgument => "INVALID_ARGUMENT",
            Code::NotFound => "NOT_FOUND",
            Code::FailedPrecondition => "FAILED_PRECONDITION",
            Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Code::Overloaded => "OVERLOADED",
            Code::Unavailable => "UNAVAILABLE",
            Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Code::Internal => "INTERNAL",
        }
    }
}

impl ServeError {
    /// What the caller does next.
    pub const fn code(&self) -> Code {
        match self {
            ServeError::Misfit { .. } | ServeError::Malformed(_) => Code::InvalidArgument,
            ServeError::UnknownService { .. } | ServeError::UnknownRoute(_) => Code::NotFound,
            ServeError::TooEarly { .. } => Code::FailedPrecondition,
            ServeError::TooManyEntities { .. } | ServeError::TooManyBytes { .. } => Code::ResourceExhausted,
            ServeError::Busy { .. } => Code::Overloaded,
            ServeError::Late { .. } => Code::DeadlineExceeded,
            ServeError::Store(
                OnlineError::Damaged { .. } | OnlineError::Newer { .. } | OnlineError::TooLarge { .. },
            ) => Code::Internal,
            ServeError::Store(_) => Code::Unavailable,
            ServeError::Evaluate { .. }
            | ServeError::Assemble(_)
            | ServeError::Broken(_)
            | ServeError::Bind { .. }
            | ServeError::Stopped(_) => Code::Internal,
        }
    }

    /// What to do, in half a sentence.
    pub fn help(&self) -> String {
        match self {
            ServeError::Misfit { service, .. } => {
                format!("`twinstore registry show {service}` lists what the service takes and gives")
            }
            ServeError::Malformed(_) => {
                r#"write it as {"service": "name", "entities": {"key": ["a", "b"]}}"#.to_owned()
            }
            ServeError::UnknownService { .. } => "`twinstore registry list` names all services".to_owned(),
            ServeError::UnknownRoute(_) => "use POST /v1/features or GET /health".to_owned(),
            ServeError::TooEarly { .. } => {
                "ask for a later moment, or ask the offline store with `twinstore training-set`".to_owned()
            }
            ServeError::TooManyEntities { .. } => "split the entities over several requests".to_owned(),
            ServeError::TooManyBytes { .. } => "split it into several requests".to_owned(),
            ServeError::Busy { .. } => {
                "ask again a little later, or run one more `twinstore serve`".to_owned()
            }
            ServeError::Late { .. } => "ask again, for fewer entities at once".to_owned(),
            ServeError::Store(_) => "`twinstore doctor` looks into it".to_owned(),
            ServeError::Evaluate { .. } => "`twinstore plan` checks its expressions".to_owned(),
            ServeError::Assemble(_) | ServeError::Broken(_) => {
                "report it with the request that shows it".to_owned()
            }
            ServeError::Bind { .. } => {
                "name a free address with `serve.grpc` and `serve.http` in twinstore.toml".to_owned()
            }
            ServeError::Stopped(_) => "start it again".to_owned(),
        }
    }

    /// Message and help in one sentence: what, where, what to do.
    pub fn sentence(&self) -> String {
        match self {
            // A store says for itself what to do.
            ServeError::Store(error) => error.to_string(),
            error => format!("{error}: {}", error.help()),
        }
    }
}
