//! All features of one view over one pass of its log.
//!
//! A group of rows is read twice: first the keys, the times and what aggregates need of every row;
//! then the positions and latest values of the few rows that may hold a slot.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use feature::{AsOf, Fold, Name, View};

use crate::error::OfflineError;
use crate::join::folded::Folded;
use crate::join::hidden::Hidden;
use crate::join::kept_rows::{Kept, KeptRows, RowFacts};
use crate::join::labels::{DictionaryCache, Labels, NO_ENTITY};
use crate::join::latest::{Best, LatestFold, LogRow};
use crate::join::passes::Passes;
use crate::join::windows::{self, Argument, Offer, WindowFold};
use crate::log::columns::{AVAILABLE_AT, DELETED, EVENT_TIME, POSITION_KIND, POSITION_MAJOR, POSITION_MINOR};
use crate::log::rows::{Positions, booleans, column, moment, times};

/// Rows whose searches for their slots are interleaved.
const BLOCK_ROWS: usize = 512;

/// Options of a fold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    /// Which rows a label may see.
    pub(crate) as_of: AsOf,
    /// Whether to find the cells that an event-time join would have leaked.
    pub(crate) leaks: bool,
}

/// One view's folds while its log streams by.
pub(crate) struct ViewFold {
    view: Arc<View>,
    labels: Arc<Labels>,
    ask: Ask,
    latest: LatestFold,
    /// Of the rows that some label after their event does not see yet, the latest ones.
    hidden: Hidden,
    kept: KeptRows,
    windows: Vec<WindowFold>,
    /// A label so long after a row, or longer, has it in no window.
    reach: i64,
    /// The view's columns whose latest values are features, in the order in which they are kept.
    latest_columns: Vec<usize>,
    /// The view's columns that aggregates take.
    arguments: Vec<usize>,
    /// Whether aggregates need the order of rows.
    ordered: bool,
    candidates: Vec<Candidate>,
    block: Vec<Offered>,
    indices: Vec<u32>,
    cache: DictionaryCache,
}

/// A row of the current group that may hold a slot.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    /// Its number in the group.
    index: u32,
    slot: u32,
    hidden: bool,
    row: LogRow,
}

/// A row whose entity the spine has.
struct Offered {
    /// Its number in the group.
    index: usize,
    row: LogRow,
    /// The slots of its entity.
    slots: Range<usize>,
    /// The first of them at which it is visible.
    visible: usize,
    /// The first of them at which it has happened.
    happened: usize,
}

/// What aggregates need of the rows of a batch.
struct WindowValues<'a> {
    deleted: &'a BooleanArray,
    positions: Option<Positions<'a>>,
    /// One for each fold.
    arguments: Vec<Argument>,
}

impl ViewFold {
    /// No rows yet. All folds that are merged share what is best of their slots.
    pub(crate) fn new(view: Arc<View>, labels: Arc<Labels>, best: Arc<Best>, ask: Ask) -> Self {
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
            .filter_map(|index| view.columns.get(*index))
            .map(|column| Field::new(column.name.as_str(), transform::arrow_type(column.data_type), true))
            .collect();
        let windows = windows::folds(&view, labels.len());
        Self {
            latest: LatestFold::new(&labels, best),
            hidden: Hidden::default(),
            kept: KeptRows::new(Arc::new(Schema::new(fields)), labels.len()),
            reach: windows.iter().map(WindowFold::reach).max().unwrap_or(0),
            windows,
            view,
            labels,
            ask,
            latest_columns,
            arguments,
            ordered,
            candidates: Vec::new(),
            block: Vec::new(),
            indices: Vec::new(),
            cache: DictionaryCache::default(),
        }
    }

    fn names<'a>(&'a self, indices: &'a [usize]) -> impl Iterator<Item = &'a str> {
        indices.iter().filter_map(|index| self.view.columns.get(*index)).map(|column| column.name.as_str())
    }

    /// Offers a few rows to the latest folds, step by step for all of them: what a step of one row waits
    /// for from memory is fetched while those of the others are.
    fn first_pass_of_block(
        &mut self,
        labels: &Labels,
        first_row: usize,
        rows: impl Iterator<Item = (usize, LogRow)>,
    ) {
        let mut block = std::mem::take(&mut self.block);
        block.clear();
        for (index, row) in rows {
            if row.entity != NO_ENTITY && !self.latest.refuses(&row, self.reach) {
                block.push(Offered { index: first_row + index, row, slots: 0..0, visible: 0, happened: 0 });
            }
        }
        for offered in &mut block {
            offered.slots = labels.slots_of(offered.row.entity);
        }
        std::hint::black_box(labels.touch(block.iter().map(|offered| &offered.slots)));
        for offered in &mut block {
            offered.visible = labels.first_at(&offered.slots, offered.row.visible_at);
        }
        std::hint::black_box(self.latest.touch(block.iter().map(|offered| offered.visible)));
        for offered in &mut block {
            offered.happened = self.offer(labels, offered);
        }
        self.block = block;
    }

