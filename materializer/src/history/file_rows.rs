//! The rows of a file, into chunks of a load: a thread that may block reads and validates them and brings them into the log's
//! form, a few batches ahead of what is written.

use std::sync::{Mutex, PoisonError};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use feature::Micros;
use offline::{BatchGuard, BatchPoint, DeadLetter, EVENT_TIME};
use online::Mender;
use roaring::RoaringTreemap;
use tokio::sync::mpsc;

use super::batch_checks;
use super::batch_source::RowReader;
use super::chunk::HistoryLoad;
use super::event_range::EventRange;
use super::file_validator::{FileCounts, FileValidator, ValidatedRows, WaitingRows};
use super::files_to_load::FileToLoad;
use super::known_rows::known_rows;
use super::load_report::{FileRead, LoadReport};
use super::loaded_files::{self, QuarantineState};
use super::loaded_rows::LoadedRows;
use super::mode::Mode;
use super::repeats::Repeats;
use crate::blocking;
use crate::error::MaterializerError;
use crate::rows::accepted::{AcceptedRows, Availability};
use crate::statistics::StatisticsKeeper;

/// Rows that are held in memory before they are committed.
const ROWS_A_COMMIT: usize = 1_000_000;
/// Batches of a file that are read before they are taken.
const READ_AHEAD: usize = 4;

impl<W: Mender> HistoryLoad<'_, W> {
    /// Loads the rows of one file.
    pub(crate) async fn load_file(
        &mut self,
        file: &FileToLoad,
        progress: &impl Fn(u64),
    ) -> Result<(), MaterializerError> {
        let started_at = loaded_files::started_at(&self.log, &self.dead_letters, file.number).await?;
        let started_at = started_at.unwrap_or_else(self.materializer.clock);
        let Some(repeats) = self.validate_whole(file, started_at).await? else { return Ok(()) };
        let rows = self.open(file, started_at, repeats).await?;
        self.note_absent(file).await?;
        self.report.files += 1;
        let name = file.file.name.clone();
        let mut file_read = FileRead { name, content: file.content.hash, rows: 0 };
        self.numbers = self.numbers.max(file.number + 1);
        let refused = loaded_files::refused(file.number, file.content, started_at);
        self.chunk.markers.extend(loaded_files::begun(&file.file, file.number, file.content, started_at));
        self.chunk.markers.extend(self.mode.is_backfill().then(|| loaded_files::of_backfill(file.number)));
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

    /// Notes the columns that the file does not have.
    async fn note_absent(&mut self, file: &FileToLoad) -> Result<(), MaterializerError> {
        let rest = LoadReport::MOST_ABSENT.saturating_sub(self.report.absent.len());
        if rest == 0 {
            return Ok(());
        }
        let (batch_source, columns) = (self.batch_source.clone(), self.transform.input().to_vec());
        let (name, file) = (file.file.name.clone(), file.file.clone());
        // What cannot be read is refused where it is read, with its row.
        let absent = blocking::run(move || batch_source.absent(&columns, &file)).await?.unwrap_or_default();
        self.report.absent.extend(absent.into_iter().take(rest).map(|one| format!("`{name}`: {}", one.what)));
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
    async fn open(
        &mut self,
        file: &FileToLoad,
        started_at: Micros,
        repeats: Repeats,
    ) -> Result<FileRows, MaterializerError> {
        let known = match file.resumes {
            true => known_rows(&self.log, file.number).await?,
            false => RoaringTreemap::new(),
        };
        let loaded_rows = match (self.loaded_rows.remove(&file.file.replaces), file.counted_in.as_slice()) {
            (Some(loaded), _) => Some(loaded),
            (None, []) => None,
            (None, numbers) => Some(LoadedRows::read(&self.log, &self.target.view, numbers).await?),
        };
        let validator = FileValidator {
            known,
            expired_before: file.expired_before(&self.log).await?,
            repeats,
            range: self.mode.range(),
            ..self.validator_of_all(file, started_at)
        };
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
            expired_before: None,
            repeats: Repeats::default(),
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

/// A file that is being read.
struct FileRows {
    reader: Box<dyn RowReader>,
    validator: FileValidator,
    waiting: Mutex<WaitingRows>,
    loaded_rows: Option<LoadedRows>,
    /// The statistics of the rows that were brought into the log's form.
    statistics: StatisticsKeeper,
}

/// Rows of one batch of a file.
struct ReadRows {
    /// How many were read.
    read: usize,
    rows: NewRows,
    /// The newest event time of the accepted rows.
    newest: Option<Micros>,
    dead_letters: Vec<DeadLetter>,
    counts: FileCounts,
}

/// Accepted rows.
enum NewRows {
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
    fn read(mut self, taken: &mpsc::Sender<ReadRows>) -> Result<Self, MaterializerError> {
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
