//! The point-in-time join: hash the spine by entity, sort each entity's label times, stream the
//! log once and unsorted, and let every row find by binary search the labels that it can affect.
//! Memory follows the spine, not the log.

#[cfg(test)]
mod against_oracle;
mod chunks;
mod codec;
mod exec;
mod folded;
mod hidden;
mod kept_rows;
mod label_times;
mod labels;
mod latest;
mod log_reader;
mod measured;
mod pages;
mod passes;
mod skip;
mod spec;
mod view_fold;
mod while_open;
mod windows;
mod work;

pub use codec::PointInTimeCodec;
pub use exec::PointInTimeExec;
pub(crate) use label_times::{check_time_column, check_times};
pub use log_reader::{OfferedRows, RowFacts, RowFold, WholeRows, fold_batches, fold_rows};
pub use measured::Reading;
pub use spec::{JoinLookup, JoinSpec};
pub(crate) use spec::{filled_name, leak_name};
pub(crate) use while_open::{folded_before, held_features, labels_in};
