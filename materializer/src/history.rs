//! Loading history: which files of a source are new, their rows through the view's transform into
//! the log, and the online store behind it.
//!
//! Every chunk of rows is one commit, and the markers of its files lie in the same commit. So a load
//! that was cut off goes on where it stopped, and one that is repeated changes nothing. What a load does is decided on
//! one snapshot, and each of its commits is a conflict where another load, or the start of a stream, came between: then
//! all that is not committed is decided again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use feature::{BatchFormat, Micros, Source, View};
use offline::{BatchPoint, DeadLetters, Log, Marker, OfflineError, OfflineStore, Optimized};
use online::Mender;
use transform::ViewTransform;

use crate::chunk::{Chunk, CommittedRows, Loading};
use crate::error::MaterializerError;
use crate::file_format;
use crate::first_use::FirstUse;
use crate::judge::EventRange;
use crate::load_lock::LoadLock;
use crate::loaded::{self, TableVersions};
use crate::old_files;
use crate::rebuild;
use crate::report::LoadReport;
use crate::seam;
use crate::source_content::Content;
use crate::source_files::{self, SourceFile};
use crate::stream::SchemaRegistry;
use crate::sync;
use crate::turn::Turn;

/// How often a load is decided anew because another came between its commits.
const TRIES: usize = 20;

/// The one writer of both stores.
#[derive(Debug)]
pub struct Materializer<W> {
    /// The logs.
    pub offline: OfflineStore,
    /// The packed rows.
    pub online: W,
    /// The folder from which the paths of sources are taken.
    pub project: PathBuf,
    /// Where the schemas of streams are that name no file; none where there is no registry.
    pub schema_registry: Option<Arc<SchemaRegistry>>,
    /// What time it is.
    pub clock: fn() -> Micros,
    /// Who is told before the first row of a view is written.
    pub first_use: FirstUse,
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
pub(crate) enum Mode {
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

impl<W: Mender> Materializer<W> {
    /// Writes every online row of the view again from its whole log, while others read and write: readers see the
    /// row that was there or the new one. It takes a turn, as loads do: a load whose rows are online ahead of their
    /// commit begins again. Gives how many entities the log has.
    pub async fn rebuild(&self, view: &Arc<View>) -> Result<u64, MaterializerError> {
        let _lock = LoadLock::take(&self.offline.log(view).await?).await?;
        let mut log = self.offline.log(view).await?;
        let turn = match log.version() {
            Some(_) => Some(Turn::begin(&mut log).await?),
            None => None,
        };
        let entities = rebuild::rebuild(&mut log, &self.online, self.clock).await?;
        if let Some(turn) = turn {
            turn.settle(&mut log).await?;
        }
        Ok(entities)
    }
}

impl<W: Mender> Materializer<W> {
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
        self.load(target, Mode::Backfill(range), &progress).await
    }

    /// Loads what is new in the view's source since the last load into both stores.
    pub async fn materialize(
        &self,
        target: &Target,
        progress: impl Fn(u64),
    ) -> Result<LoadReport, MaterializerError> {
        self.load(target, Mode::Materialize, &progress).await
    }

    /// Folds the view's whole log into the online store. Gives how many entities were written.
    pub async fn sync(&self, view: &Arc<View>) -> Result<u64, MaterializerError> {
        let mut log = self.offline.log(view).await?;
        sync::sync(&mut log, &self.online, self.clock).await
    }

    /// Compacts the view's log once it has more files than this. Readers and writers go on.
    pub async fn compact(
        &self,
        view: &Arc<View>,
        files: usize,
    ) -> Result<Option<Optimized>, MaterializerError> {
        let mut log = self.offline.log(view).await?;
        let held = log.snapshot()?.map_or(0, |snapshot| snapshot.files.len());
        Ok(if held > files { Some(log.optimize().await?) } else { None })
    }

