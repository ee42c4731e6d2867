//! Where the rows of a view come from: a source by its name, or another view.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::name::{Name, VersionId};

/// Where the rows of a view come from.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ViewSource {
    /// A source.
    Named(Name),
    /// Of a derived view: the rows of another view, with its features as columns.
    View {
        /// That view.
        view: VersionId,
    },
}

impl ViewSource {
    /// The source; `None` for a derived view.
    pub fn name(&self) -> Option<&Name> {
        match self {
            ViewSource::Named(name) => Some(name),
            ViewSource::View { .. } => None,
        }
    }

    /// The view whose rows a derived view reads; `None` for a view of a source.
    pub fn input(&self) -> Option<&VersionId> {
        match self {
            ViewSource::Named(_) => None,
            ViewSource::View { view } => Some(view),
        }
    }
}

impl fmt::Display for ViewSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ViewSource::Named(name) => name.fmt(f),
            ViewSource::View { view } => view.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_stored_as_its_name_and_a_view_as_a_map() {
        let named = ViewSource::Named("landings".parse().unwrap());
        let derived = ViewSource::View { view: "arrivals@2".parse().unwrap() };
        for (source, text) in [(named, r#""landings""#), (derived, r#"{"view":"arrivals@2"}"#)] {
            assert_eq!(serde_json::to_string(&source).unwrap(), text);
            assert_eq!(serde_json::from_str::<ViewSource>(text).unwrap(), source);
        }
    }
}
