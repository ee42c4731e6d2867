//! The records of views in the state of the store that was read last, so that a read of many views does
//! not look for each of them. A state is known by its transaction's number, whoever wrote it.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use feature::VersionId;

use super::record::Record;

/// How many views are kept. At one more, all are forgotten and looked for again.
const MOST_KEPT: usize = 4_096;

/// What is known of one state.
#[derive(Debug, Default)]
pub(super) struct Records(RwLock<OfState>);

#[derive(Debug, Default)]
struct OfState {
    state: usize,
    views: HashMap<VersionId, Option<Record>>,
}

impl Records {
    /// A view's record in this state, and none where the view has none; nothing where it is not known.
    pub(super) fn get(&self, state: usize, view: &VersionId) -> Option<Option<Record>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if known.state == state { known.views.get(view).copied() } else { None }
    }

    /// Keeps what was found in a state; a newer one replaces an older.
    pub(super) fn note(&self, state: usize, view: &VersionId, record: Option<Record>) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.state < state || known.views.len() >= MOST_KEPT {
            known.state = known.state.max(state);
            known.views.clear();
        }
        if known.state == state {
            known.views.insert(view.clone(), record);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_one_state_is_not_said_of_another() {
        let records = Records::default();
        let view: VersionId = "v@1".parse().unwrap();
        let record = Record::new(7);
        records.note(2, &view, Some(record));
        assert_eq!(records.get(2, &view), Some(Some(record)));
        assert_eq!((records.get(1, &view), records.get(3, &view)), (None, None));
        records.note(1, &view, None);
        assert_eq!(records.get(2, &view), Some(Some(record)));
        records.note(3, &view, None);
        assert_eq!((records.get(2, &view), records.get(3, &view)), (None, Some(None)));
    }
}
