//! Why a file is not read as objectives of OpenSLO.

use thiserror::Error;

/// What a file of OpenSLO lacks.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum NotOpenSlo {
    /// One of its documents does not say what it has to.
    #[error("document {document}: {why}")]
    Document {
        /// Which, from 1.
        document: usize,
        /// What is wrong with it.
        why: String,
    },
    /// No document is an objective.
    #[error("it has no objective: none of its documents is of the kind `SLO`")]
    NoObjective,
}
