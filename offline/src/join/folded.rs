//! The features of one view at the labels of a spine, once its log was read: what each slot holds, and
//! the columns of any rows of the spine made from it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, TimestampMicrosecondArray, UInt32Array};
use arrow::compute::{nullif, take};
use feature::{DataType, Feature, Fold, Micros, View, is_alive, is_kept};

use crate::error::OfflineError;
use crate::join::kept_rows::{Kept, KeptRows, RowFacts};
use crate::join::labels::{Labels, NO_SLOT};
use crate::join::windows::WindowFold;

/// The features of one view at every slot of its labels.
pub(crate) struct Folded {
    view: Arc<View>,
    labels: Arc<Labels>,
    /// The view's columns whose values are kept, in their order.
    latest_columns: Vec<usize>,
    kept: KeptRows,
    /// The latest visible row of each slot.
    winners: Vec<Kept>,
    /// The latest row of each slot that has happened and is not visible yet, where that was requested.
    early: Option<Vec<Kept>>,
    /// For each feature that is an aggregate its values at every slot.
    windows: Vec<Option<Window>>,
}

/// An aggregate at every slot.
struct Window {
    values: ArrayRef,
    /// Where an event-time join would have filled it from a row that was not yet available.
    leaked: BooleanArray,
}

/// The columns of some rows of a spine.
pub(crate) struct Columns {
    /// One array for each of the view's features.
    pub(crate) features: Vec<ArrayRef>,
    /// For each feature, whether an event-time join would have filled the cell from a row that was not
    /// yet available. Nowhere where that was not requested.
    pub(crate) leaked: Vec<BooleanArray>,
    /// For each feature, where its default stands instead of null.
    pub(crate) filled: Vec<BooleanArray>,
}

impl Folded {
    /// Slots without rows.
    pub(crate) fn new(
        view: Arc<View>,
        labels: Arc<Labels>,
        latest_columns: Vec<usize>,
        kept: KeptRows,
    ) -> Self {
        let windows = view.features.iter().map(|_| None).collect();
        Self { view, labels, latest_columns, kept, winners: Vec::new(), early: None, windows }
    }

    /// With the latest rows of the slots.
    pub(crate) fn with_winners(self, winners: Vec<Kept>, early: Option<Vec<Kept>>) -> Self {
        let winners = self.only_retained(winners);
        let early = early.map(|early| {
            // Only a row that is later than the visible one would have replaced it.
            let later =
                self.only_retained(early).into_iter().zip(&winners).map(|(early, visible)| {
                    match self.kept.recency(early) > self.kept.recency(*visible) {
                        true => early,
                        false => Kept::NONE,
                    }
                });
            later.collect()
        });
        Self { winners, early, ..self }
    }

    /// With the aggregates of the slots. An entity that has no visible row has none.
    pub(crate) fn add_windows(&mut self, folds: Vec<WindowFold>) -> Result<(), OfflineError> {
        if folds.is_empty() {
            return Ok(());
        }
        let ranges: Vec<_> = self.labels.ranges().collect();
        let unknown: BooleanArray = self.winners.iter().map(|winner| Some(winner.is_none())).collect();
        let early =
            |slot: usize| self.early.as_ref().and_then(|early| early.get(slot)).is_some_and(|e| !e.is_none());
        for finished in folds.into_iter().flat_map(|fold| fold.finish(&ranges)) {
            let Some(feature) = self.view.features.get(finished.feature) else { continue };
            let values = nullif(&transform::array_of(&finished.values, feature.data_type), &unknown)?;
            // A count, and what has a default, is filled by any row that makes its entity known.
            let is_filled = finished.counts || feature.default.is_some();
            let fills = |slot: usize| is_filled && unknown.value(slot) && early(slot);
            let leaked =
                finished.leaked.iter().enumerate().map(|(slot, leaked)| Some(*leaked || fills(slot)));
            let window = Window { values, leaked: leaked.collect() };
            if let Some(there) = self.windows.get_mut(finished.feature) {
                *there = Some(window);
            }
        }
        Ok(())
    }

