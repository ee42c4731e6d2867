//! Chunks of rows: each is one commit of the log, with the markers of its files in it, decided on the snapshot on
//! which the load was.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use feature::Micros;
use offline::{BatchGuard, BatchPoint, DeadLetter, DeadLetters, Log, Marker, RowsWriter, Written};
use online::Mender;
use roaring::RoaringTreemap;
use tokio::sync::mpsc;
use transform::ViewTransform;

use super::batch_source::BatchSource;
use super::event_range::EventRange;
use super::file_rows::{FileRows, NewRows};
use super::file_validator::{FileValidator, WaitingRows};
use super::files_to_load::FileToLoad;
use super::known_rows::known_rows;
use super::load_report::{FileRead, LoadReport};
use super::loaded_files;
use super::loaded_rows::LoadedRows;
use crate::blocking;
use crate::error::MaterializerError;
use crate::fold::online_first::OnlineFirst;
use crate::fold::sync;
use crate::load_turn::LoadTurn;
use crate::markers::LOAD_READS;
use crate::materializer::{Materializer, Target};
use crate::rows::accepted::{AcceptedRows, Availability};

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
}

impl Mode {
    /// The event times that are loaded.
    pub(crate) fn range(self) -> EventRange {
        match self {
            Mode::Backfill(range) => range,
            Mode::Materialize => EventRange::default(),
        }
    }
}

/// Rows and markers of one commit.
#[derive(Default)]
pub(crate) struct Chunk {
    rows: usize,
    /// Rows that are put online before they are written.
    accepted: Vec<AcceptedRows>,
    /// Rows that are written as they come.
    writer: Option<RowsWriter>,
    /// How many of those are late.
    late: u64,
    dead_letters: Vec<DeadLetter>,
    markers: Vec<Marker>,
    /// The markers beside the refused rows of its files.
    dead_letter_markers: Vec<Marker>,
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
}

