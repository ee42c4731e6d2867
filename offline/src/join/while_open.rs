//! Law 8: the moments at which the rows of a view are folded for labels, where its circuit breaker was open at some of them.

use std::borrow::Cow;

use feature::{Micros, OpenAnswer, Opening};

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
