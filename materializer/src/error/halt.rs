//! Why a stream stops by itself.

/// Why a stream stops by itself.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
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
    /// The log is further than the source: the topic was emptied or created again.
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
