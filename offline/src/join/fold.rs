//! One view read in one role: its log streamed once, unsorted, past the labels of the spine.

use std::sync::Arc;

use arrow::array::Array;
use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, Schema};
use feature::{AsOf, DataType, Fold, Micros, Value, View, is_alive};
use futures::StreamExt;

use crate::error::OfflineError;
use crate::join::labels::Labels;
use crate::join::latest::{LatestFold, Winner};
use crate::join::windows::{self, Argument, Offer, WindowFold};
use crate::log::Log;
use crate::rows::{RowFacts, column, row_columns};

/// The features of one view at every slot of its labels.
pub(crate) struct Folded {
    pub(crate) labels: Labels,
    /// One array for each of the view's features, one value for each slot.
    pub(crate) features: Vec<ArrayRef>,
    /// For each feature and slot, whether an event-time join would have filled the cell from a row
    /// that was not yet available. Empty in a join by event time, which does not ask.
    pub(crate) leaked: Vec<Vec<bool>>,
    /// The latest visible row of each slot.
    pub(crate) winners: Vec<Option<Winner>>,
}

/// Folds a view's log at every label, as readers of the given mode see it.
pub(crate) async fn fold(log: &Log, labels: Labels, as_of: AsOf) -> Result<Folded, OfflineError> {
    let view = log.view().clone();
    let until = labels.latest.and_then(|latest| Micros::new(latest).ok());
    let streams = log.scan(&row_columns(&view), until, 2)?;
    let mut fold = ViewFold::new(&view, labels, as_of);
    let mut batches = futures::stream::select_all(streams);
    while let Some(batch) = batches.next().await {
        fold.add(&batch?)?;
    }
    fold.finish()
}

/// One view's folds while its log streams by.
pub(super) struct ViewFold<'a> {
    view: &'a View,
    as_of: AsOf,
    labels: Labels,
    latest: LatestFold,
    /// The latest rows that an event-time join would have seen; only where that is asked.
    by_event: Option<LatestFold>,
    windows: Vec<WindowFold>,
}

impl<'a> ViewFold<'a> {
    pub(super) fn new(view: &'a View, labels: Labels, as_of: AsOf) -> Self {
        let fields: Vec<Field> = view
            .columns
            .iter()
            .map(|column| Field::new(column.name.as_str(), transform::arrow_type(column.data_type), true))
            .collect();
        let schema = Arc::new(Schema::new(fields));
        let slots = labels.len();
        let latest = LatestFold::new(schema.clone(), slots);
        let asks = as_of == AsOf::Available && !view.is_static;
        let by_event = asks.then(|| LatestFold::new(schema, slots));
        Self { view, as_of, labels, latest, by_event, windows: windows::folds(view, slots) }
    }

