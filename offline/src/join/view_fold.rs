//! All features of one view over one pass of its log.
//!
//! A group of rows is read twice: first the keys, the times and what aggregates need of every row;
//! then the positions and latest values of the few rows that may hold a slot.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow::datatypes::{Field, Schema};
use feature::{AsOf, DataType, Fold, Micros, View, is_alive, is_kept};

use crate::columns::{AVAILABLE_AT, DELETED, EVENT_TIME, POSITION_KIND, POSITION_MAJOR, POSITION_MINOR};
use crate::error::OfflineError;
use crate::join::entities::DictionaryCache;
use crate::join::kept_rows::KeptRows;
use crate::join::labels::{Labels, NO_ENTITY};
use crate::join::latest::{Kept, LatestFold, LogRow, Winner};
use crate::join::windows::{self, Argument, Offer, WindowFold};
use crate::rows::{Positions, booleans, column, moment, times};

/// What a fold is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    /// Which rows a label may see.
    pub(crate) as_of: AsOf,
    /// Whether to find the cells that an event-time join would have leaked.
    pub(crate) leaks: bool,
}

/// The features of one view at every slot of its labels.
pub(crate) struct Folded {
    pub(crate) labels: Arc<Labels>,
    /// One array for each of the view's features, one value for each slot.
    pub(crate) features: Vec<ArrayRef>,
    /// For each feature and slot, whether an event-time join would have filled the cell from a row
    /// that was not yet available. Empty where that was not asked.
    pub(crate) leaked: Vec<Vec<bool>>,
    /// The latest visible row of each slot.
    pub(crate) winners: Vec<Option<Winner>>,
}

/// One view's folds while its log streams by.
pub(crate) struct ViewFold {
    view: Arc<View>,
    labels: Arc<Labels>,
    ask: Ask,
    latest: LatestFold,
    /// Of the rows that some label after their event does not see yet, the latest ones.
    hidden: LatestFold,
    kept: KeptRows,
    windows: Vec<WindowFold>,
    /// The view's columns whose latest values are features, in the order in which they are kept.
    latest_columns: Vec<usize>,
    /// The view's columns that aggregates take.
    arguments: Vec<usize>,
    /// Whether aggregates need the order of rows.
    ordered: bool,
    candidates: Vec<Candidate>,
    places: Vec<u32>,
    cache: DictionaryCache,
}

/// A row of the current group that may hold a slot.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    /// Its number in the group.
    place: u32,
    slot: u32,
    hidden: bool,
    row: LogRow,
}

impl ViewFold {
    /// No rows yet.
    pub(crate) fn new(view: Arc<View>, labels: Arc<Labels>, ask: Ask) -> Self {
        let ask = Ask { leaks: ask.leaks && ask.as_of == AsOf::Available && !view.is_static, ..ask };
        let mut latest_columns: Vec<usize> = Vec::new();
        let mut arguments: Vec<usize> = Vec::new();
        let mut ordered = false;
        for feature in &view.features {
            match feature.fold {
                Fold::Latest { column } => latest_columns.push(column),
                Fold::Aggregate { function, column, .. } => {
                    arguments.extend(column);
                    ordered |= function.components().iter().any(|component| component.is_ordered());
                }
            }
        }
        for columns in [&mut latest_columns, &mut arguments] {
            columns.sort_unstable();
            columns.dedup();
        }
        let fields: Vec<Field> = latest_columns
            .iter()
            .filter_map(|place| view.columns.get(*place))
            .map(|column| Field::new(column.name.as_str(), transform::arrow_type(column.data_type), true))
            .collect();
        Self {
            latest: LatestFold::new(&labels),
            hidden: LatestFold::new(&labels),
            kept: KeptRows::new(Arc::new(Schema::new(fields)), labels.len()),
            windows: windows::folds(&view, labels.len()),
            view,
            labels,
            ask,
            latest_columns,
            arguments,
            ordered,
            candidates: Vec::new(),
            places: Vec::new(),
            cache: DictionaryCache::default(),
        }
    }

