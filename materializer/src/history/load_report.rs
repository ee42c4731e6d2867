//! What a load did, for the user to read.

use std::collections::{BTreeMap, BTreeSet};

use feature::{EntityKey, Micros, VersionId};
use serde::Serialize;

use super::file_validator::FileCounts;
use crate::rows::counts::add_counts;

/// A file that was read, and what it held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRead {
    /// Its path below the source's folder.
    pub name: String,
    /// The first 63 bits of the SHA-256 of its bytes, without their compression.
    pub content: i64,
    /// Rows that were read from it, within the requested range of event times.
    pub rows: u64,
}

/// What a load says of a batch that it quarantined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QuarantineReport {
    /// Its number.
    pub batch: u32,
    /// The file.
    pub origin: String,
    /// Its rows.
    pub rows: u64,
    /// Why.
    pub why: String,
}

/// The outcome for the rows that one command read for one view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LoadReport {
    /// The view.
    pub view: VersionId,
    /// Files that were read.
    pub files: usize,
    /// Files that had been loaded before, and were skipped.
    pub files_known: usize,
    /// Of these, files that wait in quarantine for a decision.
    pub files_waiting: usize,
    /// Files that a backfill began and has not loaded to their end: a load of new rows leaves them to it.
    pub files_of_backfill: usize,
    /// Files beside them that were not read: their names are hidden or of another format.
    pub files_unread: Vec<String>,
    /// Rows that were read from the files, within the requested range of event times.
    pub rows_read: u64,
    /// Rows that are new in the log.
    pub rows_loaded: u64,
    /// Rows that were in the log already.
    pub rows_known: u64,
    /// Rows outside the requested range of event times.
    pub outside_range: u64,
    /// Rows that happened after the view's stream starts: they are left to the stream.
    pub of_stream: u64,
    /// Rows that did not pass the view's `where`.
    pub filtered: u64,
    /// Rows with a null in their key, left out.
    pub null_keys: u64,
    /// Rows of forgotten entities, left out.
    pub forgotten: u64,
    /// Of the loaded rows, those that arrived later than the source allows.
    pub late: u64,
    /// Rows in the dead-letter table, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Rows that an expectation only warns of, by expectation.
    pub warned: BTreeMap<String, u64>,
    /// Files that were quarantined: none of their rows is loaded.
    pub quarantined: Vec<QuarantineReport>,
    /// Of materialized rows, when the median one happened; to the second, minute, hour or day if there are more than a
    /// million different times.
    pub median_event_time: Option<Micros>,
    /// What the columns of its files lack, by file: at most [`LoadReport::MOST_ABSENT`].
    pub absent: Vec<String>,
    /// The version of the log afterwards; `None` if nothing was ever loaded.
    pub log_version: Option<u64>,
    /// Entities whose online rows were written.
    pub entities_written: u64,
    /// Entities in the online store afterwards.
    pub entities: u64,
    /// The files that were read, in their order.
    #[serde(skip)]
    pub files_read: Vec<FileRead>,
    /// Of a Delta source: the version up to which all of it is loaded.
    #[serde(skip)]
    pub table_version: Option<u64>,
    /// The keys of rows that were left out as forgotten.
    #[serde(skip)]
    pub(crate) forgotten_keys: BTreeSet<EntityKey>,
    /// The newest event time of the rows that are new in the log; `None` for a static source.
    #[serde(skip)]
    pub newest_event_time: Option<Micros>,
}

impl LoadReport {
    /// Columns that are named of those which files lack.
    pub const MOST_ABSENT: usize = 20;

    pub(crate) fn new(view: VersionId) -> Self {
        Self {
            view,
            files: 0,
            files_known: 0,
            files_waiting: 0,
            files_of_backfill: 0,
            files_unread: Vec::new(),
            rows_read: 0,
            rows_loaded: 0,
            rows_known: 0,
            outside_range: 0,
            of_stream: 0,
            filtered: 0,
            null_keys: 0,
            forgotten: 0,
            late: 0,
            refused: BTreeMap::new(),
            warned: BTreeMap::new(),
            quarantined: Vec::new(),
            median_event_time: None,
            absent: Vec::new(),
            log_version: None,
            entities_written: 0,
            entities: 0,
            files_read: Vec::new(),
            table_version: None,
            forgotten_keys: BTreeSet::new(),
            newest_event_time: None,
        }
    }

    /// Adds what was counted of a file's rows. How many were loaded is known once they are committed.
    pub(crate) fn add(&mut self, counts: FileCounts) {
        let FileCounts { rows, known, outside_range, of_stream } = counts;
        self.rows_read += rows.read;
        self.rows_known += known;
        self.outside_range += outside_range;
        self.of_stream += of_stream;
        self.filtered += rows.filtered;
        self.null_keys += rows.null_keys;
        self.forgotten += rows.forgotten;
        self.forgotten_keys.extend(rows.forgotten_keys);
        add_counts(&mut self.refused, rows.refused);
        add_counts(&mut self.warned, rows.warned);
    }

    /// Adds what is against expectations of a file as a whole that only warn.
    pub(super) fn add_warnings(&mut self, warned: Vec<(String, u64)>) {
        add_counts(&mut self.warned, warned);
    }

    /// Rows that are not loaded, and not bad: by `where`, a null in their key, as forgotten, the range, or as the stream's.
    pub fn left_out(&self) -> u64 {
        self.filtered + self.null_keys + self.forgotten + self.outside_range + self.of_stream
    }

    /// Rows that were refused, whatever the reason.
    pub fn refused_rows(&self) -> u64 {
        self.refused.values().sum()
    }
}
