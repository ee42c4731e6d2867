//! How many threads read and write a table at once.

use std::thread;

/// A thread for each core; one where it is not known how many there are.
pub fn threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}
