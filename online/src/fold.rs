//! The fold of one entity's rows as it changes: what a writer keeps between two packed rows. Rows go
//! in, in any order; laws 2, 4, 5 and 6 decide what becomes of them.

mod packing;
mod unpacking;
mod weight;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use feature::{Answer, AsOf, Contradiction, Micros, Position, Row, State, Times, Value};

use crate::answer::{self, Folded};
use crate::packed::{LatestSlot, Layout, PENDING_BOUND, RingPlan};
use crate::positions::Positions;

/// The outcome for a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Applied {
    /// It counts from now on.
    Folded,
    /// It waits until it is visible.
    Pending,
    /// It was folded before: nothing changed.
    PassedOver,
    /// [`PENDING_BOUND`] rows wait already: it is a bad row, and nothing changed.
    Refused,
}

/// The fold of one entity's rows in one view version.
#[derive(Clone, Debug)]
pub struct RowState {
    layout: Arc<Layout>,
    latest: Option<Latest>,
    /// One for each of the layout's rings.
    rings: Vec<Ring>,
    positions: Positions,
    /// By `visible_at`, then position.
    pending: Vec<Row>,
    applied_at: Option<Micros>,
}

/// The latest folded row.
#[derive(Clone, Debug)]
struct Latest {
    times: Times,
    position: Position,
    /// One for each of the layout's latest slots; all null for a tombstone.
    values: Vec<Value>,
}

impl RowState {
    /// The fold of no rows.
    pub fn new(layout: &Arc<Layout>) -> Self {
        Self {
            layout: Arc::clone(layout),
            latest: None,
            rings: layout.rings.iter().map(|_| Ring::default()).collect(),
            positions: Positions::default(),
            pending: Vec::new(),
            applied_at: None,
        }
    }

    /// Folds a row of a stream at `now`, unless it was folded before: its partition's offsets come in
    /// their order, so what lies at or below the one held is a replay.
    pub fn apply(&mut self, row: &Row, now: Micros) -> Applied {
        if self.is_folded(row.position) { Applied::PassedOver } else { self.fold(row, now) }
    }

    /// Folds a row of the log at `now`: each row of one version of the log once, in any order, into a
    /// state that began empty. Rows of history come in this way alone.
    pub fn fold(&mut self, row: &Row, now: Micros) -> Applied {
        self.fold_what_became_visible(now);
        if row.visible_at(AsOf::Available) <= now {
            self.fold_visible(row);
        } else if self.pending.len() < PENDING_BOUND {
            let index = self.pending.partition_point(|other| waits_until(other) < waits_until(row));
            self.pending.insert(index, row.clone());
        } else {
            return Applied::Refused;
        }
        self.positions.note(row.position);
        if row.visible_at(AsOf::Available) <= now { Applied::Folded } else { Applied::Pending }
    }

    /// Notes a visible row that happened longer before another one, folded or still to be folded, than
    /// [`Layout::reach`] says: [`RowState::fold`] would change nothing but positions.
    pub fn pass_over(&mut self, position: Position) {
        self.positions.note(position);
    }

    /// Whether a streamed row was folded before.
    pub fn is_folded(&self, position: Position) -> bool {
        self.positions.holds(position)
    }

    /// What was folded; rows that wait count as folded.
    pub fn positions(&self) -> &Positions {
        &self.positions
    }

    /// Notes that all of the entity's rows in the log at this version were folded.
    pub fn set_history(&mut self, version: u64) {
        self.positions.set_history(version);
    }

    /// Notes that no stream writes this view: its rows came from the log alone, also those whose positions are those of
    /// a stream that another view follows.
    pub fn forget_partitions(&mut self) {
        self.positions.forget_partitions();
    }

    /// The rows that wait to become visible.
    pub fn pending(&self) -> &[Row] {
        &self.pending
    }

    /// The greatest `visible_at` of the rows that left no choice any more: those folded, and not
    /// pending, since this state was made or read. Once the row is written, the view's applied time is
    /// at least that.
    pub fn applied_at(&self) -> Option<Micros> {
        self.applied_at
    }

    /// All features of the view at a moment that is not before the view's applied time.
    pub fn answer(&self, at: Micros) -> Answer {
        let Ok(answer) = answer::all(self, at);
        answer
    }

    fn fold_what_became_visible(&mut self, now: Micros) {
        let visible = self.pending.partition_point(|row| row.visible_at(AsOf::Available) <= now);
        if visible > 0 {
            let rows: Vec<Row> = self.pending.drain(..visible).collect();
            rows.iter().for_each(|row| self.fold_visible(row));
        }
    }

