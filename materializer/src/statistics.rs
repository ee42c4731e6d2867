//! Statistics of the rows of a view, by the date on which they happened and by column. They are counted while rows are
//! written, in the same pass, and kept beside the log once the rows are committed. What a process that was killed did
//! not keep is counted from the log by whoever comes next, and what is too much to count beside a load by whoever asks.

mod by_date;
mod keeping;
mod kept;

pub(crate) use keeping::{Scans, StatisticsKeeper};
pub use kept::{ColumnDay, count_statistics, statistics};