    /// The columns that [`ViewFold::first_pass`] needs of every row.
    pub(crate) fn first_columns(&self) -> Vec<&str> {
        let mut columns: Vec<&str> = self.view.keys.iter().map(|key| key.name.as_str()).collect();
        columns.push(EVENT_TIME);
        columns.push(AVAILABLE_AT);
        if !self.windows.is_empty() {
            columns.push(DELETED);
        }
        if self.ordered {
            columns.extend([POSITION_KIND, POSITION_MAJOR, POSITION_MINOR]);
        }
        columns.extend(self.names(&self.arguments));
        columns
    }

    /// The columns that [`ViewFold::second_pass`] needs of the rows that are wanted.
    pub(crate) fn second_columns(&self) -> Vec<&str> {
        let mut columns = vec![POSITION_KIND, POSITION_MAJOR, POSITION_MINOR, DELETED];
        columns.extend(self.names(&self.latest_columns));
        columns
    }

    /// The names of the view's join keys.
    pub(crate) fn key_names(&self) -> Vec<&str> {
        self.view.keys.iter().map(|key| key.name.as_str()).collect()
    }

    fn names<'a>(&'a self, places: &'a [usize]) -> impl Iterator<Item = &'a str> {
        places.iter().filter_map(|place| self.view.columns.get(*place)).map(|column| column.name.as_str())
    }

    /// Takes a batch of [`ViewFold::first_columns`] whose first row has this number in its group.
    pub(crate) fn first_pass(&mut self, batch: &RecordBatch, first_row: usize) -> Result<(), OfflineError> {
        let view = self.view.clone();
        let keys =
            view.keys.iter().map(|key| key_column(&view, batch, &key.name)).collect::<Result<Vec<_>, _>>()?;
        let event_times = times(&view, batch, EVENT_TIME)?;
        let available_at = times(&view, batch, AVAILABLE_AT)?;
        let labels = self.labels.clone();
        let mut places = std::mem::take(&mut self.places);
        labels.entities.places(&keys, &mut self.cache, &mut places)?;
        if self.windows.is_empty() {
            for (place, row) in log_rows(&places, event_times, available_at) {
                let visible = self.visible_at(&row);
                if row.entity != NO_ENTITY && !self.latest.refuses(&row, visible) {
                    self.offer(&labels, first_row + place, &row);
                }
            }
        } else {
            self.first_pass_of_windows(batch, first_row, &places, (event_times, available_at))?;
        }
        self.places = places;
        Ok(())
    }

    fn visible_at(&self, row: &LogRow) -> i64 {
        match self.ask.as_of {
            AsOf::Available => row.event_time.max(row.available_at),
            AsOf::Event => row.event_time,
        }
    }

    /// Offers a row to the latest folds, and says which slots it concerns: the first at which it has
    /// happened, and the first at which it is visible.
    fn offer(&mut self, labels: &Labels, place: usize, row: &LogRow) -> (usize, usize) {
        let slots = labels.slots_of(row.entity);
        let visible = labels.first_at(&slots, self.visible_at(row));
        let candidate = |slot: usize, hidden: bool| Candidate {
            place: place as u32,
            slot: slot as u32,
            hidden,
            row: *row,
        };
        if self.latest.takes(labels, row, &slots, visible) {
            self.candidates.push(candidate(visible, false));
        }
        let before = visible.checked_sub(1).filter(|before| *before >= slots.start);
        let is_hidden =
            before.and_then(|before| labels.times.get(before)).is_some_and(|label| *label >= row.event_time);
        if !is_hidden {
            return (visible, visible);
        }
        let happened = labels.first_at(&slots, row.event_time);
        if self.ask.leaks && self.hidden.takes(labels, row, &slots, happened) {
            self.candidates.push(candidate(happened, true));
        }
        (happened, visible)
    }

    fn first_pass_of_windows(
        &mut self,
        batch: &RecordBatch,
        first_row: usize,
        places: &[u32],
        (event_times, available_at): (&[i64], &[i64]),
    ) -> Result<(), OfflineError> {
        let view = self.view.clone();
        let labels = self.labels.clone();
        let deleted = booleans(&view, batch, DELETED)?;
        let positions = self.ordered.then(|| Positions::of(&view, batch)).transpose()?;
        let columns = self
            .arguments
            .iter()
            .filter_map(|place| view.columns.get(*place).map(|c| (*place, column(&view, batch, &c.name))))
            .map(|(place, array)| Ok((place, array?)))
            .collect::<Result<Vec<_>, OfflineError>>()?;
        let arguments: Vec<Argument> =
            self.windows.iter().map(|fold| fold.argument(&columns)).collect::<Result<_, _>>()?;
        for (place, row) in log_rows(places, event_times, available_at) {
            if row.entity == NO_ENTITY {
                continue;
            }
            let (happened, visible) = self.offer(&labels, first_row + place, &row);
            if deleted.value(place) {
                continue;
            }
            let offer = Offer {
                entity: labels.slots_of(row.entity),
                visible,
                happened,
                event_time: moment(&view, row.event_time)?,
                position: positions.as_ref().map(|positions| positions.at(place)).transpose()?,
                row: place,
            };
            for (fold, argument) in self.windows.iter_mut().zip(&arguments) {
                fold.offer(argument, &offer, |time| labels.first_at(&offer.entity, time));
            }
        }
        Ok(())
    }

