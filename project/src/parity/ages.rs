//! How old the rows are that both versions read: features that read the same lookups share the figures.

use feature::{Origin, Status};
use monitor::{Comparison, Figures, Measure, Observed, Pair};

use super::sides::{FeaturePair, FeatureSide};

/// The event times of each lookup's latest row, for one batch.
pub(super) struct Times<'a> {
    /// In microseconds; `None` where no row is visible.
    pub(super) event: Vec<Box<dyn Fn(usize) -> Option<i64> + 'a>>,
    pub(super) moments: &'a [i64],
}

impl Times<'_> {
    /// The oldest event time of what a feature reads; `None` where one of its lookups has no row.
    pub(super) fn oldest(&self, lookups: &[usize], row: usize) -> Option<i64> {
        let times = lookups.iter().map(|lookup| self.event.get(*lookup).and_then(|time| time(row)));
        times.reduce(|one, other| Some(one?.min(other?)))?
    }

    /// Why a feature has neither a value nor its default. Where the times of a row are unknown, as those of a static source
    /// are, it is `NULL_VALUE`, and so it is of an on-demand feature, whatever its inputs are.
    pub(super) fn status_of_null(&self, side: &FeatureSide, has_times: bool, row: usize) -> Status {
        if matches!(side.origin, Origin::Computed { .. }) {
            return Status::NullValue;
        }
        match (self.oldest(&side.lookups, row), self.moments.get(row)) {
            (None, _) if has_times => Status::NotFound,
            (Some(event), Some(at)) if side.ttl.is_some_and(|ttl| at - event > ttl.micros()) => {
                Status::OutsideMaxAge
            }
            _ => Status::NullValue,
        }
    }
}

/// The ages of what some features read.
#[derive(Debug)]
pub(super) struct AgePair {
    old: Vec<usize>,
    new: Vec<usize>,
    comparison: Comparison,
}

/// For each feature which ages are its own, and the ages.
pub(super) fn age_pairs(pairs: &[FeaturePair], most: usize) -> (Vec<usize>, Vec<AgePair>) {
    let mut ages: Vec<AgePair> = Vec::new();
    let mut of = Vec::with_capacity(pairs.len());
    for pair in pairs {
        let (old, new) = (&pair.old.lookups, &pair.new.lookups);
        let found = ages.iter().position(|age| age.old == *old && age.new == *new);
        of.push(found.unwrap_or(ages.len()));
        if found.is_none() {
            let comparison = Comparison::new(Measure::Ints, most);
            ages.push(AgePair { old: old.clone(), new: new.clone(), comparison });
        }
    }
    (of, ages)
}

impl AgePair {
    pub(super) fn add(&mut self, times: &Times<'_>) {
        for (row, at) in times.moments.iter().enumerate() {
            let age = |lookups| {
                times.oldest(lookups, row).map_or(Observed::Null, |event| Observed::Int(at - event))
            };
            self.comparison.add(&Pair { old: age(&self.old), new: age(&self.new), statuses: None });
        }
    }

    pub(super) fn figures(&self) -> Figures {
        self.comparison.figures()
    }
}
