//! What something is done with, and the tags that guard it.

use std::collections::BTreeSet;
use std::fmt;

/// The tags of a resource, those of all that it is made from included: pairs of a label and its text.
pub type Tags = BTreeSet<(String, String)>;

/// What kind of thing an action is done with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ResourceKind {
    /// The project as a whole.
    Project,
    /// A version of a service.
    Service,
    /// A version of a view.
    View,
    /// A source.
    Source,
}

impl ResourceKind {
    /// The name that messages use.
    pub const fn name(self) -> &'static str {
        match self {
            ResourceKind::Project => "project",
            ResourceKind::Service => "service",
            ResourceKind::View => "view",
            ResourceKind::Source => "source",
        }
    }
}

/// What an action is done with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resource {
    /// What kind of thing it is.
    pub kind: ResourceKind,
    /// `name@version`, of a source `name`; empty for the project.
    pub name: String,
    /// What guards it.
    pub tags: Tags,
}

impl Resource {
    /// The project as a whole.
    pub fn project() -> Self {
        Self::new(ResourceKind::Project, "")
    }

    /// A resource without tags.
    pub fn new(kind: ResourceKind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into(), tags: Tags::new() }
    }

    /// The same, guarded by these tags.
    #[must_use]
    pub fn tagged(self, tags: Tags) -> Self {
        Self { tags, ..self }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ResourceKind::Project => f.write_str("the project"),
            kind => write!(f, "{} {}", kind.name(), self.name),
        }
    }
}
