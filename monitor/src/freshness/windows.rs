//! Counts of reads in slots of time, and their sums over rolling windows.

use std::ops::AddAssign;

use feature::{Micros, Span};

use super::outcome::ReadOutcome;

/// How many reads had each outcome.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ReadCounts {
    /// As fresh as promised.
    pub good: u64,
    /// Staler than promised.
    pub bad: u64,
    /// Of which it is not known.
    pub unknown: u64,
    /// Of entities that were never seen.
    pub missing: u64,
}

impl ReadCounts {
    /// The reads of one outcome.
    pub const fn get(&self, outcome: ReadOutcome) -> u64 {
        match outcome {
            ReadOutcome::Missing => self.missing,
            ReadOutcome::Good => self.good,
            ReadOutcome::Unknown => self.unknown,
            ReadOutcome::Bad => self.bad,
        }
    }

    /// As many reads of one outcome.
    #[must_use]
    pub const fn with(mut self, outcome: ReadOutcome, reads: u64) -> Self {
        match outcome {
            ReadOutcome::Missing => self.missing = reads,
            ReadOutcome::Good => self.good = reads,
            ReadOutcome::Unknown => self.unknown = reads,
            ReadOutcome::Bad => self.bad = reads,
        }
        self
    }

    /// The reads that the objective is about.
    pub const fn counted(&self) -> u64 {
        self.good.saturating_add(self.bad)
    }

    /// The share of bad reads among those that count; `None` if there are none.
    pub fn bad_share(&self) -> Option<f64> {
        let counted = self.counted();
        (counted > 0).then(|| self.bad as f64 / counted as f64)
    }

    /// What was counted since an earlier moment.
    #[must_use]
    pub fn since(&self, before: &ReadCounts) -> ReadCounts {
        ReadCounts {
            good: self.good.saturating_sub(before.good),
            bad: self.bad.saturating_sub(before.bad),
            unknown: self.unknown.saturating_sub(before.unknown),
            missing: self.missing.saturating_sub(before.missing),
        }
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        *self == ReadCounts::default()
    }
}

impl AddAssign for ReadCounts {
    fn add_assign(&mut self, other: ReadCounts) {
        self.good = self.good.saturating_add(other.good);
        self.bad = self.bad.saturating_add(other.bad);
        self.unknown = self.unknown.saturating_add(other.unknown);
        self.missing = self.missing.saturating_add(other.missing);
    }
}

/// What was counted in one slot of time, as a minute or an hour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CountedSlot {
    /// Its begin.
    pub from: Micros,
    /// What was counted in it.
    pub counts: ReadCounts,
}

/// What slots of a length add up to over the window that ends now. A slot counts whole if a part of it lies in the
/// window.
pub(super) fn sum(slots: &[CountedSlot], slot: Span, window: Span, now: Micros) -> ReadCounts {
    let mut total = ReadCounts::default();
    for one in slots {
        let ends = one.from.get().saturating_add(slot.micros());
        if one.from <= now && ends > now.get().saturating_sub(window.micros()) {
            total += one.counts;
        }
    }
    total
}
