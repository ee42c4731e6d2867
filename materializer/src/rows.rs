//! What both ways in share about rows: why one is refused, what an accepted one is in the log, how a refused one
//! is kept, and how all are counted. Pure: no files, no stores.

pub(crate) mod accepted;
pub(crate) mod counts;
pub(crate) mod dead_letter;
pub(crate) mod forgotten;
pub(crate) mod json_object;
pub(crate) mod reason;
pub(crate) mod record;
