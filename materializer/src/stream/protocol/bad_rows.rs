//! How many rows of a partition may be bad before its stream stops. The bad rows of one partition concern no other.

use std::collections::BTreeMap;

use serde::Serialize;

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
pub struct BadRows {
    /// How many are bad.
    pub bad: u64,
    /// How many there are.
    pub rows: u64,
    /// Whether the partition is no longer read because of them.
    pub stopped: bool,
}

/// The largest share of bad rows among the newest of a partition, how many there are, and what happens beyond it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct BadRowLimit {
    allowed: f64,
    is_stopping: bool,
    /// Whether it was exceeded, and no good rows came since.
    is_exceeded: bool,
    bad: u64,
    rows: u64,
}

impl BadRowLimit {
    /// A partition that has fewer bad rows than this is never stopped.
    const LEAST: u64 = 100;
    /// Rows after which older ones count half.
    const ROWS: u64 = 20_000;

    /// A limit of this share, from 0 to 1. A partition that exceeds it stops.
    pub fn allowed(allowed: f64) -> Self {
        Self { allowed, is_stopping: true, is_exceeded: false, bad: 0, rows: 0 }
    }

    /// The same, but a partition that exceeds it goes on, because many clients that do not know each other write to
    /// it. That it was exceeded is reported until good rows follow.
    #[must_use]
    pub fn noting(self) -> Self {
        Self { is_stopping: false, ..self }
    }

    pub(super) fn count(&mut self, rows: u64, bad: u64) {
        if self.is_exceeded && rows > 0 && bad as f64 <= self.allowed * rows as f64 {
            (self.is_exceeded, self.bad, self.rows) = (false, 0, 0);
        }
        if self.rows >= Self::ROWS {
            self.rows /= 2;
            self.bad /= 2;
        }
        self.rows += rows;
        self.bad += bad;
        self.is_exceeded |= self.bad >= Self::LEAST && self.bad as f64 > self.allowed * self.rows as f64;
    }

    /// The bad rows, if the partition stops because of them.
    pub(super) fn stops(&self) -> Option<BadRows> {
        self.is_stopping.then(|| self.exceeded()).flatten()
    }

    /// The bad rows, if they are too many.
    pub(super) fn exceeded(&self) -> Option<BadRows> {
        let bad_rows = BadRows { bad: self.bad, rows: self.rows, stopped: self.is_stopping };
        self.is_exceeded.then_some(bad_rows)
    }
}
