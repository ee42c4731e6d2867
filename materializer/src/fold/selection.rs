//! Which entities are folded.

use std::collections::HashSet;
use std::sync::Arc;

use feature::EntityKey;

/// Which entities are folded.
#[derive(Clone, Debug)]
pub(crate) enum Selection {
    /// Those whose keys lie in a range.
    Range(KeyRange),
    /// These.
    Keys(Arc<HashSet<EntityKey>>),
    /// Those that are there already.
    Present,
}

/// Keys from one on, up to before another, by their bytes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct KeyRange {
    /// `None` for the first of all.
    pub(crate) from: Option<Box<[u8]>>,
    /// `None` for no end.
    pub(crate) before: Option<Box<[u8]>>,
}

impl Selection {
    /// Whether an entity with this key is selected, as far as its key says.
    pub(super) fn includes(&self, key: &[u8]) -> bool {
        match self {
            Selection::Range(range) => range.includes(key),
            Selection::Keys(keys) => keys.contains(key),
            Selection::Present => true,
        }
    }
}

impl KeyRange {
    pub(crate) fn includes(&self, key: &[u8]) -> bool {
        self.from.as_deref().is_none_or(|from| key >= from)
            && self.before.as_deref().is_none_or(|before| key < before)
    }
}
