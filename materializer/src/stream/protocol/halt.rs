//! When a stream stops by itself: rows that the source no longer has, or too many that are bad. The bad rows
//! of one partition concern no other.

use std::collections::BTreeMap;

use serde::Serialize;

/// Why a stream stops.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Halt {
    /// The source dropped rows that the log does not have.
    Gap {
        /// The partition.
        partition: u32,
        /// The next offset that the log needs.
        next: u64,
        /// The first offset that the source has.
        earliest: u64,
    },
    /// The log is further than the source: its rows were dropped, and its offsets begin anew.
    Beyond {
        /// The partition.
        partition: u32,
        /// The next offset that the log needs.
        next: u64,
        /// The offset that the source's next row will have.
        end: u64,
    },
    /// More rows of a partition are bad than the stream allows.
    TooManyBad {
        /// The partition.
        partition: u32,
        /// How many of the newest rows are bad.
        bad: u64,
        /// How many rows these are.
        rows: u64,
    },
}

/// The rows of a flush that are kept as refused.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Refused {
    /// How many there are.
    pub rows: usize,
    /// How many of them are bad, by partition: whoever sent them is at fault.
    pub bad: BTreeMap<u32, u64>,
}

/// Bad rows among the newest of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BadShare {
    /// How many are bad.
    pub bad: u64,
    /// How many there are.
    pub rows: u64,
    /// Whether the partition is not read any more because of them.
    pub stopped: bool,
}

/// The share of bad rows among the newest of a partition, how large it may be, and what happens beyond.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Share {
    allowed: f64,
    is_stopping: bool,
    /// Whether it was exceeded, and no good rows came since.
    is_noted: bool,
    bad: u64,
    rows: u64,
}

impl Share {
    /// A partition that has fewer bad rows than this is never stopped.
    const LEAST: u64 = 100;
    /// Rows after which older ones count half.
    const ROWS: u64 = 20_000;

    /// A share that may be this large, from 0 to 1. A partition that has more stops.
    pub fn allowed(allowed: f64) -> Self {
        Self { allowed, is_stopping: true, is_noted: false, bad: 0, rows: 0 }
    }

    /// The same, but a partition that has more goes on, as many who know nothing of each other write to it. It
    /// is noted until good rows follow.
    #[must_use]
    pub fn noting(self) -> Self {
        Self { is_stopping: false, ..self }
    }

    pub(super) fn count(&mut self, rows: u64, bad: u64) {
        if self.is_noted && rows > 0 && bad as f64 <= self.allowed * rows as f64 {
            (self.is_noted, self.bad, self.rows) = (false, 0, 0);
        }
        if self.rows >= Self::ROWS {
            self.rows /= 2;
            self.bad /= 2;
        }
        self.rows += rows;
        self.bad += bad;
        self.is_noted |= self.bad >= Self::LEAST && self.bad as f64 > self.allowed * self.rows as f64;
    }

    /// The share, where a partition stops because of it.
    pub(super) fn stops(&self) -> Option<BadShare> {
        self.is_stopping.then(|| self.noted()).flatten()
    }

    /// The share, where it is too large.
    pub(super) fn noted(&self) -> Option<BadShare> {
        let share = BadShare { bad: self.bad, rows: self.rows, stopped: self.is_stopping };
        self.is_noted.then_some(share)
    }
}
