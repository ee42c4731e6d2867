//! Law 8: what is answered of a view while its circuit breaker is open, in training as in serving.
//!
//! A breaker opens at a moment, `from`, and names an earlier one, `good_until`. A reader at t in [`from`, `until`) gets what
//! a reader at `good_until` got: the fold of the rows that were visible then. The event time is that of the fold and the age
//! runs on, so a latest value still dies by the ttl at t. Where a view is to give no value instead, every feature is null.
//! An opening may name features, and then holds only these: the others of the view are answered as if there were none, each
//! feature with the times of the row that it comes from. Of several openings that hold a feature the newest counts.
//! A value that is computed on demand is held where its expression reads a held feature, directly or through others: it is
//! null where that gives no value, whatever its default is. What its expression does not read leaves it alone.
//! Before `from` and from `until` on, the other laws hold alone. A join by event time knows no breakers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::answer::{Answer, Cell, Status, is_alive};
use crate::breaker::OpenAnswer;
use crate::name::{Name, VersionId};
use crate::time::Micros;
use crate::view::{Fold, View};

/// One time that the breaker of a view was open.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Opening {
    /// Its number among those of all views, from 1.
    pub number: u32,
    /// The view.
    pub view: VersionId,
    /// What is answered meanwhile.
    pub answers: OpenAnswer,
    /// From when on, inclusive.
    pub from: Micros,
    /// Up to when, exclusive; `None` while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Micros>,
    /// The last moment whose answers are good, at most `from`.
    pub good_until: Micros,
    /// The features that it holds; all of the view's if it names none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<Name>,
}

impl Opening {
    /// Whether a reader at a moment finds the breaker open.
    pub fn covers(&self, at: Micros) -> bool {
        self.from <= at && self.until.is_none_or(|until| at < until)
    }

    /// Whether it holds a feature of its view.
    pub fn holds(&self, feature: &Name) -> bool {
        self.features.is_empty() || self.features.contains(feature)
    }

    /// Under which id a store has the rows of the last good moment: a version that no definition has.
    pub fn kept_rows(&self) -> VersionId {
        VersionId {
            name: self.view.name.clone(),
            version: VersionId::MOST_VERSIONS.saturating_add(self.number),
        }
    }
}

/// The openings that readers keep to, by view. Those that only say that something is wrong are left out.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Openings(BTreeMap<VersionId, Vec<Opening>>);

impl Openings {
    /// These.
    pub fn new(openings: impl IntoIterator<Item = Opening>) -> Self {
        let mut by_view: BTreeMap<VersionId, Vec<Opening>> = BTreeMap::new();
        for opening in openings.into_iter().filter(|opening| opening.answers != OpenAnswer::Current) {
            by_view.entry(opening.view.clone()).or_default().push(opening);
        }
        by_view.values_mut().for_each(|openings| openings.sort_by_key(|opening| opening.number));
        Self(by_view)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those of a view, the oldest first.
    pub fn of(&self, view: &VersionId) -> &[Opening] {
        self.0.get(view).map_or(&[], Vec::as_slice)
    }

    /// Those that a reader of a view finds at a moment, the newest first.
    pub fn at(&self, view: &VersionId, at: Micros) -> impl Iterator<Item = &Opening> {
        self.of(view).iter().rev().filter(move |opening| opening.covers(at))
    }

    /// The one by which a feature of a view is answered at a moment.
    pub fn of_feature(&self, view: &VersionId, feature: &Name, at: Micros) -> Option<&Opening> {
        self.at(view, at).find(|opening| opening.holds(feature))
    }
}

/// Whether two choices of features, of which one that names none is all, have a feature in common.
pub fn have_common_feature(one: &[Name], other: &[Name]) -> bool {
    one.is_empty() || other.is_empty() || one.iter().any(|name| other.contains(name))
}

impl Cell {
    /// Law 8: the cell of a feature whose breaker is open, and which gives no value.
    pub const BREAKER_OPEN: Cell = Cell { value: crate::Value::Null, status: Status::BreakerOpen };

    /// Law 8: a cell of the last good moment as a later reader gets it. `is_dead` says of a latest value whether its row is
    /// older than the ttl by now.
    #[must_use]
    pub fn kept(self, is_dead: bool) -> Cell {
        match self.status.kept(is_dead) {
            Status::OutsideMaxAge => Cell::OUTSIDE_MAX_AGE,
            status => Cell { status, ..self },
        }
    }
}

impl Status {
    /// Law 8: a status of the last good moment as a later reader gets it.
    #[must_use]
    pub const fn kept(self, is_dead: bool) -> Status {
        match self {
            Status::Present | Status::NullValue if is_dead => Status::OutsideMaxAge,
            Status::Present => Status::LastKnownGood,
            status => status,
        }
    }