    async fn load(
        &self,
        target: &Target,
        mode: Mode,
        progress: &impl Fn(u64),
    ) -> Result<LoadReport, MaterializerError> {
        let mut committed = CommittedRows::default();
        let mut conflict = None;
        for _ in 0..TRIES {
            match self.try_load(target, mode, progress, &mut committed).await {
                Err(MaterializerError::Offline(error @ OfflineError::Conflict { .. })) => {
                    tracing::debug!("{}: {error}", target.view.id);
                    conflict = Some(error);
                }
                loaded => return loaded,
            }
        }
        Err(conflict.map_or_else(|| self.kept_changing(target), MaterializerError::Offline))
    }

    fn kept_changing(&self, target: &Target) -> MaterializerError {
        MaterializerError::OnlineConflict { view: target.view.id.clone() }
    }

    async fn try_load(
        &self,
        target: &Target,
        mode: Mode,
        progress: &impl Fn(u64),
        committed: &mut CommittedRows,
    ) -> Result<LoadReport, MaterializerError> {
        let Target { view, source } = target;
        // What is decided is decided on what is there once nobody else loads.
        let lock = LoadLock::take(&self.offline.log(view).await?).await?;
        let log = self.offline.log(view).await?;
        if mode == Mode::Materialize && !view.is_static && !has_history(&log).await? {
            return Err(MaterializerError::NeverBackfilled { view: view.id.clone() });
        }
        let letters = self.offline.dead_letters(&view.id).await?;
        let mut report = LoadReport::new(view.id.clone());
        let files = self.files_to_load(target, &log, &letters, &mut report).await?;
        BatchPoint::Hashed.pass();
        if mode == Mode::Materialize && !view.is_static {
            report.median_day = old_files::check(target, &files.files, files.format, (self.clock)())?;
        }
        let before = *committed;
        let mut loading = Loading {
            materializer: self,
            target,
            mode,
            transform: ViewTransform::compile(source, view)?,
            is_first: !loaded::has_first_load(&log).await?,
            letters,
            turn: Turn::next(&log).await?,
            format: files.format,
            numbered: files.numbered,
            numbers: loaded::numbers(&log).await?,
            numbers_after: files.numbers_after,
            seam: seam::find(&log, source).await?,
            log,
            report,
            committed,
            waiting: BTreeMap::new(),
            loaded_rows: BTreeMap::new(),
            chunk: Chunk::default(),
        };
        if loading.turn.follows_unsettled() {
            loading.take_turn().await?;
        }
        loading.mark(files.first_version.map(loaded::first_version_marker));
        for file in &files.files {
            loading.load_file(file, progress).await?;
        }
        if mode.is_all() {
            loading.mark(Some(loaded::first_load_marker()));
            loading.mark(files.table_version.map(loaded::table_version_marker));
        }
        let mut report = loading.finish().await?;
        BatchPoint::Settled.pass();
        // What this command committed before it was decided anew was found in the log.
        report.rows_known = report.rows_known.saturating_sub(before.rows);
        (report.rows_loaded, report.late) = (committed.rows, committed.late);
        report.entities_written = committed.entities_written;
        report.log_version = self.offline.log(view).await?.version();
        report.entities = self.online.stats(&view.id).await?.rows;
        drop(lock);
        Ok(report)
    }

