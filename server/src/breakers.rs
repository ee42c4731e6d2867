//! The openings of circuit breakers that a server keeps to: whoever follows the registry replaces them, and a read takes
//! those of its moment.

use std::sync::{Arc, PoisonError, RwLock};

use feature::{Micros, Opening, Openings, Span};
use tokio::sync::watch;

/// Says of an answer which breakers were open: `view=answer` or `view:feature=answer` for each, separated by commas.
pub(crate) const BREAKERS: &str = "x-twinstore-breakers";

/// How long after a look reads are answered by what it found. An opening is recorded at least so long before it holds.
const KNOWN_FOR: Span = Span::SECOND;

/// What is known of breakers. Clones share it.
#[derive(Clone, Debug)]
pub struct Breakers {
    openings: Arc<RwLock<Arc<Openings>>>,
    /// When the last look began, by the clock of reads; `None` where nobody looks again and again.
    looked: Arc<watch::Sender<Option<Micros>>>,
}

impl Default for Breakers {
    fn default() -> Self {
        Self { openings: Arc::default(), looked: Arc::new(watch::Sender::new(None)) }
    }
}

impl Breakers {
    /// What is known now.
    pub fn get(&self) -> Arc<Openings> {
        self.openings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What a read at a moment keeps to. Where the last look is too long ago, as after the process was stopped for a while,
    /// the next one is waited for.
    pub async fn at(&self, moment: Micros) -> Arc<Openings> {
        let knows =
            |looked: &Option<Micros>| looked.is_none_or(|looked| moment.since(looked) < KNOWN_FOR.micros());
        if !knows(&self.looked.borrow()) {
            // Its sender lives as long as this.
            let _ = self.looked.subscribe().wait_for(knows).await;
        }
        self.get()
    }

    /// Keeps to these from now on.
    pub fn replace(&self, openings: Openings) {
        *self.openings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(openings);
    }

    /// Notes that a look ended that began at a moment, whether it found something new, or could not be made: then reads go on
    /// by what was known, as they do by the definitions.
    pub fn looked(&self, began: Micros) {
        self.looked.send_replace(Some(began));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> Micros {
        Micros::new(milliseconds * 1000).unwrap()
    }

    #[tokio::test]
    async fn a_read_long_after_the_last_look_waits_for_the_next() {
        let breakers = Breakers::default();
        // Where nobody looks, nobody is waited for.
        assert!(breakers.at(at(90_000)).await.is_empty());
        breakers.looked(at(0));
        assert!(breakers.at(at(999)).await.is_empty());
        let (reader, opening) = (
            breakers.clone(),
            Opening {
                number: 1,
                view: "clicks@1".parse().unwrap(),
                answers: feature::OpenAnswer::NoValue,
                from: at(2000),
                until: None,
                good_until: at(0),
                features: Vec::new(),
            },
        );
        let mut late = Box::pin(async move { reader.at(at(20_000)).await });
        assert!(futures::poll!(&mut late).is_pending());
        // A look that began too long before the read says nothing of it either.
        breakers.looked(at(18_999));
        assert!(futures::poll!(&mut late).is_pending());
        breakers.replace(Openings::new([opening.clone()]));
        breakers.looked(at(19_001));
        assert_eq!(late.await.of(&opening.view), [opening]);
    }
}
