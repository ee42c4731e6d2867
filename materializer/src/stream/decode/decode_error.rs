//! Why a record cannot be decoded.

use crate::rows::reason::RefusalReason;

/// Why a record cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DecodeError {
    pub(crate) reason: RefusalReason,
    /// What is wrong, in words.
    pub(crate) detail: String,
}

impl DecodeError {
    pub(super) fn undecodable(detail: impl Into<String>) -> Self {
        Self { reason: RefusalReason::Undecodable, detail: detail.into() }
    }

    pub(super) fn unknown_schema(detail: String) -> Self {
        Self { reason: RefusalReason::UnknownSchema, detail }
    }
}