    /// Offers a row to the latest folds, and gives the first slot at which it has happened.
    fn offer(&mut self, labels: &Labels, offered: &Offered) -> usize {
        let Offered { index, row, slots, visible, .. } = offered;
        let (index, visible) = (*index, *visible);
        let candidate = |slot: usize, hidden: bool| Candidate {
            index: index as u32,
            slot: slot as u32,
            hidden,
            row: *row,
        };
        if self.latest.takes(labels, row, slots, visible) {
            self.candidates.push(candidate(visible, false));
        }
        let before = visible.checked_sub(1).filter(|before| *before >= slots.start);
        let is_hidden =
            before.and_then(|before| labels.times.get(before)).is_some_and(|label| *label >= row.event_time);
        if !is_hidden {
            return visible;
        }
        let happened = labels.first_at(slots, row.event_time);
        if self.ask.leaks && self.hidden.takes(happened as u32, row.event_time) {
            self.candidates.push(candidate(happened, true));
        }
        happened
    }

    /// What the aggregates need of the rows of a batch; `None` if there are no aggregates.
    fn window_values<'a>(
        &self,
        view: &'a View,
        batch: &'a RecordBatch,
    ) -> Result<Option<WindowValues<'a>>, OfflineError> {
        if self.windows.is_empty() {
            return Ok(None);
        }
        let read = |index: &usize| {
            let named = view.columns.get(*index)?;
            Some(column(view, batch, &named.name).map(|array| (*index, array)))
        };
        let columns = self.arguments.iter().filter_map(read).collect::<Result<Vec<_>, _>>()?;
        Ok(Some(WindowValues {
            deleted: booleans(view, batch, DELETED)?,
            positions: self.ordered.then(|| Positions::of(view, batch)).transpose()?,
            arguments: self.windows.iter().map(|fold| fold.argument(&columns)).collect::<Result<_, _>>()?,
        }))
    }

    /// Offers the rows of the current block to the aggregates.
    fn offer_to_windows(
        &mut self,
        labels: &Labels,
        first_row: usize,
        values: &WindowValues<'_>,
    ) -> Result<(), OfflineError> {
        for Offered { index, row, slots, visible, happened } in &self.block {
            let index = index - first_row;
            if values.deleted.value(index) {
                continue;
            }
            let offer = Offer {
                entity: slots.clone(),
                visible: *visible,
                happened: *happened,
                event_time: moment(&self.view, row.event_time)?,
                position: values.positions.as_ref().map(|positions| positions.at(index)).transpose()?,
                row: index,
            };
            for (fold, argument) in self.windows.iter_mut().zip(&values.arguments) {
                fold.offer(argument, &offer, |time| labels.first_at(&offer.entity, time));
            }
        }
        Ok(())
    }

    /// Adds what another fold has seen of other rows, over the same labels.
    pub(crate) fn merge(&mut self, other: ViewFold) {
        let batches = self.kept.batches();
        self.kept.append(other.kept);
        self.latest.merge(other.latest, &self.kept, batches);
        self.hidden.merge(other.hidden, &self.kept, batches);
        for (fold, other) in self.windows.iter_mut().zip(other.windows) {
            fold.merge(other);
        }
    }

    /// The features at every slot.
    pub(crate) fn finish(self) -> Result<Folded, OfflineError> {
        let Self { view, labels, latest, hidden, kept, windows, ask, latest_columns, .. } = self;
        let winners = latest.finish(labels.ranges(), &kept);
        let early = ask.leaks.then(|| hidden.finish(labels.len(), labels.ranges(), &kept));
        let mut folded = Folded::new(view, labels, latest_columns, kept).with_winners(winners, early);
        folded.add_windows(windows)?;
        Ok(folded)
    }
}

impl Passes for ViewFold {
    const SECOND_ROWS: Option<usize> = None;

    fn dictionaries(&self) -> Vec<&str> {
        self.view.keys.iter().map(|key| key.name.as_str()).collect()
    }

