//! A file that is read, validated and brought into the log's form on a thread that may block, a few batches ahead of what
//! is written.

use std::sync::Mutex;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use feature::Micros;
use offline::{DeadLetter, EVENT_TIME};
use tokio::sync::mpsc;

use super::batch_source::RowReader;
use super::file_validator::{FileCounts, FileValidator, ValidatedRows, WaitingRows};
use super::loaded_rows::LoadedRows;
use crate::error::MaterializerError;
use crate::rows::accepted::{AcceptedRows, Availability};
use crate::statistics::StatisticsKeeper;

/// A file that is being read.
pub(super) struct FileRows {
    pub(super) reader: Box<dyn RowReader>,
    pub(super) validator: FileValidator,
    pub(super) waiting: Mutex<WaitingRows>,
    pub(super) loaded_rows: Option<LoadedRows>,
    /// The statistics of the rows that were brought into the log's form.
    pub(super) statistics: StatisticsKeeper,
}

/// Rows of one batch of a file.
pub(super) struct ReadRows {
    /// How many were read.
    pub(super) read: usize,
    pub(super) rows: NewRows,
    /// The newest event time of the accepted rows.
    pub(super) newest: Option<Micros>,
    pub(super) dead_letters: Vec<DeadLetter>,
    pub(super) counts: FileCounts,
}

/// Accepted rows.
pub(super) enum NewRows {
    /// Those that are online before they are in the log, and get their times then.
    Accepted(AcceptedRows),
    /// The others, as the log holds them.
    OfLog {
        batch: RecordBatch,
        /// How many of them are late.
        late: u64,
    },
}

impl NewRows {
    /// When they happened.
    pub(super) fn event_times(&self) -> &[i64] {
        match self {
            NewRows::Accepted(accepted) => &accepted.event_times,
            NewRows::OfLog { batch, .. } => {
                let times = batch.column_by_name(EVENT_TIME);
                let times = times.and_then(|times| times.as_primitive_opt::<TimestampMicrosecondType>());
                times.expect("invariant: rows of the log have event times").values()
            }
        }
    }
}

impl FileRows {
    /// Reads the file to its end, or until nobody takes its rows any more. Blocks.
    pub(super) fn read(mut self, taken: &mpsc::Sender<ReadRows>) -> Result<Self, MaterializerError> {
        while let Some(rows) = self.next()? {
            if taken.blocking_send(rows).is_err() {
                break;
            }
        }
        Ok(self)
    }

    fn next(&mut self) -> Result<Option<ReadRows>, MaterializerError> {
        let Some(rows) = self.reader.next_rows()? else { return Ok(None) };
        let mut validated = self.validator.validate(&rows, &self.waiting)?;
        let target = &self.validator.target;
        if let Some(loaded_rows) = &mut self.loaded_rows {
            validated = validated.without_loaded(&target.view, loaded_rows)?;
        }
        let ValidatedRows { accepted, dead_letters, counts, .. } = validated;
        let newest = accepted.event_times.iter().copied().max().map(Micros::new).transpose();
        let newest = newest.expect("invariant: an accepted row has a valid event time");
        let new = match self.validator.is_history {
            true => {
                let (batch, late) =
                    accepted.log_batch(&target.source, &target.view, Availability::History)?;
                self.statistics.count(&target.view, &batch);
                NewRows::OfLog { batch, late }
            }
            false => NewRows::Accepted(accepted),
        };
        Ok(Some(ReadRows { read: rows.batch.num_rows(), rows: new, newest, dead_letters, counts }))
    }
}
