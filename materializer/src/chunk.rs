//! Chunks of rows on their way: each is one commit of the log, with the markers of its files in it.

use std::collections::BTreeMap;

use feature::{Micros, Value};
use offline::{DeadLetter, DeadLetters, Log, Marker};
use online::{Reader, Writer};
use roaring::RoaringTreemap;
use transform::ViewTransform;

use crate::error::MaterializerError;
use crate::history::{FileToLoad, Materializer, Mode, Target};
use crate::judge::{Availability, EventRange, Load, Taken, Tally};
use crate::known_rows::known_rows;
use crate::loaded;
use crate::report::LoadReport;
use crate::source_reader::SourceReader;
use crate::sync::{self, Entities};

/// Rows that are held in memory before they are committed.
const ROWS_A_COMMIT: usize = 1_000_000;

/// Rows and markers of one commit.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    rows: usize,
    taken: Vec<Taken>,
    letters: Vec<DeadLetter>,
    markers: Vec<Marker>,
    started_at: Option<(u32, Micros)>,
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
    /// How many numbers were given to files so far.
    pub(crate) numbers: u32,
    pub(crate) report: LoadReport,
    /// For each entity the rows of this load that are not visible yet.
    pub(crate) waiting: BTreeMap<Vec<Value>, usize>,
    pub(crate) chunk: Chunk,
}

impl<W: Reader + Writer> Loading<'_, W> {
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
        let started_at = self.started_at(file.number).await?;
        self.report.files += 1;
        self.numbers = self.numbers.max(file.number + 1);
        self.chunk.markers.extend(loaded::begun(&file.file, file.number, file.content, started_at.get()));
        let mut reader = SourceReader::open(source, self.transform.input(), &file.file)?;
        while let Some((first_row, batch)) = reader.next_batch()? {
            let load = Load {
                source,
                view,
                transform: &self.transform,
                origin: &file.file.name,
                number: file.number,
                started_at,
                range: range.before(self.seam),
                is_first: self.is_first,
                is_history: matches!(self.mode, Mode::Backfill(_)),
            };
            let tally = Tally { report: &mut self.report, waiting: &mut self.waiting };
            let (taken, letters) = load.judge(first_row, &batch, |row| known.contains(row), tally)?;
            progress(batch.num_rows() as u64);
            self.chunk.rows += taken.len();
            self.chunk.taken.push(taken);
            self.chunk.letters.extend(letters);
            self.chunk.started_at = Some((file.number, started_at));
            if self.chunk.rows + self.chunk.letters.len() >= ROWS_A_COMMIT {
                self.flush().await?;
            }
        }
        if range.is_all() {
            self.chunk.markers.push(loaded::completed(file.number));
        }
        Ok(())
    }

    /// Writes what is left, and says what became of all rows.
    pub(crate) async fn finish(mut self) -> Result<LoadReport, MaterializerError> {
        self.flush().await?;
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

    /// Writes the chunk: refused rows first, then the rows that were taken.
    async fn flush(&mut self) -> Result<(), MaterializerError> {
        let mut chunk = std::mem::take(&mut self.chunk);
        // Once a commit, and never back: a file that goes on may have a smaller number than another.
        chunk.markers.extend((self.numbers > 0).then(|| loaded::numbers_marker(self.numbers)));
        let now = (self.materializer.clock)();
        if !chunk.letters.is_empty() {
            let started = chunk
                .started_at
                .map(|(number, at)| Marker { app: loaded::started(number), version: at.get() });
            self.letters.append(std::mem::take(&mut chunk.letters), now, started.as_slice()).await?;
        }
        if chunk.rows == 0 && loaded::stands_at(&self.log, &chunk.markers).await? {
            return Ok(());
        }
        match self.mode {
            Mode::Backfill(_) => self.commit(&chunk, Availability::History).await?,
            Mode::Materialize => {
                let folded_at = self.write_online(&chunk, now).await?;
                let stamp = (self.materializer.clock)();
                let version = self.commit(&chunk, Availability::Measured(stamp)).await?;
                let online = &self.materializer.online;
                let applied_at = (chunk.rows > 0 && !self.target.view.is_static).then_some(stamp);
                online.replace(&self.target.view.id, &[], applied_at).await?;
                if Some(version) != folded_at {
                    // Another writer's commit came between: fold what is there now.
                    sync::sync(&mut self.log, online, stamp).await?;
                }
                version
            }
        };
        Ok(())
    }

    async fn commit(&mut self, chunk: &Chunk, availability: Availability) -> Result<u64, MaterializerError> {
        let Target { view, source } = self.target;
        let mut appender = self.log.appender().await?;
        for taken in chunk.taken.iter().filter(|taken| taken.len() > 0) {
            let (batch, late) = taken.log_batch(source, view, availability)?;
            appender.write(batch).await?;
            self.report.late += late;
        }
        let version = appender.commit(&chunk.markers).await?;
        self.report.rows_loaded += chunk.rows as u64;
        Ok(version)
    }

    /// Folds the chunk's entities as the log will be once the chunk is committed, and writes them.
    /// Gives the version that the commit is expected to have; none where not all were written as of one.
    async fn write_online(&mut self, chunk: &Chunk, now: Micros) -> Result<Option<u64>, MaterializerError> {
        let Target { view, source } = self.target;
        let batches = chunk
            .taken
            .iter()
            .map(|taken| Ok(taken.log_batch(source, view, Availability::Measured(now))?.0))
            .collect::<Result<Vec<_>, MaterializerError>>()?;
        let mut keys = sync::keys(view, &batches)?;
        for attempt in 0..sync::TRIES {
            self.log.refresh().await?;
            // A table that is not there yet is made by a commit of its own.
            let version = self.log.version().unwrap_or(0) + 1;
            let mut entities = Entities::new(view);
            if !keys.is_empty() {
                entities.fold_log(&self.log, now, |key| keys.contains(key)).await?;
            }
            for batch in &batches {
                entities.fold_batch(view, batch, now, |key| keys.contains(key))?;
            }
            let written = entities.write(view, &self.materializer.online, version).await?;
            self.report.entities_written += written.count;
            // A stream is writing these just now: their rows have what the log has not yet.
            keys = written.conflicts;
            if keys.is_empty() {
                return Ok((attempt == 0).then_some(version));
            }
        }
        Err(MaterializerError::OnlineConflict { view: view.id.clone() })
    }
}
