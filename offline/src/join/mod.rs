//! The point-in-time join: hash the spine by entity, sort each entity's label times, stream the
//! log once and unsorted, and let every row find by binary search the labels that it can affect.
//! Memory follows the spine, not the log.

#[cfg(test)]
mod against_oracle;
mod entities;
mod fold;
mod kept_rows;
mod labels;
mod latest;
mod log_reader;
mod view_fold;
mod windows;

pub(crate) use fold::fold;
pub(crate) use labels::Labels;
pub(crate) use log_reader::Reading;
pub(crate) use view_fold::{Ask, Folded};
