//! A failure of the source of a stream, by what its reader does next.

use thiserror::Error;

/// The source of a stream failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FeedError {
    /// It cannot be reached, or reports an error of its own.
    #[error("{0}")]
    Unreachable(String),
    /// It dropped rows that were not read yet.
    #[error("it has no row at the next offset of a partition any more")]
    OutOfRange,
    /// It will not work with these settings, or its data is damaged.
    #[error("{0}")]
    Refused(String),
}
