//! Chunks of rows on their way: each is one commit of the log, with the markers of its files in it, decided on
//! the snapshot on which the load was.

use std::collections::{BTreeMap, BTreeSet};

use feature::{BatchFormat, Micros, Value};
use offline::{BatchGuard, BatchPoint, DeadLetter, DeadLetters, Log, Marker, Written};
use online::Mender;
use roaring::RoaringTreemap;
use transform::ViewTransform;

use crate::error::MaterializerError;
use crate::history::{FileToLoad, Materializer, Mode, Target};
use crate::judge::{Availability, EventRange, Load, Taken, Tally};
use crate::known_rows::known_rows;
use crate::loaded;
use crate::loaded_rows::LoadedRows;
use crate::online_first::OnlineFirst;
use crate::report::LoadReport;
use crate::source_reader::SourceReader;
use crate::sync;
use crate::turn::{READS, Turn};

/// Rows that are held in memory before they are committed.
const ROWS_A_COMMIT: usize = 1_000_000;

/// Rows and markers of one commit.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    rows: usize,
    taken: Vec<Taken>,
    letters: Vec<DeadLetter>,
    markers: Vec<Marker>,
    /// What is said of its files beside their refused rows.
    refused_of: Vec<Marker>,
}

/// Rows that one command committed, also before it was decided anew.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CommittedRows {
    pub(crate) rows: u64,
    pub(crate) late: u64,
    pub(crate) entities_written: u64,
}

/// The load of one view's history, file after file.
pub(crate) struct Loading<'a, W> {
    pub(crate) materializer: &'a Materializer<W>,
    pub(crate) target: &'a Target,
    pub(crate) mode: Mode,
    pub(crate) transform: ViewTransform,
    /// Whether nothing was ever loaded for the view.
    pub(crate) is_first: bool,
    /// From when the view's stream counts: later rows are not history's.
    pub(crate) seam: Option<Micros>,
    pub(crate) log: Log,
    pub(crate) letters: DeadLetters,
    pub(crate) turn: Turn,
    /// How the source's files are encoded.
    pub(crate) format: Option<BatchFormat>,
    /// The numbers that the load gives to files which have none.
    pub(crate) numbered: Vec<Marker>,
    /// How many numbers were given to files so far.
    pub(crate) numbers: u32,
    /// How many are once the load is done.
    pub(crate) numbers_after: u32,
    pub(crate) report: LoadReport,
    pub(crate) committed: &'a mut CommittedRows,
    /// For each entity the rows of this load that are not visible yet.
    pub(crate) waiting: BTreeMap<Vec<Value>, usize>,
    /// For files that hold rows of these others: the rows that the log has of them.
    pub(crate) loaded_rows: BTreeMap<BTreeSet<String>, LoadedRows>,
    pub(crate) chunk: Chunk,
}

