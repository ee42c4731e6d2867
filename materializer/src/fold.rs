//! The online store as a view of the log: entities folded from it, written by compare-and-set, and all written again.

mod ahead;
mod entities;
pub(crate) mod online_first;
pub(crate) mod rebuild;
pub(crate) mod sync;
mod writing;
