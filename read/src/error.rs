//! Why features cannot be read: what is wrong with the request, and what failed while it was answered.

use feature::{Micros, VersionId};
use online::OnlineError;
use thiserror::Error;

/// Why features cannot be read. The message says what and where. A request is at fault or it is not: there is no third.
#[derive(Debug, Error)]
pub enum ReadError {
    /// Correct the request.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The request can be answered, and was not.
    #[error(transparent)]
    Failed(#[from] ReadFailure),
}

/// What is wrong with a request for features.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Everything in it that does not fit the service.
    #[error("the request does not fit {service}: {}", problems.join("; "))]
    Misfit {
        /// The requested service.
        service: VersionId,
        /// One sentence for each problem.
        problems: Vec<String>,
    },
    /// The batch is too large.
    #[error("the request has {given} entities, more than the {limit} that one request may have")]
    TooManyEntities {
        /// How many there are.
        given: usize,
        /// How many there may be.
        limit: usize,
    },
    /// It names more than a request may.
    #[error("the request names {given} {what}, more than the {limit} that one request may name")]
    TooManyNames {
        /// How many there are.
        given: usize,
        /// How many there may be.
        limit: usize,
        /// Of what.
        what: &'static str,
    },
    /// The view's circuit breaker was open at that moment, and what was answered then is not kept online.
    #[error(
        "at {at} the circuit breaker of {view} was open, and what it answered is kept online no longer: read it from the offline store"
    )]
    BreakerClosed {
        /// The requested moment.
        at: Micros,
        /// The view.
        view: VersionId,
    },
    /// The online store has moved on: ask for a later moment.
    #[error("{at} is too early for the online store: it has what was available of {view} up to {applied}")]
    TooEarly {
        /// The requested moment.
        at: Micros,
        /// The view that is ahead of it.
        view: VersionId,
        /// The greatest `visible_at` that its rows were folded up to.
        applied: Micros,
    },
}

/// What failed while a request was answered.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadFailure {
    /// The online store cannot give what was requested; its error says whether to retry.
    #[error(transparent)]
    Store(#[from] OnlineError),
    /// Stop: an on-demand view cannot be compiled or evaluated.
    #[error("{view} cannot be evaluated: {reason}")]
    Evaluate {
        /// The on-demand view.
        view: VersionId,
        /// Why.
        reason: String,
    },
    /// Nobody waits for the answer any more.
    #[error("the read was given up, as nobody waits for it any more")]
    GivenUp,
    /// Stop: the columns of an answer cannot be put together.
    #[error("the columns of the answer cannot be put together: {0}")]
    Assemble(#[from] arrow::error::ArrowError),
}

impl From<OnlineError> for ReadError {
    fn from(error: OnlineError) -> Self {
        ReadFailure::from(error).into()
    }
}

impl From<arrow::error::ArrowError> for ReadError {
    fn from(error: arrow::error::ArrowError) -> Self {
        ReadFailure::from(error).into()
    }
}
