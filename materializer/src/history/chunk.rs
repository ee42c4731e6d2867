//! Chunks of rows: each is one commit of the log, with the markers of its files in it, decided on the snapshot on
//! which the load was.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};

use feature::Micros;
use offline::{
    BatchGuard, BatchPoint, DeadLetter, DeadLetters, Forgotten, Log, Marker, OfflineError, RowsWriter,
    Written,
};
use online::Mender;
use roaring::RoaringTreemap;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use transform::ViewTransform;

use super::batch_checks::{self, Hours};
use super::batch_source::BatchSource;
use super::event_range::EventRange;
use super::file_rows::{FileRows, NewRows};
use super::file_validator::{FileValidator, WaitingRows};
use super::files_to_load::FileToLoad;
use super::known_rows::known_rows;
use super::load_report::{FileRead, LoadReport};
use super::loaded_files::{self, QuarantineState};
use super::loaded_rows::LoadedRows;
use crate::blocking;
use crate::error::MaterializerError;
use crate::load_turn::LoadTurn;
use crate::materializer::{Materializer, Target};
use crate::rows::accepted::AcceptedRows;
use crate::statistics::StatisticsKeeper;

/// Rows that are held in memory before they are committed.
const ROWS_A_COMMIT: usize = 1_000_000;
/// Batches of a file that are read before they are taken.
const READ_AHEAD: usize = 4;

/// How rows become available.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    /// The log first, with declared or simulated availability; then the online store from it.
    Backfill(EventRange),
    /// The online store first; then the log, stamped with the moment of the acknowledgement.
    Materialize,
    /// The same for the rows of a file that was quarantined, by its number, in the range in which it was validated.
    Release(u32, EventRange),
}

impl Mode {
    /// The event times that are loaded.
    pub(crate) fn range(self) -> EventRange {
        match self {
            Mode::Backfill(range) | Mode::Release(_, range) => range,
            Mode::Materialize => EventRange::default(),
        }
    }

    /// Whether rows are online before they are in the log.
    pub(crate) fn is_online_first(self) -> bool {
        !matches!(self, Mode::Backfill(_))
    }

    /// Whether everything that is new in the source is loaded.
    pub(crate) fn is_whole(self) -> bool {
        !matches!(self, Mode::Release(..)) && self.range().is_all()
    }
}

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

