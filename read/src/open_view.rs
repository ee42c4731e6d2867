//! A view whose circuit breaker is open while it is read.

use feature::{Opening, VersionId};

/// A view whose breaker is open.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct OpenView {
    pub opening: Opening,
    /// Under which id the store has the rows of its last good moment.
    pub rows: VersionId,
}
