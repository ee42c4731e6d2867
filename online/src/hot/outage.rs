//! How long rows are answered that the store cannot vouch for: since when it has been out of reach, or
//! has reported nothing, and how long each view allows that.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError, RwLock};

use feature::{Micros, Span, VersionId, View};

/// For how long rows of a view are answered while the store is out of reach: as long as its freshness objective allows
/// them to be behind, and never beyond its ttl. `None` if it has neither.
pub(super) fn allowed_outage(view: &View) -> Option<Span> {
    let objective = view.freshness.and_then(|freshness| freshness.objective);
    objective.into_iter().chain(view.ttl).min()
}

/// The outage, if there is one, and what is allowed in it.
pub(super) struct Outage {
    longest: Span,
    /// Of views that allow less than the longest.
    allowed: RwLock<HashMap<VersionId, Span>>,
    since: Mutex<Option<Micros>>,
}

impl Outage {
    pub(super) fn new(longest: Span) -> Self {
        Self { longest, allowed: RwLock::default(), since: Mutex::new(None) }
    }

    /// What views allow from now on; the others allow the longest.
    pub(super) fn allow(&self, allowed: HashMap<VersionId, Span>) {
        *self.allowed.write().unwrap_or_else(PoisonError::into_inner) = allowed;
    }

    /// Begins one, where none has begun before.
    pub(super) fn begin(&self, now: Micros) {
        self.since.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(now);
    }

    /// Ends it: what is held is what the store holds.
    pub(super) fn end(&self) {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Since when there has been one.
    pub(super) fn since(&self) -> Option<Micros> {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether rows of all these views may still be answered.
    pub(super) fn is_allowed<'v>(&self, mut views: impl Iterator<Item = &'v VersionId>, now: Micros) -> bool {
        let Some(since) = self.since() else { return true };
        let lasts = now.since(since);
        let allowed = self.allowed.read().unwrap_or_else(PoisonError::into_inner);
        lasts <= self.longest.micros()
            && views.all(|view| allowed.get(view).is_none_or(|span| lasts <= span.micros()))
    }
}

#[cfg(test)]
mod tests {
    use feature::Freshness;
    use feature::oracle::History;

    use super::*;

    fn at(seconds: i64) -> Micros {
        Micros::new(seconds * Span::SECOND.micros()).unwrap()
    }

    #[test]
    fn a_view_allows_its_objective_and_never_more_than_its_ttl() {
        let allowed = |objective: Option<Span>, ttl: Option<Span>| {
            let freshness = Some(Freshness { objective, target: 99.0 });
            allowed_outage(&View { freshness, ttl, ..History::generate(0, 0).view })
        };
        assert_eq!(allowed(Some(Span::MINUTE), Some(Span::HOUR)), Some(Span::MINUTE));
        assert_eq!(allowed(Some(Span::HOUR), Some(Span::MINUTE)), Some(Span::MINUTE));
        assert_eq!(allowed(None, Some(Span::HOUR)), Some(Span::HOUR));
        assert_eq!(allowed(None, None), None);
    }

    #[test]
    fn a_view_allows_what_it_says_and_never_more_than_the_longest() {
        let [short, long, silent]: [VersionId; 3] = ["a@1", "b@1", "c@1"].map(|id| id.parse().unwrap());
        let outage = Outage::new(Span::MINUTE);
        outage.allow(HashMap::from([(short.clone(), Span::SECOND), (long.clone(), Span::HOUR)]));
        let allows = |views: &[&VersionId], seconds| outage.is_allowed(views.iter().copied(), at(seconds));
        assert!(allows(&[&short, &long, &silent], 1_000), "there is none");
        outage.begin(at(100));
        outage.begin(at(150));
        assert!(allows(&[&short, &long, &silent], 101));
        assert!(!allows(&[&long, &short], 102) && allows(&[&long, &silent], 160));
        assert!(!allows(&[&long], 161) && !allows(&[&silent], 161) && !allows(&[], 161));
        outage.end();
        assert!(allows(&[&short], 1_000) && outage.since().is_none());
    }
}