    fn fold_visible(&mut self, row: &Row) {
        self.applied_at = self.applied_at.max(Some(row.visible_at(AsOf::Available)));
        let head = self.latest.as_ref().map(|latest| latest.times.event_time);
        let recency = self.latest.as_ref().map(|latest| (latest.times.event_time, latest.position));
        if recency.is_none_or(|recency| recency < row.recency()) {
            self.become_latest(row);
        }
        let head = head.max(Some(row.event_time)).filter(|new| Some(*new) != head);
        for (ring, plan) in self.rings.iter_mut().zip(&self.layout.rings) {
            if let Some(head) = head {
                ring.turn(plan.oldest(head));
            }
            let Some(latest) = &self.latest else { continue };
            if let Some(value) = plan.argument_of(row) {
                let tile = plan.tile(row.event_time);
                if tile >= plan.oldest(latest.times.event_time) {
                    ring.add(plan, tile, value, row);
                }
            }
        }
    }

    fn become_latest(&mut self, row: &Row) {
        let times = Times { event_time: row.event_time, available_at: row.available_at };
        let latest = self.latest.get_or_insert_with(|| Latest {
            times,
            position: row.position,
            values: vec![Value::Null; self.layout.latest.len()],
        });
        latest.times = times;
        latest.position = row.position;
        for (value, slot) in latest.values.iter_mut().zip(&self.layout.latest) {
            *value = match row.values.get(slot.column) {
                Some(new) if !row.deleted => new.clone(),
                _ => Value::Null,
            };
        }
    }
}

/// The tiles of one argument and hop, oldest first, and only those that hold something.
#[derive(Clone, Debug, Default)]
struct Ring {
    tiles: VecDeque<Tile>,
}

/// The rows of one hop; at least one of them added something.
#[derive(Clone, Debug)]
struct Tile {
    number: i64,
    /// One for each of the ring's components.
    states: Vec<State>,
}

impl Ring {
    /// Drops the tiles before this one: no window reaches them any more.
    fn turn(&mut self, oldest: i64) {
        while self.tiles.front().is_some_and(|tile| tile.number < oldest) {
            self.tiles.pop_front();
        }
    }

    /// Adds a row's value to the tile of this number.
    fn add(&mut self, plan: &RingPlan, number: i64, value: &Value, row: &Row) {
        let index = match self.tiles.back() {
            Some(newest) if newest.number == number => self.tiles.len() - 1,
            Some(newest) if newest.number > number => self.tiles.partition_point(|tile| tile.number < number),
            _ => self.tiles.len(),
        };
        if self.tiles.get(index).is_none_or(|tile| tile.number != number) {
            let states = plan.components.iter().map(|part| part.component.identity(plan.argument));
            self.tiles.insert(index, Tile { number, states: states.collect() });
        }
        if let Some(tile) = self.tiles.get_mut(index) {
            tile.states.iter_mut().for_each(|state| state.add(value, row.event_time, row.position));
        }
    }

    /// The tiles from this number on.
    fn since(&self, tail: i64) -> impl Iterator<Item = &Tile> {
        self.tiles.iter().rev().take_while(move |tile| tile.number >= tail)
    }
}

fn waits_until(row: &Row) -> (Micros, Position) {
    (row.visible_at(AsOf::Available), row.position)
}

impl Folded for RowState {
    type Error = Infallible;

    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn times(&self) -> Result<Option<Times>, Infallible> {
        Ok(self.latest.as_ref().map(|latest| latest.times))
    }

    fn latest_value(&self, index: usize, _: &LatestSlot) -> Result<Value, Infallible> {
        let value = self.latest.as_ref().and_then(|latest| latest.values.get(index));
        Ok(value.cloned().unwrap_or(Value::Null))
    }

    fn check(&self) -> Result<(), Infallible> {
        Ok(())
    }

    fn finished(&self, value: Result<Value, Contradiction>) -> Result<Value, Infallible> {
        Ok(value.expect("invariant: the states of a fold are those of its rows"))
    }

    fn merge(&self, ring: usize, part: usize, tail: i64, into: &mut State) -> Result<(), Infallible> {
        for tile in self.rings.get(ring).into_iter().flat_map(|ring| ring.since(tail)) {
            if let Some(state) = tile.states.get(part) {
                into.merge(state);
            }
        }
        Ok(())
    }

    fn with_pending<T>(&self, use_them: impl FnOnce(Option<Position>, &[Row]) -> T) -> Result<T, Infallible> {
        Ok(use_them(self.latest.as_ref().map(|latest| latest.position), &self.pending))
    }
}

#[cfg(test)]
mod tests;
