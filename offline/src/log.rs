//! The log: one append-only Delta table of rows for each view version, how it lies in its storage, and its checks.

mod append;
mod check;
pub(crate) mod columns;
mod commit;
mod commit_list;
mod compaction;
mod dead_letters;
mod encodings;
mod expiry;
mod forgetting;
mod forgotten;
mod forgotten_list;
pub(crate) mod keys;
mod latest_rows;
mod leftovers;
mod newest_rows;
mod quarantine;
mod read_lock;
pub(crate) mod rows;
mod sample;
#[cfg(test)]
pub(crate) mod sample_batch;
mod scan;
pub(crate) mod snapshot;
mod statistics;
pub(crate) mod storage;
mod storage_clock;
mod store;
mod table;
mod vacuum;
mod view_log;

pub use append::{Appender, RowsWriter};
pub use check::CheckedTable;
pub use columns::{
    ASSUMED_DELAY, AVAILABLE_AT, DATE, DELETED, EVENT_TIME, Facts, LATE, POSITION_KIND, POSITION_MAJOR,
    POSITION_MINOR, PROVENANCE, log_batch, log_schema,
};
pub use commit::{Added, Committed, Written};
pub use compaction::Optimized;
pub use dead_letters::{DeadLetter, DeadLetters};
pub use expiry::EXPIRED_BEFORE;
pub(crate) use expiry::labels_from;
pub use forgetting::{ForgetRows, SearchedTable};
pub use forgotten::{FORGOTTEN, FORGOTTEN_WHOLE, Forgotten};
pub use keys::EncodedKeys;
pub use quarantine::{Quarantine, QuarantinedBatch};
pub use read_lock::ReadLock;
pub(crate) use rows::positions;
pub use rows::{row_columns, rows};
pub use snapshot::{LogFile, LogSnapshot};
pub use statistics::{CountedColumn, StatisticsTable, StatisticsWriter, Uncounted};
pub use storage::{BucketRequests, TableLocation};
pub use store::{COPIED_BYTES, OfflineStore};
pub use table::{Marker, WHOLE_FROM, source_table};
pub use vacuum::{KeptVersions, Vacuumable, Vacuumed};
pub use view_log::Log;
