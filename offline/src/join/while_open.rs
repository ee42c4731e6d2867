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
