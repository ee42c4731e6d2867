//! A load under way: its rows so far in chunks, each of which is one commit of the log, with the markers of its files in
//! it, decided on the snapshot on which the load was.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use feature::Micros;
use offline::{DeadLetter, DeadLetters, Forgotten, Log, Marker, OfflineError, RowsWriter, Written};
use tokio::task::JoinHandle;
use transform::ViewTransform;

use super::batch_checks::Hours;
use super::batch_source::BatchSource;
use super::file_validator::WaitingRows;
use super::load_report::LoadReport;
use super::loaded_rows::LoadedRows;
use super::mode::Mode;
use crate::load_turn::LoadTurn;
use crate::materializer::{Materializer, Target};
use crate::rows::accepted::AcceptedRows;
use crate::statistics::StatisticsKeeper;

/// Rows and markers of one commit.
#[derive(Default)]
pub(crate) struct Chunk {
    pub(super) rows: usize,
    /// Rows that are put online before they are written.
    pub(super) accepted: Vec<AcceptedRows>,
    /// Rows that are written before they are put online.
    pub(super) writer: Option<RowsWriter>,
    /// How many of those are late.
    pub(super) late: u64,
    pub(super) dead_letters: Vec<DeadLetter>,
    pub(super) markers: Vec<Marker>,
    /// Fingerprints of its files.
    pub(super) fingerprints: Vec<Marker>,
    /// How many numbers were given to files once it was ended.
    pub(super) numbers: u32,
    /// The hours of its rows, where files are compared with a week before.
    pub(super) hours: Hours,
    /// The markers beside the refused rows of its files.
    pub(super) dead_letter_markers: Vec<Marker>,
}

/// A chunk whose rows are encoded into files that no commit names yet, while the next rows are read.
pub(crate) struct Encoding {
    pub(super) chunk: Chunk,
    pub(super) written: JoinHandle<Result<Written, OfflineError>>,
}

impl Drop for Encoding {
    fn drop(&mut self) {
        self.written.abort();
    }
}

/// Rows that one command committed, also before it was decided again.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CommittedRows {
    pub(crate) rows: u64,
    pub(crate) late: u64,
    pub(crate) entities_written: u64,
}

/// The load of one view's history, file after file.
pub(crate) struct HistoryLoad<'a, W> {
    pub(crate) materializer: &'a Materializer<W>,
    pub(crate) target: &'a Target,
    pub(crate) mode: Mode,
    pub(crate) batch_source: Arc<dyn BatchSource>,
    pub(crate) transform: ViewTransform,
    /// The entities whose rows are left out.
    pub(crate) forgotten: Arc<Forgotten>,
    /// Whether nothing was ever loaded for the view.
    pub(crate) is_first: bool,
    /// Where the view's stream starts: later rows are not history's.
    pub(crate) stream_start: Option<Micros>,
    pub(crate) log: Log,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) turn: LoadTurn,
    /// The numbers that the load gives to files which have none.
    pub(crate) numbered: Vec<Marker>,
    /// How many numbers were given to files so far.
    pub(crate) numbers: u32,
    /// How many are once the load is done.
    pub(crate) numbers_after: u32,
    /// Fingerprints of files, which the next commit records.
    pub(crate) fingerprints: Vec<Marker>,
    pub(crate) report: LoadReport,
    pub(crate) committed: &'a mut CommittedRows,
    /// For each entity the rows of this load that are not visible yet.
    pub(crate) waiting: WaitingRows,
    /// For files that hold rows of these others: the rows that the log has of them.
    pub(crate) loaded_rows: BTreeMap<BTreeSet<String>, LoadedRows>,
    pub(crate) chunk: Chunk,
    /// The statistics of the rows that are committed.
    pub(crate) statistics: StatisticsKeeper,
    /// The chunk before.
    pub(crate) encoding: Option<Encoding>,
}

impl<W> HistoryLoad<'_, W> {
    /// Adds markers to the next commit; they replace those of the same keys.
    pub(crate) fn mark(&mut self, markers: impl IntoIterator<Item = Marker>) {
        for marker in markers {
            self.chunk.markers.retain(|before| before.app != marker.app);
            self.chunk.markers.push(marker);
        }
    }
}
