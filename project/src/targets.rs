//! Which views a command is for: those that are named, or all whose source is of a kind.

use std::str::FromStr;
use std::sync::Arc;

use feature::{Name, NameError, Source, VersionId};
use materializer::Target;
use registry::Registered;

use crate::error::ProjectError;

/// A view as a user names it: the version may be left out where there is one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ViewName {
    /// `view@version`
    Exact(VersionId),
    /// `view`
    Only(Name),
}

impl FromStr for ViewName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.contains('@') { text.parse().map(Self::Exact) } else { text.parse().map(Self::Only) }
    }
}

impl From<VersionId> for ViewName {
    fn from(id: VersionId) -> Self {
        Self::Exact(id)
    }
}

/// The named views with their sources; where none is named, all whose source has history.
pub(crate) fn targets(registered: &Registered, named: &[ViewName]) -> Result<Vec<Target>, ProjectError> {
    targets_with(registered, named, |source| source.batch.is_some())
}

/// The named views with their sources; where none is named, all whose source is as it says.
pub(crate) fn targets_with(
    registered: &Registered,
    named: &[ViewName],
    is_meant: impl Fn(&Source) -> bool,
) -> Result<Vec<Target>, ProjectError> {
    let views = match named {
        [] => registered.views().cloned().collect(),
        named => named
            .iter()
            .map(|name| match name {
                ViewName::Exact(id) => registered.view(id),
                ViewName::Only(name) => registered.only_view(name),
            })
            .collect::<Result<Vec<_>, _>>()?,
    };
    let mut targets = Vec::new();
    for view in views {
        let source = Arc::new(registered.source(&view.source)?.clone());
        if !named.is_empty() || is_meant(&source) {
            targets.push(Target { view, source });
        }
    }
    Ok(targets)
}
