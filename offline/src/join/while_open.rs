//! Law 8: the moments at which the rows of a view are folded for labels, where its circuit breaker was open at some of them.

use std::borrow::Cow;

use feature::{Micros, OpenAnswer, Opening, View};

use crate::join::labels::{Labels, NO_SLOT};

/// When the rows of one view are folded for each label.
pub(crate) struct FoldMoments<'a> {
    /// For each label the moment, in microseconds: its own, or the last good one.
    pub(crate) times: Cow<'a, [i64]>,
    /// The labels of which nothing was answered.
    unanswered: Vec<usize>,
}

/// The openings that hold at labels, and the moments of their folds.
pub(crate) fn fold_moments<'a>(labels: &'a [i64], openings: &[Opening]) -> FoldMoments<'a> {
    if openings.is_empty() {
        return FoldMoments { times: Cow::Borrowed(labels), unanswered: Vec::new() };
    }
    let mut unanswered = Vec::new();
    let at = |(row, label): (usize, &i64)| match opening_at(openings, *label)
        .map(|opening| (opening.answers, opening.good_until))
    {
        Some((OpenAnswer::LastKnownGood, good_until)) => good_until.get(),
        Some((OpenAnswer::NoValue, _)) => {
            unanswered.push(row);
            *label
        }
        Some((OpenAnswer::Current, _)) | None => *label,
    };
    let times = labels.iter().enumerate().map(at).collect();
    FoldMoments { times, unanswered }
}

/// Features of one view that are answered by the same openings.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct HeldFeatures {
    /// The features, by their indices in the view, with the names of their columns.
    pub(crate) features: Vec<(usize, String)>,
    /// The openings that hold them, the oldest first.
    pub(crate) openings: Vec<Opening>,
}

/// Features in groups that the same openings hold, that with the fewest first.
pub(crate) fn held_features(
    view: &View,
    features: Vec<(usize, String)>,
    openings: &[Opening],
) -> Vec<HeldFeatures> {
    let of_view = || openings.iter().filter(|opening| opening.features.is_empty()).cloned().collect();
    let mut groups: Vec<HeldFeatures> = Vec::new();
    for (index, name) in features {
        let feature = view.features.get(index);
        let holds = |opening: &&Opening| feature.is_some_and(|feature| opening.holds(&feature.name));
        let openings: Vec<Opening> = openings.iter().filter(holds).cloned().collect();
        match groups.iter_mut().find(|group| group.openings == openings) {
            Some(group) => group.features.push((index, name)),
            None => groups.push(HeldFeatures { features: vec![(index, name)], openings }),
        }
    }
    groups.sort_by_key(|group| group.openings.len());
    if groups.is_empty() {
        groups.push(HeldFeatures { features: Vec::new(), openings: of_view() });
    }
    groups
}

/// How many of these labels fall into an opening.
pub(crate) fn labels_in(labels: &[i64], opening: &Opening) -> usize {
    labels.iter().filter(|label| Micros::new(**label).is_ok_and(|at| opening.covers(at))).count()
}

/// Labels whose features are folded before a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FoldedBefore {
    /// How many.
    pub(crate) labels: usize,
    /// How many of them lie not before it themselves, but have the answers of a last good moment that does.
    pub(crate) while_open: usize,
}

/// Counts the labels of which features of some group are folded before a moment, by the openings of each group.
pub(crate) fn folded_before(labels: &[i64], groups: &[Vec<Opening>], from: Micros) -> FoldedBefore {
    let moments: Vec<FoldMoments<'_>> =
        groups.iter().map(|openings| fold_moments(labels, openings)).collect();
    let is_before = |at: &i64| *at < from.get();
    let mut counted = FoldedBefore { labels: 0, while_open: 0 };
    for (row, label) in labels.iter().enumerate() {
        if moments.iter().any(|of_group| of_group.times.get(row).is_some_and(is_before)) {
            counted.labels += 1;
            counted.while_open += usize::from(!is_before(label));
        }
    }
    counted
}

fn opening_at(openings: &[Opening], label: i64) -> Option<&Opening> {
    let at = Micros::new(label).ok()?;
    openings.iter().rev().find(|opening| opening.covers(at))
}

impl FoldMoments<'_> {
    /// The labels, without a slot where nothing was answered.
    pub(crate) fn answered(&self, mut labels: Labels) -> Labels {
        for row in &self.unanswered {
            if let Some(slot) = labels.slot_of_row.get_mut(*row) {
                *slot = NO_SLOT;
            }
        }
        labels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_counts_by_the_moment_that_its_features_are_folded_at() {
        let opening = |number, answers, from| Opening {
            number,
            view: "clicks@3".parse().unwrap(),
            answers,
            from: Micros::new(from).unwrap(),
            until: Micros::new(from + 10).ok(),
            good_until: Micros::new(5).unwrap(),
            features: Vec::new(),
        };
        let held = vec![opening(1, OpenAnswer::LastKnownGood, 20), opening(2, OpenAnswer::NoValue, 40)];
        let counted = |groups: &[Vec<Opening>]| {
            let counted = folded_before(&[3, 15, 25, 35, 45], groups, Micros::new(10).unwrap());
            (counted.labels, counted.while_open)
        };
        assert_eq!(counted(&[Vec::new()]), (1, 0));
        assert_eq!(counted(std::slice::from_ref(&held)), (2, 1));
        // Features that are not held beside those that are: a label counts once.
        assert_eq!(counted(&[Vec::new(), held]), (2, 1));
    }
}
