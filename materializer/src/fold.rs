//! The online store as a view of the log: entities folded from it, written by compare-and-set, and all written again.

pub(crate) mod again;
#[cfg(test)]
mod against_oracle;
pub(crate) mod ahead;
pub(crate) mod as_of;
pub(crate) mod entities;
mod fold_writer;
mod folding;
pub(crate) mod online_first;
mod passes;
pub(crate) mod prefix;
pub(crate) mod rebuild;
pub(crate) mod refold;
mod selection;
pub(crate) mod sync;
mod writing;