    /// Law 8: the status of a value that is computed from a held feature. `is_answered` says whether that feature is answered
    /// from the rows of a last good moment.
    #[must_use]
    pub const fn computed_from_held(self, is_answered: bool) -> Status {
        if is_answered { self.kept(false) } else { Status::BreakerOpen }
    }
}

impl Answer {
    /// Law 8: the answer of a view at the last good moment, a cell for each of its features, as a reader at `at` gets it.
    #[must_use]
    pub fn kept(self, view: &View, at: Micros) -> Answer {
        let is_dead = self.times.is_some_and(|times| !is_alive(view.ttl, times.event_time, at));
        let is_latest = view.features.iter().map(|feature| matches!(feature.fold, Fold::Latest { .. }));
        let cells = self.cells.into_iter().zip(is_latest);
        Answer {
            cells: cells.map(|(cell, is_latest)| cell.kept(is_latest && is_dead)).collect(),
            times: self.times,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Value;

    fn at(seconds: i64) -> Micros {
        Micros::new(seconds * 1_000_000).unwrap()
    }

    fn opening(number: u32, from: i64, until: Option<i64>) -> Opening {
        Opening {
            number,
            view: "clicks@3".parse().unwrap(),
            answers: OpenAnswer::LastKnownGood,
            from: at(from),
            until: until.map(at),
            good_until: at(from - 5),
            features: Vec::new(),
        }
    }

    #[test]
    fn a_breaker_is_open_from_its_first_moment_until_before_its_last() {
        let current = Opening { answers: OpenAnswer::Current, ..opening(3, 0, None) };
        let openings = Openings::new([opening(2, 30, None), opening(1, 10, Some(20)), current]);
        let view: VersionId = "clicks@3".parse().unwrap();
        let number = |seconds| openings.at(&view, at(seconds)).next().map(|opening| opening.number);
        assert_eq!(
            [9, 10, 19, 20, 29, 30, 99].map(number),
            [None, Some(1), Some(1), None, None, Some(2), Some(2)]
        );
        assert_eq!(openings.at(&"clicks@2".parse().unwrap(), at(15)).next(), None);
    }

    #[test]
    fn an_opening_that_names_features_holds_these_and_of_two_the_newest_counts() {
        let names = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect::<Vec<Name>>();
        let of = |number, from, features: &[&str]| Opening {
            features: names(features),
            ..opening(number, from, None)
        };
        let openings = Openings::new([of(1, 10, &["a", "b"]), of(2, 20, &["b"]), of(3, 30, &[])]);
        let view: VersionId = "clicks@3".parse().unwrap();
        let number = |name: &str, seconds| {
            openings.of_feature(&view, &name.parse().unwrap(), at(seconds)).map(|opening| opening.number)
        };
        let at_each = |seconds| ["a", "b", "c"].map(|name| number(name, seconds));
        assert_eq!(at_each(9), [None, None, None]);
        assert_eq!(at_each(10), [Some(1), Some(1), None]);
        assert_eq!(at_each(20), [Some(1), Some(2), None]);
        assert_eq!(at_each(30), [Some(3); 3]);
        assert!(have_common_feature(&names(&["a"]), &[]) && have_common_feature(&[], &[]));
        assert!(have_common_feature(&names(&["a", "b"]), &names(&["b"])));
        assert!(!have_common_feature(&names(&["a"]), &names(&["b"])));
    }

    #[test]
    fn rows_are_kept_under_a_version_that_no_definition_has_and_no_other_opening() {
        let ids = [1, 2].map(|number| opening(number, 10, None).kept_rows());
        assert_ne!(ids[0], ids[1]);
        for id in ids {
            assert!(id.version > VersionId::MOST_VERSIONS, "{id}");
            assert_eq!(id.to_string().parse::<VersionId>().unwrap(), id);
        }
    }

    #[test]
    fn what_is_computed_from_a_feature_without_an_answer_has_none_whatever_else_it_reads() {
        assert_eq!(Status::Present.computed_from_held(true), Status::LastKnownGood);
        assert_eq!(Status::NullValue.computed_from_held(true), Status::NullValue);
        for order in [[true, false], [false, true]] {
            let status =
                order.into_iter().fold(Status::Present, |status, input| status.computed_from_held(input));
            assert_eq!(status, Status::BreakerOpen);
            assert!(!status.has_value(true), "a default does not hide it");
        }
    }

    #[test]
    fn a_kept_cell_says_so_where_it_has_a_value_and_dies_by_its_ttl() {
        let value = Cell::of(Value::Int64(7));
        let good = Cell { value: Value::Int64(7), status: Status::LastKnownGood };
        assert_eq!(value.clone().kept(false), good);
        assert_eq!(value.kept(true), Cell::OUTSIDE_MAX_AGE);
        let null = Cell::of(Value::Null).or_default(Some(&Value::Int64(1)));
        assert_eq!(null.clone().kept(false), null);
        assert_eq!(null.kept(true), Cell::OUTSIDE_MAX_AGE);
        assert_eq!(Cell::NOT_FOUND.kept(true), Cell::NOT_FOUND);
    }
}