    /// The rows of the current group whose positions and latest values are wanted, in order.
    pub(crate) fn wanted(&mut self) -> Vec<u32> {
        let Self { candidates, latest, hidden, .. } = self;
        candidates.retain(|candidate| {
            let fold = if candidate.hidden { &*hidden } else { &*latest };
            fold.still_takes(candidate.slot as usize, candidate.row.event_time)
        });
        let mut rows: Vec<u32> = candidates.iter().map(|candidate| candidate.place).collect();
        rows.sort_unstable();
        rows.dedup();
        rows
    }

    /// Takes the [`ViewFold::second_columns`] of the rows that were wanted, and ends the group.
    pub(crate) fn second_pass(&mut self, wanted: &[u32], batch: &RecordBatch) -> Result<(), OfflineError> {
        let view = self.view.clone();
        let positions = Positions::of(&view, batch)?;
        let kept_batch = self.kept.batches();
        for candidate in self.candidates.drain(..) {
            let Ok(row) = wanted.binary_search(&candidate.place) else { continue };
            let winner = Winner {
                event_time: moment(&view, candidate.row.event_time)?,
                available_at: moment(&view, candidate.row.available_at)?,
                position: positions.at(row)?,
                at: Kept { batch: kept_batch, row: row as u32 },
            };
            let fold = if candidate.hidden { &mut self.hidden } else { &mut self.latest };
            fold.settle(candidate.slot as usize, winner);
        }
        let columns = self
            .latest_columns
            .iter()
            .filter_map(|place| view.columns.get(*place))
            .map(|c| column(&view, batch, &c.name))
            .collect::<Result<Vec<_>, _>>()?;
        self.kept.keep(&columns, booleans(&view, batch, DELETED)?)?;
        self.kept.compact(&mut [&mut self.latest, &mut self.hidden])?;
        Ok(())
    }

    /// Adds what another fold has seen of other rows, over the same labels.
    pub(crate) fn merge(&mut self, other: ViewFold) {
        let batches = self.kept.batches();
        self.latest.merge(other.latest, batches);
        self.hidden.merge(other.hidden, batches);
        self.kept.append(other.kept);
        for (fold, other) in self.windows.iter_mut().zip(other.windows) {
            fold.merge(other);
        }
    }

