//! Where everything lies in the packed rows of one view: worked out once, from its definition.

use feature::{VersionId, View};

/// Where everything lies in the packed rows of one view version.
#[derive(Clone, Debug)]
pub struct Layout {
    view: VersionId,
}

impl Layout {
    /// The layout of a view's rows.
    pub fn new(view: &View) -> Self {
        Self { view: view.id.clone() }
    }

    /// The view version whose rows these are.
    pub fn view(&self) -> &VersionId {
        &self.view
    }
}