    pub(super) fn add(&mut self, batch: &RecordBatch) -> Result<(), OfflineError> {
        let facts = RowFacts::of(self.view, batch)?;
        let keys: Vec<ArrayRef> =
            self.view.keys.iter().map(|key| column(self.view, batch, &key.name)).collect::<Result<_, _>>()?;
        let columns: Vec<ArrayRef> =
            self.view.columns.iter().map(|c| column(self.view, batch, &c.name)).collect::<Result<_, _>>()?;
        let arguments: Vec<Argument> =
            self.windows.iter().map(|fold| fold.argument(&columns)).collect::<Result<_, _>>()?;
        let keys = self.labels.keys(&keys)?;
        for (row, key) in keys.iter().enumerate() {
            let Some(entity) = self.labels.slots_of(key.as_ref()) else { continue };
            let times = facts.times(row)?;
            let (event_time, available_at) = times;
            let position = facts.position(row)?;
            let visible_at = self.as_of.visible_at(event_time, available_at);
            let visible = self.labels.first_at(&entity, visible_at.get());
            let happened = self.labels.first_at(&entity, event_time.get());
            if visible < entity.end {
                self.latest.offer(visible, times, position, row);
            }
            if let Some(by_event) = self.by_event.as_mut().filter(|_| happened < entity.end) {
                by_event.offer(happened, times, position, row);
            }
            if facts.deleted.value(row) {
                continue;
            }
            let offer = Offer { entity: entity.clone(), visible, happened, event_time, position, row };
            for (fold, argument) in self.windows.iter_mut().zip(&arguments) {
                fold.offer(argument, &offer, |time| self.labels.first_at(&entity, time));
            }
        }
        self.latest.settle(&columns, facts.deleted)?;
        if let Some(by_event) = &mut self.by_event {
            by_event.settle(&columns, facts.deleted)?;
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<Folded, OfflineError> {
        let Self { view, labels, latest, by_event, windows, .. } = self;
        let slots = labels.len();
        let ranges: Vec<_> = labels.ranges().collect();
        let (winners, columns) = latest.finish(ranges.iter().cloned())?;
        let asks = by_event.is_some();
        let event = by_event.map(|fold| fold.finish(ranges.iter().cloned())).transpose()?;
        let mut features: Vec<Option<ArrayRef>> = vec![None; view.features.len()];
        let mut leaked = if asks { vec![vec![false; slots]; view.features.len()] } else { Vec::new() };
        let latest = LatestColumns { view, labels: &labels };
        for (place, feature) in view.features.iter().enumerate() {
            let Fold::Latest { column } = feature.fold else { continue };
            let alive = latest.alive(&winners, |_| true);
            set(&mut features, place, only_where(columns.get(column), &alive)?);
            if let Some((event_winners, event_columns)) = &event {
                let early = latest.alive(event_winners, |winner| !seen(&winners, winner));
                let values = event_columns.get(column);
                let filled = early
                    .into_iter()
                    .enumerate()
                    .map(|(slot, early)| early && values.is_some_and(|v| v.is_valid(slot)));
                set_row(&mut leaked, place, filled.collect());
            }
        }
        for finished in windows.into_iter().flat_map(|fold| fold.finish(&ranges)) {
            let values: Vec<Value> = finished
                .values
                .into_iter()
                .zip(&winners)
                .map(|(value, winner)| if winner.is_some() { value } else { Value::Null })
                .collect();
            if let Some(feature) = view.features.get(finished.feature) {
                set(&mut features, finished.feature, Some(transform::array_of(&values, feature.data_type)));
            }
            if let Some((event_winners, _)) = &event {
                // A count is filled by any row that makes its entity known.
                let known_early =
                    winners.iter().zip(event_winners).map(|(seen, early)| seen.is_none() && early.is_some());
                let filled = finished
                    .leaked
                    .iter()
                    .zip(known_early)
                    .map(|(leaked, known)| *leaked || finished.counts && known);
                set_row(&mut leaked, finished.feature, filled.collect());
            }
        }
        let features = features
            .into_iter()
            .zip(&view.features)
            .map(|(array, feature)| array.unwrap_or_else(|| all_null(feature.data_type, slots)))
            .collect();
        Ok(Folded { labels, features, leaked, winners })
    }
}

/// Law 3 over columns of latest values.
struct LatestColumns<'a> {
    view: &'a View,
    labels: &'a Labels,
}

impl LatestColumns<'_> {
    /// For each slot, whether it has a living winner that passes the test.
    fn alive(&self, winners: &[Option<Winner>], test: impl Fn((usize, Winner)) -> bool) -> Vec<bool> {
        let at = |slot: usize| self.labels.times.get(slot).and_then(|at| Micros::new(*at).ok());
        winners
            .iter()
            .enumerate()
            .map(|(slot, winner)| match (winner, at(slot)) {
                (Some(winner), Some(at)) => {
                    is_alive(self.view.ttl, winner.event_time, at) && test((slot, *winner))
                }
                _ => false,
            })
            .collect()
    }
}

/// Whether the row that an event-time join takes at a slot is the one that was visible there.
fn seen(winners: &[Option<Winner>], (slot, event_winner): (usize, Winner)) -> bool {
    winners.get(slot).copied().flatten().is_some_and(|winner| winner.recency() == event_winner.recency())
}

fn only_where(values: Option<&ArrayRef>, keep: &[bool]) -> Result<Option<ArrayRef>, OfflineError> {
    let dead: arrow::array::BooleanArray = keep.iter().map(|keep| Some(!keep)).collect();
    Ok(values.map(|values| arrow::compute::nullif(values, &dead)).transpose()?)
}

fn set(features: &mut [Option<ArrayRef>], place: usize, array: Option<ArrayRef>) {
    if let Some(feature) = features.get_mut(place) {
        *feature = array;
    }
}

fn set_row(leaked: &mut [Vec<bool>], place: usize, row: Vec<bool>) {
    if let Some(there) = leaked.get_mut(place) {
        *there = row;
    }
}

fn all_null(data_type: DataType, slots: usize) -> ArrayRef {
    arrow::array::new_null_array(&transform::arrow_type(data_type), slots)
}