    /// The features at every slot.
    pub(crate) fn finish(self) -> Result<Folded, OfflineError> {
        let Self { view, labels, latest, hidden, kept, windows, ask, latest_columns, .. } = self;
        let slots = labels.len();
        let ranges: Vec<_> = labels.ranges().collect();
        let retained = Retained::new(&view, &labels);
        let winners = retained.only_retained(latest.finish(ranges.iter().cloned()));
        let early = Early::new(retained.only_retained(hidden.finish(ranges.iter().cloned())), &winners);
        let values = kept.values(&winners)?;
        let early_values = if ask.leaks { kept.values(&early.winners)? } else { Vec::new() };
        let mut features: Vec<Option<ArrayRef>> = vec![None; view.features.len()];
        let mut leaked = if ask.leaks { vec![vec![false; slots]; view.features.len()] } else { Vec::new() };
        let alive = Alive { view: &view, labels: &labels };
        let (living, early_living) = (alive.of(&winners), alive.of(&early.winners));
        for (place, feature) in view.features.iter().enumerate() {
            let Fold::Latest { column } = feature.fold else { continue };
            let kept_as = latest_columns.iter().position(|kept| *kept == column);
            let of = |values: &[ArrayRef]| kept_as.and_then(|kept| values.get(kept)).cloned();
            set(&mut features, place, only_where(of(&values), &living)?);
            if let Some(values) = of(&early_values) {
                let filled =
                    early_living.iter().enumerate().map(|(slot, early)| *early && values.is_valid(slot));
                set_row(&mut leaked, place, filled.collect());
            }
        }
        for finished in windows.into_iter().flat_map(|fold| fold.finish(&ranges)) {
            let Some(feature) = view.features.get(finished.feature) else { continue };
            let known: Vec<bool> = winners.iter().map(Option::is_some).collect();
            let values = transform::array_of(&finished.values, feature.data_type);
            set(&mut features, finished.feature, only_where(Some(values), &known)?);
            if ask.leaks {
                // A count is filled by any row that makes its entity known.
                let known_early =
                    known.iter().zip(&early.winners).map(|(known, early)| !known && early.is_some());
                let filled = finished
                    .leaked
                    .iter()
                    .zip(known_early)
                    .map(|(leaked, early)| *leaked || finished.counts && early);
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

/// The rows of a batch, each with its place in it.
fn log_rows<'a>(
    entities: &'a [u32],
    event_times: &'a [i64],
    available_at: &'a [i64],
) -> impl Iterator<Item = (usize, LogRow)> + 'a {
    let rows = entities.iter().zip(event_times).zip(available_at);
    rows.map(|((entity, event), available)| LogRow {
        entity: *entity,
        event_time: *event,
        available_at: *available,
    })
    .enumerate()
}

/// The rows that an event-time join would have taken before they were available: those that are
/// later than the latest visible row, and happened by the label's time.
struct Early {
    winners: Vec<Option<Winner>>,
}

impl Early {
    fn new(mut hidden: Vec<Option<Winner>>, visible: &[Option<Winner>]) -> Self {
        for (early, visible) in hidden.iter_mut().zip(visible) {
            let is_later = |early: &Winner| visible.is_none_or(|visible| early.recency() > visible.recency());
            *early = early.filter(is_later);
        }
        Self { winners: hidden }
    }
}

/// Retention over slots: rows that are older are as if they had never been. It covers the ttl and
/// every window, so it only decides whether an entity is known.
struct Retained<'a> {
    view: &'a View,
    labels: &'a Labels,
}

impl<'a> Retained<'a> {
    fn new(view: &'a View, labels: &'a Labels) -> Self {
        Self { view, labels }
    }

    /// The winners that are still kept at their label's time.
    fn only_retained(&self, mut winners: Vec<Option<Winner>>) -> Vec<Option<Winner>> {
        let Some(online) = self.view.retention.and_then(|retention| retention.online) else { return winners };
        for (winner, at) in winners.iter_mut().zip(&self.labels.times) {
            let is_kept = |winner: &Winner| {
                Micros::new(*at).is_ok_and(|at| is_kept(Some(online), winner.event_time, at))
            };
            *winner = winner.filter(is_kept);
        }
        winners
    }
}

/// Law 3 over slots.
struct Alive<'a> {
    view: &'a View,
    labels: &'a Labels,
}

impl Alive<'_> {
    /// For each slot, whether it has a living winner.
    fn of(&self, winners: &[Option<Winner>]) -> Vec<bool> {
        let is_alive = |winner: &Winner, at: i64| {
            Micros::new(at).is_ok_and(|at| is_alive(self.view.ttl, winner.event_time, at))
        };
        winners
            .iter()
            .zip(&self.labels.times)
            .map(|(winner, at)| winner.as_ref().is_some_and(|winner| is_alive(winner, *at)))
            .collect()
    }
}

/// A key column as it was read: a dictionary stays one.
fn key_column(view: &View, batch: &RecordBatch, name: &feature::Name) -> Result<ArrayRef, OfflineError> {
    match batch.column_by_name(name.as_str()) {
        Some(array) if matches!(array.data_type(), arrow::datatypes::DataType::Dictionary(..)) => {
            Ok(array.clone())
        }
        _ => column(view, batch, name),
    }
}

fn only_where(values: Option<ArrayRef>, keep: &[bool]) -> Result<Option<ArrayRef>, OfflineError> {
    let dead: BooleanArray = keep.iter().map(|keep| Some(!keep)).collect();
    Ok(values.map(|values| arrow::compute::nullif(&values, &dead)).transpose()?)
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
