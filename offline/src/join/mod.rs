//! The point-in-time join: hash the spine by entity, sort each entity's label times, stream the
//! log once and unsorted, and let every row find by binary search the labels that it can affect.
//! Memory follows the spine, not the log.

#[cfg(test)]
mod against_oracle;
mod fold;
mod labels;
mod latest;
mod windows;

pub(crate) use fold::{Folded, fold};
pub(crate) use labels::Labels;
