//! Law 2 at every label: the visible row with the greatest (event time, position).
//!
//! A row is offered to the first slot from which on it is visible; when all rows have been offered,
//! each slot takes the better of its own row and the one before it. Beside each entity lies the
//! interval between labels that it was last asked about: while the log is read newest first, nearly
//! every row is refused by that one line.

use std::ops::Range;

use crate::join::kept_rows::{Kept, KeptRows};
use crate::join::labels::Labels;

/// The event time of a slot that has no row.
const NONE: i64 = i64::MIN;

/// A row of the log whose entity the spine has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogRow {
    /// The place of its entity.
    pub(crate) entity: u32,
    /// When it happened, in microseconds.
    pub(crate) event_time: i64,
    /// When it could first have been read, in microseconds.
    pub(crate) available_at: i64,
    /// From when on it counts, in microseconds.
    pub(crate) visible_at: i64,
}

/// The interval between two labels that an entity was last asked about: rows that happened after
/// the one and are visible by the other lose where they are older than the best.
#[derive(Clone, Copy, Debug)]
struct Recent {
    after: i64,
    until: i64,
    best: i64,
}

/// What one slot was offered.
#[derive(Clone, Copy, Debug)]
struct Slot {
    /// The event time of the best row.
    best: i64,
    /// That row, once its values are kept.
    held: Kept,
}

/// The latest rows of all slots while the log streams by.
#[derive(Debug)]
pub(crate) struct LatestFold {
    recent: Vec<Recent>,
    slots: Vec<Slot>,
}

impl LatestFold {
    /// No rows yet.
    pub(crate) fn new(labels: &Labels) -> Self {
        // An interval that no row lies in.
        let nothing = Recent { after: i64::MAX, until: i64::MIN, best: NONE };
        Self {
            recent: vec![nothing; labels.entities.len()],
            slots: vec![Slot { best: NONE, held: Kept::NONE }; labels.len()],
        }
    }

    /// Whether the row wins nothing and happened after every label that does not see it; a row for
    /// which this is false may still lose.
    #[inline]
    pub(crate) fn refuses(&self, row: &LogRow) -> bool {
        match self.recent.get(row.entity as usize) {
            Some(recent) => {
                row.event_time > recent.after
                    && row.visible_at <= recent.until
                    && row.event_time < recent.best
            }
            None => true,
        }
    }

    /// Reads what is held of these slots, so that it is near when rows are offered to them.
    pub(crate) fn touch(&self, slots: impl Iterator<Item = usize>) -> i64 {
        slots.filter_map(|slot| self.slots.get(slot)).fold(0, |all, slot| all ^ slot.best)
    }

    /// Whether a row may be the best of its first slot, by its event time. Ties are for
    /// [`LatestFold::settle`] to decide.
    pub(crate) fn takes(&mut self, labels: &Labels, row: &LogRow, slots: &Range<usize>, slot: usize) -> bool {
        let event_time = row.event_time;
        let label = |slot: usize| labels.times.get(slot).copied();
        let after = slot.checked_sub(1).filter(|before| *before >= slots.start).and_then(label);
        let mut recent = Recent { after: after.unwrap_or(i64::MIN), until: i64::MAX, best: i64::MAX };
        let mut takes = false;
        if slot < slots.end
            && let Some(offered) = self.slots.get_mut(slot)
        {
            takes = event_time >= offered.best;
            offered.best = event_time.max(offered.best);
            recent.until = label(slot).unwrap_or(i64::MAX);
            recent.best = offered.best;
        }
        if let Some(held) = self.recent.get_mut(row.entity as usize) {
            *held = recent;
        }
        takes
    }

    /// Whether a row of this event time is still the best of a slot, or ties with it.
    pub(crate) fn still_takes(&self, slot: usize, event_time: i64) -> bool {
        self.slots.get(slot).is_some_and(|slot| event_time >= slot.best)
    }

    /// Gives a slot to a kept row where it is later than the one that holds it.
    pub(crate) fn settle(&mut self, slot: usize, row: Kept, kept: &KeptRows) {
        if let Some(slot) = self.slots.get_mut(slot)
            && kept.recency(row) > kept.recency(slot.held)
        {
            slot.held = row;
        }
    }

    /// Takes the better row of each slot from another fold over the same labels, whose rows `kept` has
    /// taken over behind these `batches`.
    pub(crate) fn merge(&mut self, other: LatestFold, kept: &KeptRows, batches: u32) {
        for (place, slot) in other.slots.into_iter().enumerate() {
            if !slot.held.is_none() {
                self.settle(place, slot.held.behind(batches), kept);
            }
        }
    }

    /// Every row that holds a slot, to be moved.
    pub(crate) fn kept(&mut self) -> impl Iterator<Item = &mut Kept> {
        self.slots.iter_mut().map(|slot| &mut slot.held).filter(|held| !held.is_none())
    }

    /// The winner of every slot.
    pub(crate) fn finish(self, entities: impl Iterator<Item = Range<usize>>, kept: &KeptRows) -> Vec<Kept> {
        let mut winners: Vec<Kept> = self.slots.into_iter().map(|slot| slot.held).collect();
        run(&mut winners, entities, kept);
        winners
    }
}

/// Gives each slot the latest of its own row and those of the slots of its entity before it.
pub(crate) fn run(winners: &mut [Kept], entities: impl Iterator<Item = Range<usize>>, kept: &KeptRows) {
    for range in entities {
        let mut best = Kept::NONE;
        for slot in winners.get_mut(range).unwrap_or_default() {
            if best.is_none() || (!slot.is_none() && kept.recency(*slot) > kept.recency(best)) {
                best = *slot;
            }
            *slot = best;
        }
    }
}
