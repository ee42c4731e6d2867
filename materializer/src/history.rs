//! Loading history: which files of a source are new, their rows through the view's transform into
//! the log, and the online store behind it.
//!
//! Every chunk of rows is one commit, and the markers of its files lie in the same commit. So a load
//! that was cut off goes on where it stopped, and one that is repeated changes nothing.

use std::path::PathBuf;
use std::sync::Arc;

use feature::{Micros, Source, View};
use offline::{DeadLetter, DeadLetters, Log, Marker, OfflineStore};
use online::{Reader, Writer};
use roaring::RoaringTreemap;
use transform::ViewTransform;

use crate::error::MaterializerError;
use crate::judge::{Availability, EventRange, Load, Taken};
use crate::known_rows::known_rows;
use crate::loaded::{self, TableVersions};
use crate::report::LoadReport;
use crate::source_files::{self, SourceFile};
use crate::source_reader::{SourceReader, content};
use crate::sync::{self, Entities};

/// Rows that are held in memory before they are committed.
const ROWS_A_COMMIT: usize = 1_000_000;

/// The one writer of both stores.
#[derive(Debug)]
pub struct Materializer<W> {
    /// The logs.
    pub offline: OfflineStore,
    /// The packed rows.
    pub online: W,
    /// The folder from which the paths of sources are taken.
    pub project: PathBuf,
    /// What time it is.
    pub clock: fn() -> Micros,
}

/// A view and the source that it reads.
#[derive(Clone, Debug)]
pub struct Target {
    /// The view.
    pub view: Arc<View>,
    /// Its source.
    pub source: Arc<Source>,
}

/// How rows get to be known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    /// The log first, with declared or simulated availability; then the online store from it.
    Backfill(EventRange),
    /// The online store first; then the log, stamped with the moment of the acknowledgement.
    Materialize,
}

impl Mode {
    /// Whether all rows are loaded, whatever their event time.
    fn is_all(self) -> bool {
        match self {
            Mode::Backfill(range) => range.is_all(),
            Mode::Materialize => true,
        }
    }
}

impl<W: Reader + Writer> Materializer<W> {
    /// Loads a source's history into the view's log, then syncs the online store. Files that were
    /// loaded before are passed over. `progress` is told of each chunk how many rows were read.
    pub async fn backfill(
        &self,
        target: &Target,
        range: EventRange,
        progress: impl Fn(u64),
    ) -> Result<LoadReport, MaterializerError> {
        if target.view.is_static && !range.is_all() {
            return Err(MaterializerError::RangeOfStatic { view: target.view.id.clone() });
        }
        let mut report = self.load(target, Mode::Backfill(range), &progress).await?;
        let mut log = self.offline.log(&target.view).await?;
        report.entities_written = sync::sync(&mut log, &self.online, (self.clock)()).await?;
        self.finish(report, &log).await
    }

    /// Loads what is new in the view's source since the last load into both stores.
    pub async fn materialize(
        &self,
        target: &Target,
        progress: impl Fn(u64),
    ) -> Result<LoadReport, MaterializerError> {
        let log = self.offline.log(&target.view).await?;
        if log.version().is_none() && !target.view.is_static {
            return Err(MaterializerError::NeverBackfilled { view: target.view.id.clone() });
        }
        let report = self.load(target, Mode::Materialize, &progress).await?;
        let log = self.offline.log(&target.view).await?;
        self.finish(report, &log).await
    }

    /// Folds the view's whole log into the online store. Gives how many entities were written.
    pub async fn sync(&self, view: &Arc<View>) -> Result<u64, MaterializerError> {
        let mut log = self.offline.log(view).await?;
        sync::sync(&mut log, &self.online, (self.clock)()).await
    }

    async fn finish(&self, mut report: LoadReport, log: &Log) -> Result<LoadReport, MaterializerError> {
        report.log_version = log.version();
        report.entities = self.online.stats(&log.view().id).await?.rows;
        Ok(report)
    }

