//! When a stream stops by itself: rows that the source no longer has, or too many that are bad.

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
    /// More rows are bad than the stream allows.
    TooManyBad {
        /// How many of the newest rows are bad.
        bad: u64,
        /// How many rows these are.
        rows: u64,
    },
}

/// The share of bad rows among the newest, and how large it may be.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Share {
    allowed: f64,
    bad: u64,
    rows: u64,
}

impl Share {
    /// A stream that has fewer bad rows than this is never stopped.
    const LEAST: u64 = 100;
    /// Rows after which older ones count half.
    const ROWS: u64 = 20_000;

    /// A share that may be this large, from 0 to 1.
    pub fn allowed(allowed: f64) -> Self {
        Self { allowed, bad: 0, rows: 0 }
    }

    pub(super) fn count(&mut self, rows: usize, bad: usize) {
        if self.rows >= Self::ROWS {
            self.rows /= 2;
            self.bad /= 2;
        }
        self.rows += rows as u64;
        self.bad += bad as u64;
    }

    pub(super) fn exceeded(&self) -> Option<Halt> {
        let is_exceeded = self.bad >= Self::LEAST && self.bad as f64 > self.allowed * self.rows as f64;
        is_exceeded.then_some(Halt::TooManyBad { bad: self.bad, rows: self.rows })
    }
}