    fn first_columns(&self) -> Vec<&str> {
        let mut columns = self.dictionaries();
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

    fn second_columns(&self) -> Vec<&str> {
        let mut columns = vec![POSITION_KIND, POSITION_MAJOR, POSITION_MINOR, DELETED];
        columns.extend(self.names(&self.latest_columns));
        columns
    }

    fn first_pass(&mut self, batch: &RecordBatch, first_row: usize) -> Result<(), OfflineError> {
        let (view, labels) = (self.view.clone(), self.labels.clone());
        let keys =
            view.keys.iter().map(|key| key_column(&view, batch, &key.name)).collect::<Result<Vec<_>, _>>()?;
        let event_times = times(&view, batch, EVENT_TIME)?;
        let available_at = times(&view, batch, AVAILABLE_AT)?;
        let mut indices = std::mem::take(&mut self.indices);
        labels.entities.indices(&keys, &mut self.cache, &mut indices)?;
        let as_of = self.ask.as_of;
        let rows = indices.iter().zip(event_times).zip(available_at).enumerate();
        let rows = rows
            .map(|(index, ((entity, event), available))| (index, row(as_of, *entity, *event, *available)));
        let values = self.window_values(&view, batch)?;
        // The newest rows of a batch mostly come last; once they are known, the others lose.
        let mut rows = rows.rev();
        while rows.len() > 0 {
            self.first_pass_of_block(&labels, first_row, rows.by_ref().take(BLOCK_ROWS));
            if let Some(values) = &values {
                self.offer_to_windows(&labels, first_row, values)?;
            }
        }
        self.indices = indices;
        Ok(())
    }

    fn wanted(&mut self) -> Vec<u32> {
        let Self { candidates, latest, hidden, .. } = self;
        candidates.retain(|Candidate { slot, row, hidden: is_hidden, .. }| match is_hidden {
            true => hidden.still_takes(*slot, row.event_time),
            false => latest.still_takes(*slot as usize, row.event_time),
        });
        candidates.sort_unstable_by_key(|candidate| candidate.index);
        let mut rows: Vec<u32> = candidates.iter().map(|candidate| candidate.index).collect();
        rows.dedup();
        rows
    }

    fn second_pass(&mut self, batch: &RecordBatch) -> Result<(), OfflineError> {
        let view = self.view.clone();
        let columns = self
            .latest_columns
            .iter()
            .filter_map(|index| view.columns.get(*index))
            .map(|c| column(&view, batch, &c.name))
            .collect::<Result<Vec<_>, _>>()?;
        let candidates = std::mem::take(&mut self.candidates);
        let facts = facts(&view, batch, &candidates)?;
        let kept_batch = self.kept.batches();
        self.kept.keep(&columns, booleans(&view, batch, DELETED)?, facts)?;
        for (row, same) in of_rows(&candidates).enumerate() {
            let row = Kept { batch: kept_batch, row: row as u32 };
            for Candidate { slot, hidden, .. } in same {
                match hidden {
                    true => self.hidden.settle(*slot, row, &self.kept),
                    false => self.latest.settle(*slot as usize, row, &self.kept),
                }
            }
        }
        self.candidates = candidates;
        self.candidates.clear();
        if self.kept.is_crowded() {
            self.kept.compact(self.latest.kept().chain(self.hidden.kept()))?;
        }
        Ok(())
    }
}

#[inline]
fn row(as_of: AsOf, entity: u32, event_time: i64, available_at: i64) -> LogRow {
    let visible_at = match as_of {
        AsOf::Available => event_time.max(available_at),
        AsOf::Event => event_time,
    };
    LogRow { entity, event_time, available_at, visible_at }
}

/// The candidates of each row that is wanted, by their order in the group.
fn of_rows(candidates: &[Candidate]) -> impl Iterator<Item = &[Candidate]> {
    candidates.chunk_by(|one, next| one.index == next.index)
}

/// What is known of the rows that were wanted, in their order.
fn facts(view: &View, batch: &RecordBatch, candidates: &[Candidate]) -> Result<Vec<RowFacts>, OfflineError> {
    let positions = Positions::of(view, batch)?;
    let rows = of_rows(candidates).filter_map(<[Candidate]>::first).enumerate();
    rows.map(|(row, Candidate { row: read, .. })| {
        let (event_time, available_at) = (moment(view, read.event_time)?, moment(view, read.available_at)?);
        Ok(RowFacts { event_time, available_at, position: positions.at(row)? })
    })
    .collect()
}

/// A key column as it was read: a dictionary stays one.
fn key_column(view: &View, batch: &RecordBatch, name: &Name) -> Result<ArrayRef, OfflineError> {
    match batch.column_by_name(name.as_str()) {
        Some(array) if matches!(array.data_type(), DataType::Dictionary(..)) => Ok(array.clone()),
        _ => column(view, batch, name),
    }
}