    async fn load(
        &self,
        target: &Target,
        mode: Mode,
        progress: &impl Fn(u64),
    ) -> Result<LoadReport, MaterializerError> {
        let Target { view, source } = target;
        let transform = ViewTransform::compile(source, view)?;
        let log = self.offline.log(view).await?;
        let letters = self.offline.dead_letters(&view.id).await?;
        let mut report = LoadReport::new(view.id.clone());
        let files = self.files_to_load(target, &log, &mut report).await?;
        let numbers = loaded::numbers(&log).await?;
        let chunk = Chunk::default();
        let mut writer = ChunkWriter { materializer: self, target, mode, log, letters, numbers, chunk };
        let is_first = writer.log.version().is_none();
        writer.chunk.markers.extend(files.first_version.map(loaded::first_version_marker));
        for file in &files.files {
            report.files += 1;
            self.load_file(&mut writer, &transform, file, is_first, &mut report, progress).await?;
        }
        if mode.is_all() {
            writer.chunk.markers.extend(files.table_version.map(loaded::table_version_marker));
        }
        writer.flush(&mut report).await?;
        Ok(report)
    }

    /// The files that are not loaded yet or not wholly; refused where a loaded one has changed.
    async fn files_to_load(
        &self,
        target: &Target,
        log: &Log,
        report: &mut LoadReport,
    ) -> Result<FilesToLoad, MaterializerError> {
        let Target { view, source } = target;
        let loaded = loaded::table_versions(log).await?;
        let found = source_files::find(&self.project, source, view, loaded).await?;
        let mut next_number = loaded::numbers(log).await?;
        let mut files = Vec::new();
        let mut changed = Vec::new();
        for file in found.files {
            let content = content(&file)?;
            let before = loaded::file(log, &file).await?;
            let same = before.filter(|before| before.content == content);
            match (before, same) {
                (_, Some(same)) if same.complete => report.files_known += 1,
                (_, Some(same)) => {
                    files.push(FileToLoad { file, content, number: same.number, resumes: true })
                }
                (Some(_), None) if !view.is_static => changed.push(format!("`{}`", file.path.display())),
                _ => {
                    files.push(FileToLoad { file, content, number: next_number, resumes: false });
                    next_number += 1;
                }
            }
        }
        if !changed.is_empty() {
            return Err(MaterializerError::ContentChanged { view: view.id.clone(), files: changed });
        }
        let is_first = loaded == TableVersions::default();
        Ok(FilesToLoad {
            files,
            first_version: found.table_version.filter(|_| is_first),
            table_version: found.table_version.filter(|version| Some(*version) != loaded.whole),
        })
    }

    async fn load_file(
        &self,
        writer: &mut ChunkWriter<'_, W>,
        transform: &ViewTransform,
        file: &FileToLoad,
        is_first: bool,
        report: &mut LoadReport,
        progress: &impl Fn(u64),
    ) -> Result<(), MaterializerError> {
        let source = &writer.target.source;
        let range = match writer.mode {
            Mode::Backfill(range) => range,
            Mode::Materialize => EventRange::default(),
        };
        let known = match file.resumes {
            true => known_rows(&writer.log, file.number).await?,
            false => RoaringTreemap::new(),
        };
        let started_at = self.started_at(writer, file.number).await?;
        let load = Load {
            source,
            transform,
            origin: &file.file.name,
            number: file.number,
            started_at,
            range,
            is_first,
        };
        writer.numbers = writer.numbers.max(file.number + 1);
        writer.chunk.markers.extend(loaded::begun(&file.file, file.number, file.content, started_at.get()));
        let mut reader = SourceReader::open(source, transform.input(), &file.file)?;
        while let Some((first_row, batch)) = reader.next_batch()? {
            let (taken, letters) = load.judge(first_row, &batch, |row| known.contains(row), report)?;
            progress(batch.num_rows() as u64);
            writer.chunk.rows += taken.len();
            writer.chunk.taken.push(taken);
            writer.chunk.letters.extend(letters);
            writer.chunk.started_at = Some((file.number, started_at));
            if writer.chunk.rows + writer.chunk.letters.len() >= ROWS_A_COMMIT {
                writer.flush(report).await?;
            }
        }
        if range.is_all() {
            writer.chunk.markers.push(loaded::completed(file.number));
        }
        Ok(())
    }

