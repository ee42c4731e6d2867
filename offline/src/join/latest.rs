//! Law 2 at every label: the visible row with the greatest (event time, position).
//!
//! A row is offered to the first slot from which on it is visible; when all rows have been offered,
//! each slot takes the better of its own row and the one before it. Beside each entity lies the
//! interval between labels that it was last asked about: while the log is read newest first, nearly
//! every row is refused by that one line.

use std::ops::Range;

use feature::{Micros, Position};

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
}

/// The row that is best for one slot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Winner {
    pub(crate) event_time: Micros,
    pub(crate) available_at: Micros,
    pub(crate) position: Position,
    /// Where its values are kept.
    pub(crate) at: Kept,
}

/// A row among those whose values are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) batch: u32,
    pub(crate) row: u32,
}

impl Winner {
    /// Law 2: the order that decides which row is the latest.
    pub(crate) fn recency(&self) -> (Micros, Position) {
        (self.event_time, self.position)
    }
}

/// The interval between two labels that an entity was last asked about: rows that happened after
/// the one and are visible by the other lose where they are older than the best.
#[derive(Clone, Copy, Debug)]
struct Recent {
    after: i64,
    until: i64,
    best: i64,
}

/// The latest rows of all slots while the log streams by.
#[derive(Debug)]
pub(crate) struct LatestFold {
    recent: Vec<Recent>,
    /// For each slot the event time of the best row that was offered.
    best: Vec<i64>,
    winners: Vec<Option<Winner>>,
}

impl LatestFold {
    /// No rows yet.
    pub(crate) fn new(labels: &Labels) -> Self {
        // An interval that no row lies in.
        let nothing = Recent { after: i64::MAX, until: i64::MIN, best: NONE };
        Self {
            recent: vec![nothing; labels.entities.len()],
            best: vec![NONE; labels.len()],
            winners: vec![None; labels.len()],
        }
    }

    /// Whether the row wins nothing and happened after every label that does not see it; a row for
    /// which this is false may still lose.
    #[inline]
    pub(crate) fn refuses(&self, row: &LogRow, visible_at: i64) -> bool {
        match self.recent.get(row.entity as usize) {
            Some(recent) => {
                row.event_time > recent.after && visible_at <= recent.until && row.event_time < recent.best
            }
            None => true,
        }
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
            && let Some(best) = self.best.get_mut(slot)
        {
            takes = event_time >= *best;
            *best = event_time.max(*best);
            recent.until = label(slot).unwrap_or(i64::MAX);
            recent.best = *best;
        }
        if let Some(held) = self.recent.get_mut(row.entity as usize) {
            *held = recent;
        }
        takes
    }

    /// Whether a row of this event time is still the best of a slot, or ties with it.
    pub(crate) fn still_takes(&self, slot: usize, event_time: i64) -> bool {
        self.best.get(slot).is_some_and(|best| event_time >= *best)
    }

    /// Gives a slot to the row where it is later than the one that holds it.
    pub(crate) fn settle(&mut self, slot: usize, winner: Winner) {
        if let Some(held) = self.winners.get_mut(slot)
            && held.is_none_or(|held| winner.recency() > held.recency())
        {
            *held = Some(winner);
        }
    }

    /// Takes the better row of each slot from another fold over the same labels, whose kept rows
    /// follow `batches` of this one's.
    pub(crate) fn merge(&mut self, other: LatestFold, batches: u32) {
        for (slot, winner) in other.winners.into_iter().enumerate() {
            if let Some(mut winner) = winner {
                winner.at.batch += batches;
                self.settle(slot, winner);
            }
        }
    }

    /// Every kept row that holds a slot, to be looked at or moved.
    pub(crate) fn kept(&mut self) -> impl Iterator<Item = &mut Kept> {
        self.winners.iter_mut().flatten().map(|winner| &mut winner.at)
    }

    /// The winner of every slot.
    pub(crate) fn finish(mut self, entities: impl Iterator<Item = Range<usize>>) -> Vec<Option<Winner>> {
        for range in entities {
            let mut best: Option<Winner> = None;
            for slot in self.winners.get_mut(range).unwrap_or_default() {
                match (best, *slot) {
                    (Some(before), Some(own)) if own.recency() > before.recency() => best = Some(own),
                    (None, own) => best = own,
                    _ => {}
                }
                *slot = best;
            }
        }
        self.winners
    }
}
