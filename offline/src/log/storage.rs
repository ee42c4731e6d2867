//! The files of a log: how they are written durably, checked when they are read, and named.

pub(crate) mod block_sums;
mod bucket;
mod checked_file;
mod checked_storage;
pub(crate) mod commit_sum;
pub(crate) mod durable;
mod file_kind;
mod last_commit;
mod location;
mod table_copy;
mod upload;

pub(crate) use bucket::Bucket;
pub use bucket::BucketRequests;
pub(crate) use bucket::plain as plain_bucket_error;
pub(crate) use checked_file::{CheckedFile, check_length, compare_length};
pub(crate) use checked_storage::Storage;
pub(crate) use file_kind::{COMMITS, LAST_CHECKPOINT, commit_name, version_of};
pub(crate) use last_commit::LastCommit;
pub(crate) use location::TableFiles;
pub use location::TableLocation;
pub(crate) use table_copy::TableCopy;