impl<W: Mender> HistoryLoad<'_, W> {
    /// Adds markers to the next commit; they replace those of the same keys.
    pub(crate) fn mark(&mut self, markers: impl IntoIterator<Item = Marker>) {
        for marker in markers {
            self.chunk.markers.retain(|before| before.app != marker.app);
            self.chunk.markers.push(marker);
        }
    }

    /// Loads the rows of one file.
    pub(crate) async fn load_file(
        &mut self,
        file: &FileToLoad,
        progress: &impl Fn(u64),
    ) -> Result<(), MaterializerError> {
        let started_at = loaded_files::started_at(&self.log, &self.dead_letters, file.number).await?;
        let started_at = started_at.unwrap_or_else(self.materializer.clock);
        if self.is_quarantined(file, started_at).await? {
            return Ok(());
        }
        let rows = self.open(file, started_at).await?;
        self.report.files += 1;
        let name = file.file.name.clone();
        let mut file_read = FileRead { name, content: file.content.hash, rows: 0 };
        self.numbers = self.numbers.max(file.number + 1);
        let refused = loaded_files::refused(file.number, file.content, started_at);
        self.chunk.markers.extend(loaded_files::begun(&file.file, file.number, file.content, started_at));
        self.fingerprints.push(loaded_files::fingerprint(&file.file, file.content));
        if !self.mode.range().is_all() && self.target.view.checks_batches() {
            self.chunk.markers.push(loaded_files::validated_in_part(file.number));
        }
        self.chunk.dead_letter_markers.extend(refused.clone());
        let (sender, mut batches) = mpsc::channel(READ_AHEAD);
        let reading = blocking::start(move || rows.read(&sender));
        while let Some(read) = batches.recv().await {
            file_read.rows += read.counts.rows.read;
            self.report.add(read.counts);
            if !self.target.view.is_static {
                self.report.newest_event_time = self.report.newest_event_time.max(read.newest);
            }
            progress(read.read as u64);
            self.chunk.dead_letters.extend(read.dead_letters);
            self.add_rows(read.rows).await?;
            if self.chunk.rows + self.chunk.dead_letters.len() >= ROWS_A_COMMIT {
                self.check_unchanged(file)?;
                self.flush(false).await?;
                self.chunk.dead_letter_markers.extend(refused.clone());
            }
        }
        let rows = blocking::ended(reading).await??;
        self.report.files_read.push(file_read);
        self.statistics.merge(rows.statistics);
        self.waiting = rows.waiting.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.loaded_rows.extend(rows.loaded_rows.map(|loaded| (file.file.replaces.clone(), loaded)));
        BatchPoint::Read.pass();
        self.check_unchanged(file)?;
        let marker = match self.mode {
            Mode::Release(number, range) if !range.is_all() => {
                Some(QuarantineState::ReleasedInPart.of_file(number))
            }
            mode if mode.range().is_all() => Some(loaded_files::completed(file.number)),
            _ => None,
        };
        self.chunk.markers.extend(marker);
        Ok(())
    }

    /// Takes rows into the chunk.
    async fn add_rows(&mut self, rows: NewRows) -> Result<(), MaterializerError> {
        if batch_checks::compares_weeks(&self.target.view) {
            batch_checks::add_hours(&mut self.chunk.hours, rows.event_times());
        }
        let (batch, late) = match rows {
            NewRows::Accepted(accepted) => {
                self.chunk.rows += accepted.len();
                self.chunk.accepted.push(accepted);
                return Ok(());
            }
            NewRows::OfLog { batch, late } => (batch, late),
        };
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let writer = match &mut self.chunk.writer {
            Some(writer) => writer,
            None => {
                self.materializer.first_use.begin(&self.target.view).await?;
                self.chunk.writer.insert(self.log.rows_writer().await?)
            }
        };
        self.chunk.rows += batch.num_rows();
        self.chunk.late += late;
        writer.write(batch);
        Ok(())
    }

    /// Opens a file for its rows that the log does not have.
    async fn open(&mut self, file: &FileToLoad, started_at: Micros) -> Result<FileRows, MaterializerError> {
        let known = match file.resumes {
            true => known_rows(&self.log, file.number).await?,
            false => RoaringTreemap::new(),
        };
        let loaded_rows = match (self.loaded_rows.remove(&file.file.replaces), file.counted_in.as_slice()) {
            (Some(loaded), _) => Some(loaded),
            (None, []) => None,
            (None, numbers) => Some(LoadedRows::read(&self.log, &self.target.view, numbers).await?),
        };
        let validator =
            FileValidator { known, range: self.mode.range(), ..self.validator_of_all(file, started_at) };
        let (batch_source, columns) = (self.batch_source.clone(), self.transform.input().to_vec());
        let opened = file.file.clone();
        let reader = blocking::run(move || batch_source.open(&columns, &opened, None)).await??;
        Ok(FileRows {
            reader,
            validator,
            waiting: std::mem::take(&mut self.waiting).into(),
            loaded_rows,
            statistics: self.statistics.part(),
        })
    }

    /// A validator of all rows of a file, none of which is in the log.
    pub(super) fn validator_of_all(&self, file: &FileToLoad, started_at: Micros) -> FileValidator {
        FileValidator {
            target: self.target.clone(),
            transform: self.transform.clone(),
            forgotten: self.forgotten.clone(),
            origin: file.file.name.clone(),
            number: file.number,
            known: RoaringTreemap::new(),
            started_at,
            range: EventRange::default(),
            without: None,
            dates: None,
            stream_start: self.stream_start,
            is_first: self.is_first,
            is_history: matches!(self.mode, Mode::Backfill(_)),
        }
    }

    /// Nothing of a file is committed unless it is still the one whose content was taken before it was read.
    pub(super) fn check_unchanged(&self, file: &FileToLoad) -> Result<(), MaterializerError> {
        if file.content.is_still_of(&file.file)? || !BatchGuard::Content.is_on() {
            return Ok(());
        }
        Err(MaterializerError::ReplacedMeanwhile {
            view: self.target.view.id.clone(),
            file: file.file.path.display().to_string(),
        })
    }
}
