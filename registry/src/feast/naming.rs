//! Names of Feast's objects as names that are legal here: one for each, and the same wherever it is used.

use std::collections::{BTreeMap, BTreeSet};

use feature::Name;

use super::feast_sources::legal_name_or_same;

/// The names of one kind of object.
#[derive(Default)]
pub(crate) struct Naming {
    names: BTreeMap<String, Name>,
    taken: BTreeSet<String>,
}

impl Naming {
    /// The name of an object that Feast calls `given`.
    pub(crate) fn of(&mut self, given: &str, fallback: &str) -> Name {
        if let Some(name) = self.names.get(given) {
            return name.clone();
        }
        let name = legal_name_or_same(given, fallback, &mut self.taken);
        self.names.insert(given.to_owned(), name.clone());
        name
    }

    /// The same of one that was named before; `None` if none was.
    pub(crate) fn known(&self, given: &str) -> Option<&Name> {
        self.names.get(given)
    }

    /// Those that are called otherwise here.
    pub(crate) fn changed(&self) -> impl Iterator<Item = (&str, &Name)> {
        self.names
            .iter()
            .filter(|(given, name)| *given != name.as_str())
            .map(|(given, name)| (given.as_str(), name))
    }
}
