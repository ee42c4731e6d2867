//! What a backfill by dates is to do, who watches it, what it reports meanwhile, and how it ended.

use std::collections::{BTreeMap, BTreeSet};
use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::Arc;

use feature::{EventDate, Micros, View};
use futures::future::BoxFuture;

use super::checks::ColumnSummary;
use super::date_rows::DateReport;
use super::delay::HistoryDelay;
use super::next_step::{DateOrder, StopRequest};
use crate::history::event_range::EventRange;
use crate::history::load_report::FileRead;

/// What a backfill by dates is to do.
#[derive(Clone, Debug)]
pub struct Migration {
    /// Its number among those of the view, from 1: one more than that of the newest one in the log, or that of the one
    /// which is resumed.
    pub number: u64,
    /// In which order dates are loaded.
    pub order: DateOrder,
    /// The event times that it loads.
    pub range: EventRange,
    /// How many rows are read in a second, at most.
    pub max_rows_per_second: Option<NonZeroU64>,
    /// How much memory rows may take, in bytes.
    pub max_memory: u64,
    /// How many files are read side by side.
    pub jobs: NonZeroUsize,
    /// Dates of which neither columns nor the share of refused rows are checked.
    pub accepted: BTreeSet<EventDate>,
    /// The version before, with which dates are compared and from whose rows delays are measured.
    pub previous: Option<Arc<View>>,
    /// The dates whose outcome is recorded. Of others that are in the log, it is counted again.
    pub recorded: BTreeSet<EventDate>,
    /// What the columns of the dates hold that it has loaded before.
    pub loaded: Vec<ColumnSummary>,
}

/// Who watches a backfill by dates, keeps what it reports, and may ask it to stop.
pub trait MigrationWatch: Send + Sync {
    /// What somebody wants of it. Once it wants something, it goes on doing so.
    fn request(&self) -> Option<StopRequest>;

    /// More rows of the source were read.
    fn rows_read(&self, rows: u64);

    /// Something happened. What is kept of it is advice: the log decides what is done.
    fn report(&self, event: MigrationEvent) -> BoxFuture<'_, ()>;
}

/// What a backfill by dates reports.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum MigrationEvent {
    /// It is known which dates there are.
    Planned {
        /// The rows of the source of each date, and whether it is loaded already.
        dates: BTreeMap<EventDate, (u64, bool)>,
        /// After which delay rows count as available.
        delay: HistoryDelay,
    },
    /// Dates are read.
    Reading(Vec<EventDate>),
    /// The rows of a date are in the log.
    Loaded(EventDate, DateReport),
    /// A date was set aside, for these reasons.
    Failed(EventDate, DateReport, Vec<String>),
    /// All dates are in the log, and their rows are written online.
    GoingOnline,
}

/// How a backfill by dates ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MigrationEnd {
    /// All dates are in the log and online.
    Whole,
    /// Dates have failed. All others are in the log, and nothing is online of them.
    Incomplete,
    /// It was to pause.
    Paused,
    /// It was cancelled.
    Cancelled,
}

/// What a process did for a backfill by dates.
#[derive(Clone, PartialEq, Debug)]
pub struct MigrationReport {
    /// How it ended.
    pub end: MigrationEnd,
    /// After which delay rows count as available.
    pub delay: HistoryDelay,
    /// The outcome for each date that was loaded.
    pub loaded: BTreeMap<EventDate, DateReport>,
    /// The dates that were set aside, and why.
    pub failed: BTreeMap<EventDate, Vec<String>>,
    /// Rows that an expectation only warns of, by expectation.
    pub warned: BTreeMap<String, u64>,
    /// Files that came after it had begun, and are left to a later load.
    pub files_later: usize,
    /// The files that were read, each with its rows of the dates that were loaded.
    pub files_read: Vec<FileRead>,
    /// Of a Delta source: the version up to which all of it is loaded.
    pub table_version: Option<u64>,
    /// The newest event time of the rows that are new in the log.
    pub newest_event_time: Option<Micros>,
    /// The version of the log afterwards.
    pub log_version: Option<u64>,
    /// Entities whose online rows were written.
    pub entities_written: u64,
    /// Entities in the online store afterwards.
    pub entities: u64,
}

impl MigrationReport {
    pub(super) fn new() -> Self {
        Self {
            end: MigrationEnd::Paused,
            delay: HistoryDelay { delay: None, measured: None },
            loaded: BTreeMap::new(),
            failed: BTreeMap::new(),
            warned: BTreeMap::new(),
            files_later: 0,
            files_read: Vec::new(),
            table_version: None,
            newest_event_time: None,
            log_version: None,
            entities_written: 0,
            entities: 0,
        }
    }
}
