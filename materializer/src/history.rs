//! Loading history: which files of a source are new, their rows through the view's transform into
//! the log, and the online store behind it.
//!
//! Every chunk of rows is one commit, and the markers of its files lie in the same commit. So a load
//! that was cut off goes on where it stopped, and one that is repeated changes nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use feature::{Micros, Source, View};
use offline::{Log, OfflineStore, Optimized};
use online::{Reader, Writer};
use transform::ViewTransform;

use crate::chunk::{Chunk, Loading};
use crate::error::MaterializerError;
use crate::judge::EventRange;
use crate::loaded::{self, TableVersions};
use crate::report::LoadReport;
use crate::seam;
use crate::source_files::{self, SourceFile};
use crate::source_reader::content;
use crate::stream::SchemaRegistry;
use crate::sync;

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
        if loaded::numbers(&log).await? == 0 && !target.view.is_static {
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

    /// Drops the view's online rows, and folds its whole log anew. Gives how many entities were written.
    pub async fn rebuild(&self, view: &Arc<View>) -> Result<u64, MaterializerError> {
        self.online.drop_view(&view.id).await?;
        let written = self.sync(view).await?;
        let now = (self.clock)();
        // What was applied before is not known any more: a reader may be refused too early, never too late.
        self.online.replace(&view.id, &[], (written > 0).then_some(now)).await?;
        Ok(written)
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
        let log = self.offline.log(view).await?;
        let mut report = LoadReport::new(view.id.clone());
        let files = self.files_to_load(target, &log, &mut report).await?;
        let mut loading = Loading {
            materializer: self,
            target,
            mode,
            transform: ViewTransform::compile(source, view)?,
            is_first: !loaded::has_first_load(&log).await?,
            letters: self.offline.dead_letters(&view.id).await?,
            numbers: loaded::numbers(&log).await?,
            seam: seam::find(&log, source).await?,
            log,
            report,
            waiting: BTreeMap::new(),
            chunk: Chunk::default(),
        };
        loading.mark(files.first_version.map(loaded::first_version_marker));
        for file in &files.files {
            loading.load_file(file, progress).await?;
        }
        if mode.is_all() {
            loading.mark(Some(loaded::first_load_marker()));
            loading.mark(files.table_version.map(loaded::table_version_marker));
        }
        loading.finish().await
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
}

struct FilesToLoad {
    files: Vec<FileToLoad>,
    /// Of a Delta source that was never loaded: the version whose files these are.
    first_version: Option<u64>,
    /// Of a Delta source: the version up to which all is loaded with these files.
    table_version: Option<u64>,
}

pub(crate) struct FileToLoad {
    pub(crate) file: SourceFile,
    pub(crate) content: i64,
    pub(crate) number: u32,
    /// Whether some of its rows may be in the log already.
    pub(crate) resumes: bool,
}
