//! The rows that an event-time join would have leaked: those that have happened by a label and are not
//! yet visible at it. They are few where rows arrive soon, so only the slots that have one take memory.

use std::hash::BuildHasher;
use std::ops::Range;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::join::kept_rows::{Kept, KeptRows};
use crate::join::latest;

/// The latest hidden rows of the slots that have any.
#[derive(Debug, Default)]
pub(crate) struct Hidden {
    slots: HashTable<Slot>,
    hasher: DefaultHashBuilder,
}

/// What the first slot at which rows have happened was offered.
#[derive(Clone, Copy, Debug)]
struct Slot {
    index: u32,
    best: i64,
    newest: Kept,
}

impl Hidden {
    /// Whether a row may be the best of the first slot at which it has happened, by its event time.
    pub(crate) fn takes(&mut self, slot: u32, event_time: i64) -> bool {
        let slot = self.slot(slot);
        let takes = event_time >= slot.best;
        slot.best = slot.best.max(event_time);
        takes
    }

    /// Whether a row of this event time is still the best of a slot, or ties with it.
    pub(crate) fn still_takes(&self, slot: u32, event_time: i64) -> bool {
        let found = self.slots.find(self.hasher.hash_one(slot), |other| other.index == slot);
        found.is_some_and(|slot| event_time >= slot.best)
    }

    /// Gives a slot to a kept row where it is later than the one that holds it.
    pub(crate) fn settle(&mut self, slot: u32, row: Kept, kept: &KeptRows) {
        let slot = self.slot(slot);
        if kept.recency(row) > kept.recency(slot.newest) {
            slot.newest = row;
        }
    }

    /// Takes the better row of each slot from another, whose rows `kept` has taken over behind these
    /// `batches`.
    pub(crate) fn merge(&mut self, other: Hidden, kept: &KeptRows, batches: u32) {
        for slot in other.slots.into_iter().filter(|slot| !slot.newest.is_none()) {
            self.settle(slot.index, slot.newest.behind(batches), kept);
        }
    }

    /// Every row that holds a slot, to be moved.
    pub(crate) fn kept(&mut self) -> impl Iterator<Item = &mut Kept> {
        self.slots.iter_mut().map(|slot| &mut slot.newest).filter(|newest| !newest.is_none())
    }

    /// The latest hidden row of every slot.
    pub(crate) fn finish(
        self,
        slots: usize,
        entities: impl Iterator<Item = Range<usize>>,
        kept: &KeptRows,
    ) -> Vec<Kept> {
        let mut winners = vec![Kept::NONE; slots];
        for slot in self.slots {
            if let Some(winner) = winners.get_mut(slot.index as usize) {
                *winner = slot.newest;
            }
        }
        latest::run(&mut winners, entities, kept);
        winners
    }

    fn slot(&mut self, index: u32) -> &mut Slot {
        let hasher = &self.hasher;
        let new = Slot { index, best: i64::MIN, newest: Kept::NONE };
        self.slots
            .entry(hasher.hash_one(index), |slot| slot.index == index, |slot| hasher.hash_one(slot.index))
            .or_insert(new)
            .into_mut()
    }
}
