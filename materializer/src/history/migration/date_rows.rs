//! The rows of one date on their way into the log: held in memory, or, where they do not fit, in files that no commit
//! names yet.

use std::collections::{BTreeMap, BTreeSet};

use feature::{EventDate, Source, View};
use offline::{Appender, DeadLetter, Written};

use super::checks::ColumnSummary;
use super::observation::Observation;
use crate::error::MaterializerError;
use crate::history::file_validator::DateCounts;
use crate::history::load_report::FileRead;
use crate::rows::accepted::{AcceptedRows, Availability};
use crate::rows::counts::RowCounts;

/// The rows of one date.
#[derive(Debug)]
pub(super) struct DateRows {
    pub(super) observation: Observation,
    pub(super) counts: DateCounts,
    pub(super) dead_letters: Vec<DeadLetter>,
    /// The indices of the files that have rows of it, among those that are read.
    pub(super) files: BTreeSet<usize>,
    pieces: Vec<AcceptedRows>,
    /// How much memory it takes, in bytes.
    pub(super) bytes: u64,
    /// Rows that were written into files, and how many of them are late.
    pub(super) written: u64,
    pub(super) late: u64,
    pub(super) newest: Option<i64>,
}

/// The outcome for the rows of one date.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct DateReport {
    /// Rows of the source.
    pub read: u64,
    /// Rows that are new in the log.
    pub loaded: u64,
    /// Rows that were in the log already.
    pub known: u64,
    /// Rows that were left out: by `where`, a null in their key, or as the stream's.
    pub left_out: u64,
    /// Rows in the dead-letter table, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Of the loaded rows, those that arrived later than the source allows.
    pub late: u64,
    /// What the columns hold.
    pub columns: Vec<ColumnSummary>,
    /// The files that have its rows, each with how many; of a date that is in the log.
    pub files: Vec<FileRead>,
}

impl DateRows {
    pub(super) fn new(observation: Observation) -> Self {
        Self {
            observation,
            counts: DateCounts::default(),
            dead_letters: Vec::new(),
            files: BTreeSet::new(),
            pieces: Vec::new(),
            bytes: 0,
            written: 0,
            late: 0,
            newest: None,
        }
    }

    /// Adds accepted rows, which are all of this date.
    pub(super) fn add(&mut self, view: &View, rows: AcceptedRows) -> Result<(), MaterializerError> {
        if rows.len() == 0 {
            return Ok(());
        }
        self.observation.add(view, &rows.rows)?;
        self.newest = self.newest.max(rows.event_times.iter().copied().max());
        self.bytes += rows.bytes();
        self.pieces.push(rows);
        Ok(())
    }

    /// Adds a refused row.
    pub(super) fn refuse(&mut self, dead_letter: DeadLetter) {
        let text = dead_letter.origin.len() + dead_letter.detail.len() + dead_letter.row.len();
        self.bytes += (size_of::<DeadLetter>() + text) as u64;
        self.dead_letters.push(dead_letter);
    }

    /// Writes the accepted rows that are held into files that no commit names yet.
    pub(super) async fn write(
        &mut self,
        source: &Source,
        view: &View,
        appender: &mut Appender<'_>,
    ) -> Result<(), MaterializerError> {
        let Some(rows) = AcceptedRows::concatenated(std::mem::take(&mut self.pieces))? else { return Ok(()) };
        let count = rows.len() as u64;
        let (batch, late) = rows.log_batch(source, view, Availability::History)?;
        drop(rows);
        appender.write(batch);
        appender.flush().await?;
        self.written += count;
        self.late += late;
        self.bytes = 0;
        Ok(())
    }

    /// The outcome for the rows.
    pub(super) fn report(&self) -> DateReport {
        let mut refused = RowCounts::default();
        refused.add_refused(&self.dead_letters);
        DateReport {
            read: self.counts.read,
            loaded: self.counts.accepted,
            known: self.counts.known,
            left_out: self.counts.left_out(),
            refused: refused.refused,
            late: self.late,
            columns: self.observation.summaries(),
            files: Vec::new(),
        }
    }
}

/// The dates that were read together.
#[derive(Debug)]
pub(super) struct GroupRows {
    /// In the order in which they are committed.
    pub(super) dates: Vec<(EventDate, DateRows)>,
    /// Of a date that was read alone: its files, written already.
    pub(super) written: Option<Written>,
}
