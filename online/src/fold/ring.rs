//! The tiles of one argument and hop, oldest first, and only those that hold something.

use std::collections::VecDeque;

use feature::{Row, State, Value};

use crate::packed::RingPlan;

/// The tiles of one argument and hop.
#[derive(Clone, Debug, Default)]
pub(super) struct Ring {
    pub(super) tiles: VecDeque<Tile>,
}

/// The rows of one hop; at least one of them added something.
#[derive(Clone, Debug)]
pub(super) struct Tile {
    pub(super) number: i64,
    /// One for each of the ring's components.
    pub(super) states: Vec<State>,
}

impl Ring {
    /// Drops the tiles before this one: no window reaches them any more.
    pub(super) fn turn(&mut self, oldest: i64) {
        while self.tiles.front().is_some_and(|tile| tile.number < oldest) {
            self.tiles.pop_front();
        }
    }

    /// Adds a row's value to the tile of this number.
    pub(super) fn add(&mut self, plan: &RingPlan, number: i64, value: &Value, row: &Row) {
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
    pub(super) fn since(&self, tail: i64) -> impl Iterator<Item = &Tile> {
        self.tiles.iter().rev().take_while(move |tile| tile.number >= tail)
    }
}