impl<W: Mender> HistoryLoad<'_, W> {
    /// Adds a marker to the next commit.
    pub(crate) fn mark(&mut self, marker: Option<Marker>) {
        self.chunk.markers.extend(marker);
    }

    /// Loads the rows of one file.
    pub(crate) async fn load_file(
        &mut self,
        file: &FileToLoad,
        progress: &impl Fn(u64),
    ) -> Result<(), MaterializerError> {
        let started_at = loaded_files::started_at(&self.log, &self.dead_letters, file.number).await?;
        let started_at = started_at.unwrap_or_else(self.materializer.clock);
        let rows = self.open(file, started_at).await?;
        self.report.files += 1;
        let name = file.file.name.clone();
        let mut file_read = FileRead { name, content: file.content.hash, rows: 0 };
        self.numbers = self.numbers.max(file.number + 1);
        let refused = loaded_files::refused(file.number, file.content, started_at);
        self.chunk.markers.extend(loaded_files::begun(&file.file, file.number, file.content, started_at));
        self.fingerprints.push(loaded_files::fingerprint(&file.file, file.content));
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
        self.waiting = rows.waiting;
        self.loaded_rows.extend(rows.loaded_rows.map(|loaded| (file.file.replaces.clone(), loaded)));
        BatchPoint::Read.pass();
        self.check_unchanged(file)?;
        if self.mode.range().is_all() {
            self.chunk.markers.push(loaded_files::completed(file.number));
        }
        Ok(())
    }

    /// Takes rows into the chunk. Those that are not online first are written meanwhile.
    async fn add_rows(&mut self, rows: NewRows) -> Result<(), MaterializerError> {
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
        Ok(writer.write(batch).await?)
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
        let validator = FileValidator {
            target: self.target.clone(),
            transform: self.transform.clone(),
            origin: file.file.name.clone(),
            number: file.number,
            known,
            started_at,
            range: self.mode.range(),
            stream_start: self.stream_start,
            is_first: self.is_first,
            is_history: matches!(self.mode, Mode::Backfill(_)),
        };
        let (batch_source, columns) = (self.batch_source.clone(), self.transform.input().to_vec());
        let opened = file.file.clone();
        let reader = blocking::run(move || batch_source.open(&columns, &opened, None)).await??;
        Ok(FileRows { reader, validator, waiting: std::mem::take(&mut self.waiting), loaded_rows })
    }

    /// Nothing of a file is committed unless it is still the one whose content was taken before it was read.
    fn check_unchanged(&self, file: &FileToLoad) -> Result<(), MaterializerError> {
        if file.content.is_still_of(&file.file)? || !BatchGuard::Content.is_on() {
            return Ok(());
        }
        Err(MaterializerError::ReplacedMeanwhile {
            view: self.target.view.id.clone(),
            file: file.file.path.display().to_string(),
        })
    }

    /// Writes what is left, brings the online store up to the log, and reports the outcome for all rows.
    pub(crate) async fn finish(mut self) -> Result<LoadReport, MaterializerError> {
        self.flush(true).await?;
        let Materializer { online, clock, .. } = self.materializer;
        self.committed.entities_written += match self.mode {
            Mode::Backfill(_) if self.turn.follows_unsettled() => {
                self.turn.end(&mut self.log, online, *clock).await?
            }
            Mode::Backfill(_) => {
                let written = sync::sync(&mut self.log, online, clock).await?;
                self.turn.settle(&mut self.log).await?;
                written
            }
            Mode::Materialize => self.turn.end(&mut self.log, online, *clock).await?,
        };
        Ok(self.report)
    }

    /// Takes the turn, and with it the numbers of all files of the load: whatever happens to the load, what is
    /// written under them from here on is of these files.
    pub(crate) async fn take_turn(&mut self) -> Result<(), MaterializerError> {
        self.materializer.first_use.begin(&self.target.view).await?;
        let mut markers = self.numbered.clone();
        if !markers.is_empty() {
            let numbers = self.numbers_after.max(loaded_files::numbers(&self.log).await?);
            markers.push(loaded_files::numbers_given(numbers));
        }
        Ok(self.turn.take(&mut self.log, &markers).await?)
    }

    /// Writes the chunk: refused rows first, then the accepted ones.
    async fn flush(&mut self, is_last: bool) -> Result<(), MaterializerError> {
        let mut chunk = std::mem::take(&mut self.chunk);
        let is_online_first = self.mode == Mode::Materialize && chunk.rows > 0;
        if !chunk.dead_letters.is_empty() || is_online_first {
            self.take_turn().await?;
        }
        // Once a commit, and never back: a file that resumes may have a smaller number than another.
        let numbers = self.numbers.max(loaded_files::numbers(&self.log).await?);
        chunk.markers.extend((numbers > 0).then(|| loaded_files::numbers_given(numbers)));
        if !chunk.dead_letters.is_empty() {
            let dead_letters = std::mem::take(&mut chunk.dead_letters);
            let now = (self.materializer.clock)();
            self.dead_letters.append(dead_letters, now, &chunk.dead_letter_markers).await?;
            BatchPoint::Refused.pass();
        }
        if chunk.rows == 0 && loaded_files::has_all(&self.log, &chunk.markers).await? {
            return Ok(());
        }
        chunk.markers.append(&mut self.fingerprints);
        self.materializer.first_use.begin(&self.target.view).await?;
        if is_online_first {
            return self.commit_online_first(&chunk, is_last).await;
        }
        // Rows that are put online after their commit: the next load sees that they may not be online.
        chunk.markers.extend(self.turn.marker().filter(|_| chunk.rows > 0));
        let writer = match chunk.writer {
            Some(writer) => writer,
            None => self.log.rows_writer().await?,
        };
        let rows = writer.finish().await?;
        self.log.commit(&rows, &chunk.markers, &LOAD_READS).await?;
        if chunk.rows > 0 {
            self.turn.mark_taken();
        }
        self.committed.rows += chunk.rows as u64;
        self.committed.late += chunk.late;
        Ok(())
    }

    async fn commit_online_first(&mut self, chunk: &Chunk, is_last: bool) -> Result<(), MaterializerError> {
        let Target { view, source } = self.target;
        let Materializer { online, clock, .. } = self.materializer;
        let now = clock();
        let batches = chunk
            .accepted
            .iter()
            .map(|accepted| Ok(accepted.log_batch(source, view, Availability::Measured(now))?.0))
            .collect::<Result<Vec<_>, MaterializerError>>()?;
        let first = OnlineFirst::write(&mut self.log, online, *clock, &batches).await?;
        BatchPoint::Online.pass();
        let stamp = clock();
        // Raised before the commit: a reader may be refused too early, never too late.
        online.replace(&view.id, &[], (!view.is_static).then_some(stamp)).await?;
        let rows = self.written(chunk, Availability::Measured(stamp)).await?;
        let settling = self.turn.settling().filter(|_| is_last);
        let written = first.commit(&mut self.log, &rows, &chunk.markers, settling).await?;
        self.committed.entities_written += written;
        self.committed.rows += chunk.rows as u64;
        Ok(())
    }

    /// Writes the rows of a chunk, which became available then, into files that no commit names yet.
    async fn written(
        &mut self,
        chunk: &Chunk,
        availability: Availability,
    ) -> Result<Written, MaterializerError> {
        let Target { view, source } = self.target;
        let mut writer = self.log.rows_writer().await?;
        let mut late_rows = 0;
        for accepted in chunk.accepted.iter().filter(|accepted| accepted.len() > 0) {
            let (batch, late) = accepted.log_batch(source, view, availability)?;
            writer.write(batch).await?;
            late_rows += late;
        }
        let written = writer.finish().await?;
        self.committed.late += late_rows;
        Ok(written)
    }
}
