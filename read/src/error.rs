//! Why features cannot be read.

use feature::{Micros, VersionId};
use online::OnlineError;
use thiserror::Error;

/// Why features cannot be read. The message says what and where.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Correct the request: everything in it that does not fit the service.
    #[error("the request does not fit {service}: {}", problems.join("; "))]
    Misfit {
        /// The requested service.
        service: VersionId,
        /// One sentence for each problem.
        problems: Vec<String>,
    },
    /// Correct the request: the batch is too large.
    #[error("the request has {given} entities, more than the {limit} that one request may have")]
    TooManyEntities {
        /// How many there are.
        given: usize,
        /// How many there may be.
        limit: usize,
    },
    /// Ask for a later moment: the online store has moved on.
    #[error("{at} is too early for the online store: it has what was available of {view} up to {applied}")]
    TooEarly {
        /// The requested moment.
        at: Micros,
        /// The view that is ahead of it.
        view: VersionId,
        /// The greatest `visible_at` that its rows were folded up to.
        applied: Micros,
    },
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
    /// Stop: the columns of an answer cannot be put together.
    #[error("the columns of the answer cannot be put together: {0}")]
    Assemble(#[from] arrow::error::ArrowError),
}
