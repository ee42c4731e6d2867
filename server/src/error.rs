//! Why features are not served, grouped by what the caller does next.

use std::io;
use std::net::SocketAddr;

use feature::{Micros, VersionId};
use online::OnlineError;
use thiserror::Error;

use crate::excerpt::excerpt;
use crate::nearest::nearest;

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
    /// There is no such view.
    #[error("there is no view `{view}`{}", nearest.as_ref().map(|name| format!(", but there is `{name}`")).unwrap_or_default())]
    UnknownView {
        /// What was asked for.
        view: String,
        /// What may have been meant.
        nearest: Option<String>,
    },
    /// The view has no such feature.
    #[error("{view} has no feature `{feature}`{}", nearest.as_ref().map(|name| format!(", but it has `{name}`")).unwrap_or_default())]
    UnknownFeature {
        /// The view that was found.
        view: VersionId,
        /// What was asked for.
        feature: String,
        /// What may have been meant.
        nearest: Option<String>,
    },
    /// A text that is no feature of a view.
    #[error("`{0}` names no feature of a view")]
    NotAReference(String),
    /// Two columns of an answer would have one name.
    #[error("two columns of the answer would be called `{0}`")]
    Collision(String),
    /// Views cannot be read in one request.
    #[error("these views cannot be read in one request: {0}")]
    Apart(String),
    /// What other servers of its kind do here, this one does not.
    #[error("{0} is not done by this server")]
    NotHere(&'static str),
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
    #[error("the server is answering {limit} requests already and {waiting} wait, as many as it takes on")]
    Busy {
        /// How many it answers at once.
        limit: usize,
        /// How many may wait beside them.
        waiting: usize,
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
    /// Ask somebody else: this is not done here.
    Unimplemented,
    /// Tell the operator.
    Internal,
}

impl Code {
    /// Each once, in the order of their declaration.
    pub(crate) const ALL: [Code; 9] = [
        Code::InvalidArgument,
        Code::NotFound,
        Code::FailedPrecondition,
        Code::ResourceExhausted,
        Code::Overloaded,
        Code::Unavailable,
        Code::DeadlineExceeded,
        Code::Unimplemented,
        Code::Internal,
    ];

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
            Code::Unimplemented => "UNIMPLEMENTED",
            Code::Internal => "INTERNAL",
        }
    }
}

impl ServeError {
    /// What the caller does next.
    pub const fn code(&self) -> Code {
        match self {
            ServeError::Misfit { .. }
            | ServeError::Malformed(_)
            | ServeError::NotAReference(_)
            | ServeError::Collision(_)
            | ServeError::Apart(_) => Code::InvalidArgument,
            ServeError::UnknownService { .. }
            | ServeError::UnknownView { .. }
            | ServeError::UnknownFeature { .. }
            | ServeError::UnknownRoute(_) => Code::NotFound,
            ServeError::NotHere(_) => Code::Unimplemented,
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
            ServeError::UnknownView { .. } => "`twinstore registry list` names all views".to_owned(),
            ServeError::UnknownFeature { view, .. } => {
                format!("`twinstore registry show {view}` lists its features")
            }
            ServeError::NotAReference(_) => "write it as `view:feature` or `view@2:feature`".to_owned(),
            ServeError::Collision(_) => "ask with `full_feature_names`".to_owned(),
            ServeError::Apart(_) => "ask for them in several requests, or define a service".to_owned(),
            ServeError::NotHere(_) => {
                "load rows with `twinstore backfill`, `materialize` or `stream`".to_owned()
            }
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

    /// That there is no such view; a text that is no slip of a name is shortened, and nothing is near.
    pub(crate) fn unknown_view<'a>(view: &str, names: impl IntoIterator<Item = &'a str>) -> Self {
        const LONGEST_CHARS: usize = 80;
        let name = view.split('@').next().unwrap_or(view);
        let is_long = name.chars().count() > LONGEST_CHARS;
        let nearest = if is_long { None } else { nearest(name, names).map(str::to_owned) };
        ServeError::UnknownView { view: excerpt(view, LONGEST_CHARS).into_owned(), nearest }
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
