//! A part that cannot be opened or read is a finding: what it says, and the operation that helps.

use monitor::{Area, Finding};

use crate::error::ProjectError;

/// What failed, with what it says.
pub(super) fn failed(area: Area, error: &ProjectError) -> Finding {
    Finding::wrong(area, error.to_string()).helped_by(error.help())
}