    /// The files that are not loaded yet or not wholly; refused where a loaded one has changed.
    async fn files_to_load(
        &self,
        target: &Target,
        log: &Log,
        letters: &DeadLetters,
        report: &mut LoadReport,
    ) -> Result<FilesToLoad, MaterializerError> {
        let Target { view, source } = target;
        let loaded = loaded::table_versions(log).await?;
        let found = source_files::find(&self.project, source, view, loaded).await?;
        report.files_unread = found.unread;
        let mut next_number = loaded::numbers(log).await?;
        let mut files = Vec::new();
        let mut changed = Vec::new();
        let mut numbered = Vec::new();
        let unfinished = unfinished(log, &found.files).await?;
        for file in found.files {
            let content = Content::of(&file)?;
            let before = loaded::file(log, &file).await?;
            let number = match before {
                Some(before) if before.content == Some(content.hash) => {
                    // A static file's old content that is back before the new one was loaded is in the log.
                    let is_whole =
                        before.complete || (view.is_static && !loaded::is_begun(log, before.number).await?);
                    if is_whole && !unfinished.contains(&file.replaces) {
                        report.files_known += 1;
                        continue;
                    }
                    Some((before.number, true))
                }
                // Nothing of it is in the log: at most refused rows, of another content perhaps.
                Some(before) if before.content.is_none() => {
                    let refused = letters.marker(&loaded::refused_content(before.number)).await?;
                    refused.is_none_or(|refused| refused == content.hash).then_some((before.number, false))
                }
                Some(_) if !view.is_static => {
                    changed.push(format!("`{}`", file.path.display()));
                    continue;
                }
                _ => None,
            };
            let (number, resumes) = number.unwrap_or_else(|| {
                let number = next_number;
                next_number += 1;
                numbered.push(loaded::numbered(&file, number));
                (number, false)
            });
            // Before the first row of any is loaded.
            file_format::check_compressed(&file.path)
                .map_err(|error| MaterializerError::file(&file.path, error))?;
            let counted_in = loaded::numbers_of(log, &file.replaces).await?;
            files.push(FileToLoad { file, content, number, resumes, counted_in });
        }
        if !changed.is_empty() {
            return Err(MaterializerError::ContentChanged { view: view.id.clone(), files: changed });
        }
        let is_first = loaded == TableVersions::default();
        Ok(FilesToLoad {
            files,
            format: found.format,
            numbered,
            numbers_after: next_number,
            first_version: found.table_version.filter(|_| is_first),
            table_version: found.table_version.filter(|version| Some(*version) != loaded.whole),
        })
    }
}

/// Of files that hold rows of the same others, those that are not all loaded: which of them holds which rows is known
/// once all are read.
async fn unfinished(
    log: &Log,
    files: &[SourceFile],
) -> Result<BTreeSet<BTreeSet<String>>, MaterializerError> {
    let mut unfinished = BTreeSet::new();
    for file in files.iter().filter(|file| !file.replaces.is_empty()) {
        if !loaded::file(log, file).await?.is_some_and(|before| before.complete) {
            unfinished.insert(file.replaces.clone());
        }
    }
    Ok(unfinished)
}

/// Whether history of the view was ever loaded. That a file has a number does not say so.
async fn has_history(log: &Log) -> Result<bool, MaterializerError> {
    Ok(loaded::numbers(log).await? > 0 && (log.row_count() > 0 || loaded::has_first_load(log).await?))
}

struct FilesToLoad {
    /// How they are encoded.
    format: Option<BatchFormat>,
    files: Vec<FileToLoad>,
    /// The numbers of those that had none.
    numbered: Vec<Marker>,
    /// How many numbers are given with them.
    numbers_after: u32,
    /// Of a Delta source that was never loaded: the version whose files these are.
    first_version: Option<u64>,
    /// Of a Delta source: the version up to which all is loaded with these files.
    table_version: Option<u64>,
}

pub(crate) struct FileToLoad {
    pub(crate) file: SourceFile,
    pub(crate) content: Content,
    pub(crate) number: u32,
    /// Whether some of its rows may be in the log already.
    pub(crate) resumes: bool,
    /// Of a file that was rewritten from others: the numbers of those that the log has rows of.
    pub(crate) counted_in: Vec<u32>,
}

impl FileToLoad {
    /// What is said beside its refused rows: of which content they are, and when its load began.
    pub(crate) fn refused(&self, started_at: Micros) -> [Marker; 2] {
        [
            Marker { app: loaded::started(self.number), version: started_at.get() },
            Marker { app: loaded::refused_content(self.number), version: self.content.hash },
        ]
    }
}