    /// The columns of rows of the spine whose slots and label times these are. The time of a slot is that of its fold, which
    /// is an earlier one where the view's breaker was open.
    pub(crate) fn columns(&self, slots: &[u32], times: &[i64]) -> Result<Columns, OfflineError> {
        let winners = Self::rows_of(slots, &self.winners);
        let early = self.early.as_ref().map(|early| Self::rows_of(slots, early)).unwrap_or_default();
        let alive = self.only_alive(times, &winners);
        let early_alive = self.only_alive(times, &early);
        let values = self.kept.values(&alive)?;
        let early_values = match early.iter().any(|early| !early.is_none()) {
            true => self.kept.values(&early_alive)?,
            false => Vec::new(),
        };
        let indices: UInt32Array = slots.iter().map(|slot| (*slot != NO_SLOT).then_some(*slot)).collect();
        let nowhere = BooleanArray::from(vec![false; slots.len()]);
        let (mut features, mut leaked, mut filled) = (Vec::new(), Vec::new(), Vec::new());
        for (feature, window) in self.view.features.iter().zip(&self.windows) {
            let (array, leaks) = match (feature.fold, window) {
                (Fold::Latest { column }, _) => {
                    let kept_as = self.latest_columns.iter().position(|kept| *kept == column);
                    let of = |values: &[ArrayRef]| kept_as.and_then(|kept| values.get(kept)).cloned();
                    let visible = of(&values);
                    // A null fills the cell with the default, unless one stands there already.
                    let is_there =
                        |rows: &[Kept], row: usize| rows.get(row).is_some_and(|row| !row.is_none());
                    let fills = |row: usize| {
                        let is_null = visible.as_ref().is_some_and(|visible| visible.is_null(row));
                        let stands = is_there(&alive, row) && is_null;
                        feature.default.is_some() && is_there(&early_alive, row) && !stands
                    };
                    let is_leaked = |values: ArrayRef| {
                        (0..slots.len()).map(|row| Some(values.is_valid(row) || fills(row))).collect()
                    };
                    let leaks = of(&early_values).map(is_leaked);
                    (visible, leaks)
                }
                (_, Some(window)) => {
                    let leaks =
                        slots.iter().map(|slot| *slot != NO_SLOT && window.leaked.value(*slot as usize));
                    let leaks = self.early.is_some().then(|| leaks.map(Some).collect());
                    (Some(take(&window.values, &indices, None)?), leaks)
                }
                (_, None) => (None, None),
            };
            let array = array.unwrap_or_else(|| all_null(feature.data_type, slots.len()));
            let known = if matches!(feature.fold, Fold::Latest { .. }) { &alive } else { &winners };
            let (array, by_default) = or_default(array, feature, known)?;
            features.push(array);
            filled.push(by_default.unwrap_or_else(|| nowhere.clone()));
            leaked.push(leaks.unwrap_or_else(|| nowhere.clone()));
        }
        Ok(Columns { features, leaked, filled })
    }

    /// When the latest visible rows of these slots happened, and when they could first have been read;
    /// null for a source without times.
    pub(crate) fn times(&self, slots: &[u32]) -> [TimestampMicrosecondArray; 2] {
        let winners = Self::rows_of(slots, &self.winners);
        let column = |of: fn(&RowFacts) -> Micros| {
            let shown =
                winners.iter().map(|winner| self.kept.facts(*winner).filter(|_| !self.view.is_static));
            let times = shown.map(|facts| facts.map(|facts| of(facts).get()));
            times.collect::<TimestampMicrosecondArray>().with_timezone("UTC")
        };
        [column(|facts| facts.event_time), column(|facts| facts.available_at)]
    }

    fn rows_of(slots: &[u32], rows: &[Kept]) -> Vec<Kept> {
        slots.iter().map(|slot| rows.get(*slot as usize).copied().unwrap_or(Kept::NONE)).collect()
    }

    /// Retention over slots: rows that are older are as if they had never been. It covers the ttl and
    /// every window, so it only decides whether an entity is known.
    fn only_retained(&self, rows: Vec<Kept>) -> Vec<Kept> {
        let Some(online) = self.view.retention.and_then(|retention| retention.online) else { return rows };
        let slots = 0..rows.len() as u32;
        let at = |slot: u32| self.labels.times.get(slot as usize).copied();
        let kept = |slot, row| {
            at(slot)
                .is_some_and(|at| self.holds(at, row, |event_time, at| is_kept(Some(online), event_time, at)))
        };
        slots.zip(rows).map(|(slot, row)| if kept(slot, row) { row } else { Kept::NONE }).collect()
    }

    /// Law 3: the rows that are alive at these label times.
    fn only_alive(&self, times: &[i64], rows: &[Kept]) -> Vec<Kept> {
        let Some(ttl) = self.view.ttl else { return rows.to_vec() };
        let alive = |at, row| self.holds(at, row, |event_time, at| is_alive(Some(ttl), event_time, at));
        times.iter().zip(rows).map(|(at, row)| if alive(*at, *row) { *row } else { Kept::NONE }).collect()
    }

    /// Whether something holds of a row's event time and a moment.
    fn holds(&self, at: i64, row: Kept, holds: impl Fn(Micros, Micros) -> bool) -> bool {
        self.kept.facts(row).zip(Micros::new(at).ok()).is_some_and(|(facts, at)| holds(facts.event_time, at))
    }
}

/// Law 3: the feature's default where its value is null and there is a row: the latest visible one of the
/// entity, which for a latest value is alive. Also where that is, of a feature that has a default.
fn or_default(
    values: ArrayRef,
    feature: &Feature,
    rows: &[Kept],
) -> Result<(ArrayRef, Option<BooleanArray>), OfflineError> {
    let Some(default) = &feature.default else { return Ok((values, None)) };
    let is_null = |(index, row): (usize, &Kept)| Some(!row.is_none() && values.is_null(index));
    let nulls: BooleanArray = rows.iter().enumerate().map(is_null).collect();
    Ok((transform::with_default(&values, &nulls, default, feature.data_type)?, Some(nulls)))
}

fn all_null(data_type: DataType, rows: usize) -> ArrayRef {
    arrow::array::new_null_array(&transform::arrow_type(data_type), rows)
}
