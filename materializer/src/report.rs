//! What a load did, for its author to read.

use std::collections::BTreeMap;

use feature::{Micros, VersionId};
use serde::Serialize;

/// What became of the rows that one command read for one view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LoadReport {
    /// The view.
    pub view: VersionId,
    /// Files that were read.
    pub files: usize,
    /// Files that had been loaded before, and were passed over.
    pub files_known: usize,
    /// Files beside them that were not read: their names are hidden or of another format.
    pub files_unread: Vec<String>,
    /// Rows that were read from the files, within the range of times that was asked for.
    pub rows_read: u64,
    /// Rows that are new in the log.
    pub rows_loaded: u64,
    /// Rows that were in the log already.
    pub rows_known: u64,
    /// Rows outside the range of times that was asked for.
    pub outside_range: u64,
    /// Rows that happened once the view's stream counts: they are the stream's, and left to it.
    pub of_stream: u64,
    /// Rows that did not pass the view's `where`.
    pub filtered: u64,
    /// Rows with a null in their key, left out.
    pub null_keys: u64,
    /// Of the loaded rows, those that came later than the source allows.
    pub late: u64,
    /// Rows in the dead letter table, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Rows that an expectation only warns of, by expectation.
    pub warned: BTreeMap<String, u64>,
    /// Of new rows that were materialized, the day of the median one, as its first moment; else none.
    pub median_day: Option<Micros>,
    /// The version of the log afterwards; none where nothing was ever loaded.
    pub log_version: Option<u64>,
    /// Entities whose online rows were written.
    pub entities_written: u64,
    /// Entities in the online store afterwards.
    pub entities: u64,
}

impl LoadReport {
    pub(crate) fn new(view: VersionId) -> Self {
        Self {
            view,
            files: 0,
            files_known: 0,
            files_unread: Vec::new(),
            rows_read: 0,
            rows_loaded: 0,
            rows_known: 0,
            outside_range: 0,
            of_stream: 0,
            filtered: 0,
            null_keys: 0,
            late: 0,
            refused: BTreeMap::new(),
            warned: BTreeMap::new(),
            median_day: None,
            log_version: None,
            entities_written: 0,
            entities: 0,
        }
    }

    /// Rows that were refused, whatever the reason.
    pub fn refused_rows(&self) -> u64 {
        self.refused.values().sum()
    }
}
