//! Law 2 at every label: the visible row with the greatest (event time, position).
//!
//! A row is offered to the first slot from which on it is visible; when all rows have been offered,
//! each slot takes the better of its own row and the one before it. Beside each entity lies the
//! interval between labels that was looked up last: while the log is read newest first, nearly every
//! row is refused by that one line.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::join::kept_rows::{Kept, KeptRows};
use crate::join::labels::Labels;

/// The event time of a slot that has no row.
const NONE: i64 = i64::MIN;

/// A row of the log whose entity the spine has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogRow {
    /// The index of its entity.
    pub(crate) entity: u32,
    /// When it happened, in microseconds.
    pub(crate) event_time: i64,
    /// When it could first have been read, in microseconds.
    pub(crate) available_at: i64,
    /// From when on it counts, in microseconds.
    pub(crate) visible_at: i64,
}

/// The interval between two labels that was looked up last for an entity: rows that happened after
/// the one and are visible by the other lose where they are older than the best.
#[derive(Clone, Copy, Debug)]
struct Recent {
    after: i64,
    until: i64,
    best: i64,
}

/// For each slot the event time of the best row that was offered to it. The threads that fold one log
/// share it, so that none keeps rows that another has found to lose; a thread that reads an old time
/// only keeps a row too many.
#[derive(Debug)]
pub(crate) struct Best(Vec<AtomicI64>);

impl Best {
    /// No rows yet.
    pub(crate) fn new(labels: &Labels) -> Self {
        Self((0..labels.len()).map(|_| AtomicI64::new(NONE)).collect())
    }

    fn of(&self, slot: usize) -> i64 {
        self.0.get(slot).map_or(i64::MAX, |best| best.load(Ordering::Relaxed))
    }

    /// Raises the best of a slot, and gives what it was.
    fn raise(&self, slot: usize, event_time: i64) -> i64 {
        match self.0.get(slot) {
            Some(best) if best.load(Ordering::Relaxed) < event_time => {
                best.fetch_max(event_time, Ordering::Relaxed)
            }
            Some(best) => best.load(Ordering::Relaxed),
            None => i64::MAX,
        }
    }
}

/// The latest rows of all slots while the log streams by.
#[derive(Debug)]
pub(crate) struct LatestFold {
    recent: Vec<Recent>,
    best: Arc<Best>,
    /// For each slot the best row whose values are kept.
    newest: Vec<Kept>,
}

impl LatestFold {
    /// No rows yet.
    pub(crate) fn new(labels: &Labels, best: Arc<Best>) -> Self {
        // An interval that no row lies in.
        let nothing = Recent { after: i64::MAX, until: i64::MIN, best: NONE };
        Self { recent: vec![nothing; labels.entities.len()], best, newest: vec![Kept::NONE; labels.len()] }
    }

    /// Whether the row wins nothing, happened after every label that does not see it, and lies at least
    /// `reach` before every label that does; a row for which this is false may still lose.
    #[inline]
    pub(crate) fn refuses(&self, row: &LogRow, reach: i64) -> bool {
        match self.recent.get(row.entity as usize) {
            Some(recent) => {
                row.event_time > recent.after
                    && row.visible_at <= recent.until
                    && row.event_time < recent.best
                    && row.event_time.saturating_add(reach) <= recent.until
            }
            None => true,
        }
    }

    /// Reads what is held of these slots, so that it is near when rows are offered to them.
    pub(crate) fn touch(&self, slots: impl Iterator<Item = usize>) -> i64 {
        slots.fold(0, |all, slot| all ^ self.best.of(slot))
    }

    /// Whether a row may be the best of its first slot, by its event time. Ties are for
    /// [`LatestFold::settle`] to decide.
    pub(crate) fn takes(&mut self, labels: &Labels, row: &LogRow, slots: &Range<usize>, slot: usize) -> bool {
        let event_time = row.event_time;
        let label = |slot: usize| labels.times.get(slot).copied();
        let after = slot.checked_sub(1).filter(|before| *before >= slots.start).and_then(label);
        let mut recent = Recent { after: after.unwrap_or(i64::MIN), until: i64::MAX, best: i64::MAX };
        let mut takes = false;
        if slot < slots.end {
            let best = self.best.raise(slot, event_time);
            takes = event_time >= best;
            recent.until = label(slot).unwrap_or(i64::MAX);
            recent.best = best.max(event_time);
        }
        if let Some(last) = self.recent.get_mut(row.entity as usize) {
            *last = recent;
        }
        takes
    }

    /// Whether a row of this event time is still the best of a slot, or ties with it.
    pub(crate) fn still_takes(&self, slot: usize, event_time: i64) -> bool {
        event_time >= self.best.of(slot)
    }

    /// Gives a slot to a kept row where it is later than the one that holds it.
    pub(crate) fn settle(&mut self, slot: usize, row: Kept, kept: &KeptRows) {
        if let Some(newest) = self.newest.get_mut(slot)
            && kept.recency(row) > kept.recency(*newest)
        {
            *newest = row;
        }
    }

    /// Takes the better row of each slot from another fold over the same labels, whose rows `kept` has
    /// taken over behind these `batches`.
    pub(crate) fn merge(&mut self, other: LatestFold, kept: &KeptRows, batches: u32) {
        for (slot, newest) in other.newest.into_iter().enumerate() {
            if !newest.is_none() {
                self.settle(slot, newest.behind(batches), kept);
            }
        }
    }

    /// Every row that holds a slot, to be moved.
    pub(crate) fn kept(&mut self) -> impl Iterator<Item = &mut Kept> {
        self.newest.iter_mut().filter(|newest| !newest.is_none())
    }

    /// The winner of every slot.
    pub(crate) fn finish(self, entities: impl Iterator<Item = Range<usize>>, kept: &KeptRows) -> Vec<Kept> {
        let mut winners = self.newest;
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
