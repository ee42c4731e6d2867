//! One pass over everything that is stored of a project: what it is over, what it does, and what it found.

use feature::Micros;
use registry::Registered;

use super::affected::Affected;
use super::report::SearchedPart;
use super::subject::Subject;
use crate::project::Project;

/// What a pass does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pass {
    /// Says what is there.
    Search,
    /// Removes it.
    Remove,
    /// Searches once more, for whatever was left.
    Prove,
}

/// The search of everything that is stored.
pub(super) struct Search<'a> {
    pub(super) project: &'a Project,
    pub(super) registered: &'a Registered,
    pub(super) subject: &'a Subject,
    pub(super) affected: &'a Affected,
}

/// What one pass over everything found.
#[derive(Default)]
pub(super) struct Found {
    pub(super) parts: Vec<SearchedPart>,
    /// When the newest of the entity's rows happened.
    pub(super) newest: Option<Micros>,
}
