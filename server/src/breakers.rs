//! The openings of circuit breakers that a server keeps to: whoever follows the registry replaces them, and a read takes
//! those of its moment.

use std::sync::{Arc, PoisonError, RwLock};

use feature::{Opening, Openings};

/// Says of an answer which breakers were open: `view=answer` or `view:feature=answer` for each, separated by commas.
pub(crate) const BREAKERS: &str = "x-twinstore-breakers";

/// What is known of breakers. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Breakers(Arc<RwLock<Arc<Openings>>>);

impl Breakers {
    /// What is known now.
    pub fn get(&self) -> Arc<Openings> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps to these from now on.
    pub fn replace(&self, openings: Openings) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(openings);
    }
}

/// What the head of an answer says of the breakers that were open, and of the features that they hold where these are not all;
/// `None` if none was.
pub(crate) fn said<'a>(openings: impl Iterator<Item = &'a Opening>) -> Option<String> {
    let said = |opening: &Opening| match opening.features.as_slice() {
        [] => vec![format!("{}={}", opening.view, opening.answers)],
        features => {
            let of_feature = |feature| format!("{}:{feature}={}", opening.view, opening.answers);
            features.iter().map(of_feature).collect()
        }
    };
    let said: Vec<String> = openings.flat_map(said).collect();
    (!said.is_empty()).then(|| said.join(","))
}