impl<W: Mender> Loading<'_, W> {
    /// Adds to what the next commit says of the source.
    pub(crate) fn mark(&mut self, marker: Option<Marker>) {
        self.chunk.markers.extend(marker);
    }

    /// Loads the rows of one file.
    pub(crate) async fn load_file(
        &mut self,
        file: &FileToLoad,
        progress: &impl Fn(u64),
    ) -> Result<(), MaterializerError> {
        let Target { view, source } = self.target;
        let range = match self.mode {
            Mode::Backfill(range) => range,
            Mode::Materialize => EventRange::default(),
        };
        let known = match file.resumes {
            true => known_rows(&self.log, file.number).await?,
            false => RoaringTreemap::new(),
        };
        if !file.counted_in.is_empty() && !self.loaded_rows.contains_key(&file.file.replaces) {
            let rows = LoadedRows::read(&self.log, view, &file.counted_in).await?;
            self.loaded_rows.insert(file.file.replaces.clone(), rows);
        }
        let started_at = self.started_at(file.number).await?;
        self.report.files += 1;
        self.numbers = self.numbers.max(file.number + 1);
        self.chunk.markers.extend(loaded::begun(
            &file.file,
            file.number,
            file.content.hash,
            started_at.get(),
        ));
        self.chunk.refused_of.extend(file.refused(started_at));
        let mut reader = SourceReader::open(source, self.transform.input(), &file.file, self.format)?;
        while let Some(rows) = reader.next_rows()? {
            let load = Load {
                source,
                view,
                transform: &self.transform,
                origin: &file.file.name,
                number: file.number,
                started_at,
                range,
                stream_from: self.seam,
                is_first: self.is_first,
                is_history: matches!(self.mode, Mode::Backfill(_)),
            };
            let tally = Tally { report: &mut self.report, waiting: &mut self.waiting };
            let (mut taken, letters) = load.judge(&rows, |row| known.contains(row), tally)?;
            if let Some(loaded_rows) = self.loaded_rows.get_mut(&file.file.replaces) {
                let before = taken.len();
                let new = loaded_rows.new_rows(view, taken.rows(), taken.event_times())?;
                taken = taken.only(&new)?;
                self.report.rows_known += (before - taken.len()) as u64;
            }
            progress(rows.batch.num_rows() as u64);
            self.chunk.rows += taken.len();
            self.chunk.taken.push(taken);
            self.chunk.letters.extend(letters);
            if self.chunk.rows + self.chunk.letters.len() >= ROWS_A_COMMIT {
                self.check_unchanged(file)?;
                self.flush(false).await?;
                self.chunk.refused_of.extend(file.refused(started_at));
            }
        }
        BatchPoint::Read.pass();
        self.check_unchanged(file)?;
        if range.is_all() {
            self.chunk.markers.push(loaded::completed(file.number));
        }
        Ok(())
    }

    /// What was read from a file is what its content was taken of: else none of it is committed.
    fn check_unchanged(&self, file: &FileToLoad) -> Result<(), MaterializerError> {
        if file.content.is_still_of(&file.file)? || !BatchGuard::Content.is_there() {
            return Ok(());
        }
        Err(MaterializerError::ReplacedMeanwhile {
            view: self.target.view.id.clone(),
            file: file.file.path.display().to_string(),
        })
    }

    /// Writes what is left, brings the online store up to the log, and says what became of all rows.
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

    /// When the load of a file began, as the first commit that knew of it recorded it.
    async fn started_at(&self, number: u32) -> Result<Micros, MaterializerError> {
        let app = loaded::started(number);
        let recorded = match self.log.marker(&app).await? {
            Some(recorded) => Some(recorded),
            None => self.letters.marker(&app).await?,
        };
        Ok(recorded.and_then(|at| Micros::new(at).ok()).unwrap_or_else(self.materializer.clock))
    }

    /// Takes the turn, and with it the numbers of all files of the load: what is written under them from here on
    /// is of these files, whatever becomes of the load.
    pub(crate) async fn take_turn(&mut self) -> Result<(), MaterializerError> {
        self.materializer.first_use.begin(&self.target.view).await?;
        let mut markers = self.numbered.clone();
        if !markers.is_empty() {
            let numbers = self.numbers_after.max(loaded::numbers(&self.log).await?);
            markers.push(loaded::numbers_marker(numbers));
        }
        Ok(self.turn.take(&mut self.log, &markers).await?)
    }

    /// Writes the chunk: refused rows first, then the rows that were taken.
    async fn flush(&mut self, is_last: bool) -> Result<(), MaterializerError> {
        let mut chunk = std::mem::take(&mut self.chunk);
        let is_online_first = self.mode == Mode::Materialize && chunk.rows > 0;
        if !chunk.letters.is_empty() || is_online_first {
            self.take_turn().await?;
        }
        // Once a commit, and never back: a file that goes on may have a smaller number than another.
        let numbers = self.numbers.max(loaded::numbers(&self.log).await?);
        chunk.markers.extend((numbers > 0).then(|| loaded::numbers_marker(numbers)));
        if !chunk.letters.is_empty() {
            let letters = std::mem::take(&mut chunk.letters);
            self.letters.append(letters, (self.materializer.clock)(), &chunk.refused_of).await?;
            BatchPoint::Refused.pass();
        }
        if chunk.rows == 0 && loaded::stands_at(&self.log, &chunk.markers).await? {
            return Ok(());
        }
        self.materializer.first_use.begin(&self.target.view).await?;
        if is_online_first {
            return self.commit_online_first(&chunk, is_last).await;
        }
        // Rows that are to be put online after their commit: whoever comes next sees that they may not be.
        chunk.markers.extend(self.turn.marker().filter(|_| chunk.rows > 0));
        let rows = self.written(&chunk, Availability::History).await?;
        self.log.commit(&rows, &chunk.markers, &READS).await?;
        if chunk.rows > 0 {
            self.turn.taken();
        }
        self.committed.rows += chunk.rows as u64;
        Ok(())
    }

    async fn commit_online_first(&mut self, chunk: &Chunk, is_last: bool) -> Result<(), MaterializerError> {
        let Target { view, source } = self.target;
        let Materializer { online, clock, .. } = self.materializer;
        let now = clock();
        let batches = chunk
            .taken
            .iter()
            .map(|taken| Ok(taken.log_batch(source, view, Availability::Measured(now))?.0))
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

    /// Writes the rows of a chunk into files that no commit names yet.
    async fn written(
        &mut self,
        chunk: &Chunk,
        availability: Availability,
    ) -> Result<Written, MaterializerError> {
        let Target { view, source } = self.target;
        let mut appender = self.log.appender().await?;
        let mut late_rows = 0;
        for taken in chunk.taken.iter().filter(|taken| taken.len() > 0) {
            let (batch, late) = taken.log_batch(source, view, availability)?;
            appender.write(batch).await?;
            late_rows += late;
        }
        let written = appender.finish().await?;
        self.committed.late += late_rows;
        Ok(written)
    }
}