    /// When the load of a file began, as the first commit that knew of it recorded it.
    async fn started_at(
        &self,
        writer: &ChunkWriter<'_, W>,
        number: u32,
    ) -> Result<Micros, MaterializerError> {
        let app = loaded::started(number);
        let recorded = match writer.log.marker(&app).await? {
            Some(recorded) => Some(recorded),
            None => writer.letters.marker(&app).await?,
        };
        Ok(recorded.and_then(|at| Micros::new(at).ok()).unwrap_or_else(self.clock))
    }
}

struct FilesToLoad {
    files: Vec<FileToLoad>,
    /// Of a Delta source that was never loaded: the version whose files these are.
    first_version: Option<u64>,
    /// Of a Delta source: the version up to which all is loaded with these files.
    table_version: Option<u64>,
}

struct FileToLoad {
    file: SourceFile,
    content: i64,
    number: u32,
    /// Whether some of its rows may be in the log already.
    resumes: bool,
}

/// Rows and markers of one commit.
#[derive(Debug, Default)]
struct Chunk {
    rows: usize,
    taken: Vec<Taken>,
    letters: Vec<DeadLetter>,
    markers: Vec<Marker>,
    started_at: Option<(u32, Micros)>,
}

struct ChunkWriter<'a, W> {
    materializer: &'a Materializer<W>,
    target: &'a Target,
    mode: Mode,
    log: Log,
    letters: DeadLetters,
    /// How many numbers were given to files so far.
    numbers: u32,
    chunk: Chunk,
}

impl<W: Reader + Writer> ChunkWriter<'_, W> {
    /// Writes the chunk: refused rows first, then the rows that were taken.
    async fn flush(&mut self, report: &mut LoadReport) -> Result<(), MaterializerError> {
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
            Mode::Backfill(_) => self.commit(&chunk, Availability::History, report).await?,
            Mode::Materialize => {
                let folded_at = self.write_online(&chunk, now, report).await?;
                let stamp = (self.materializer.clock)();
                let version = self.commit(&chunk, Availability::Measured(stamp), report).await?;
                let online = &self.materializer.online;
                let applied_at = (chunk.rows > 0 && !self.target.view.is_static).then_some(stamp);
                online.replace(&self.target.view.id, &[], applied_at).await?;
                if version != folded_at {
                    // Another writer's commit came between: fold what is there now.
                    sync::sync(&mut self.log, online, stamp).await?;
                }
                version
            }
        };
        Ok(())
    }

    async fn commit(
        &mut self,
        chunk: &Chunk,
        availability: Availability,
        report: &mut LoadReport,
    ) -> Result<u64, MaterializerError> {
        let Target { view, source } = self.target;
        let mut appender = self.log.appender().await?;
        for taken in chunk.taken.iter().filter(|taken| taken.len() > 0) {
            let (batch, late) = taken.log_batch(source, view, availability)?;
            appender.write(batch).await?;
            report.late += late;
        }
        let version = appender.commit(&chunk.markers).await?;
        report.rows_loaded += chunk.rows as u64;
        Ok(version)
    }

    /// Folds the chunk's entities as the log will be once the chunk is committed, and writes them.
    /// Gives the version that the commit is expected to have.
    async fn write_online(
        &mut self,
        chunk: &Chunk,
        now: Micros,
        report: &mut LoadReport,
    ) -> Result<u64, MaterializerError> {
        let Target { view, source } = self.target;
        let batches = chunk
            .taken
            .iter()
            .map(|taken| Ok(taken.log_batch(source, view, Availability::Measured(now))?.0))
            .collect::<Result<Vec<_>, MaterializerError>>()?;
        let keys = sync::keys(view, &batches)?;
        self.log.refresh().await?;
        // A table that is not there yet is made by a commit of its own.
        let version = self.log.version().unwrap_or(0) + 1;
        let mut entities = Entities::new(view);
        if !keys.is_empty() {
            entities.fold_log(&self.log, now, |key| keys.contains(key)).await?;
        }
        for batch in &batches {
            entities.fold_batch(view, batch, now, |_| true)?;
        }
        match entities.write(view, &self.materializer.online, version).await? {
            Some(written) => report.entities_written += written,
            None => return Err(MaterializerError::OnlineConflict { view: view.id.clone() }),
        }
        Ok(version)
    }
}
