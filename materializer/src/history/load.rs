//! Loading history: which files of a source are new, their rows through the view's transform into the log, and the
//! online store after it.
//!
//! Every chunk of rows is one commit, and the markers of its files are in the same commit. So a load that was
//! interrupted goes on where it stopped, and one that is repeated changes nothing. What a load does is decided on
//! one snapshot, and each of its commits is a conflict if another load, or the start of a stream, came in between:
//! then everything that is not committed is decided again.

use std::collections::BTreeMap;
use std::sync::Arc;

use offline::{BatchPoint, Log, OfflineError};
use online::Mender;
use transform::ViewTransform;

use super::batch_source::BatchSource;
use super::chunk::{Chunk, CommittedRows, HistoryLoad};
use super::derived::DerivedSource;
use super::event_range::EventRange;
use super::file_validator::WaitingRows;
use super::files_to_load::{FilesToLoad, has_history};
use super::load_report::LoadReport;
use super::mode::Mode;
use super::{loaded_files, locate, migration, old_files, quarantine};
use crate::blocking;
use crate::error::MaterializerError;
use crate::fold::prefix;
use crate::load_lock::LoadLock;
use crate::load_turn::LoadTurn;
use crate::materializer::{Materializer, Target};
use crate::statistics::StatisticsKeeper;
use crate::stream_start;

/// How often a load is decided again because another writer committed in between.
const TRIES: usize = 20;

impl<W: Mender> Materializer<W> {
    /// Loads a source's history into the view's log, then syncs the online store. Files that were loaded before
    /// are skipped. `progress` is called for each batch with the number of rows that were read.
    pub async fn backfill(
        &self,
        target: &Target,
        range: EventRange,
        progress: impl Fn(u64),
    ) -> Result<LoadReport, MaterializerError> {
        if target.view.is_static && !range.is_all() {
            return Err(MaterializerError::RangeOfStatic { view: target.view.id.clone() });
        }
        if let Some(input) = target.input.as_ref().filter(|_| !range.is_all()) {
            let (view, input) = (target.view.id.clone(), input.view.id.clone());
            return Err(MaterializerError::RangeOfDerived { view, input });
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

    pub(super) async fn load(
        &self,
        target: &Target,
        mode: Mode,
        progress: &impl Fn(u64),
    ) -> Result<LoadReport, MaterializerError> {
        let mut committed = CommittedRows::default();
        let mut tries = 0;
        loop {
            tries += 1;
            match self.try_load(target, mode, progress, &mut committed).await {
                Err(MaterializerError::Offline(error @ OfflineError::Conflict { .. })) if tries < TRIES => {
                    tracing::debug!("{}: {error}", target.view.id);
                }
                loaded => return loaded,
            }
        }
    }

    async fn try_load(
        &self,
        target: &Target,
        mode: Mode,
        progress: &impl Fn(u64),
        committed: &mut CommittedRows,
    ) -> Result<LoadReport, MaterializerError> {
        let view = &target.view;
        // The decision is made on what is there once nobody else loads.
        let lock = LoadLock::acquire(&self.offline.log(view).await?).await?;
        prefix::check_prefix(&self.offline, &self.online, view).await?;
        let mut log = self.offline.log(view).await?;
        migration::refuse_beside(&log, mode.is_online_first()).await?;
        if mode == Mode::Materialize && !view.is_static && !has_history(&log).await? {
            return Err(MaterializerError::NeverBackfilled { view: view.id.clone() });
        }
        let dead_letters = self.offline.dead_letters(&view.id).await?;
        let mut report = LoadReport::new(view.id.clone());
        let source = self.batch_source(target, &log).await?;
        let now = (self.clock)();
        let released = mode.released();
        let files = FilesToLoad::find(target, &source, &log, &dead_letters, (now, mode), &mut report).await?;
        BatchPoint::Hashed.pass();
        if let Some(number) = released {
            self.first_use.begin(view).await?;
            quarantine::begin_release(&mut log, number, !files.files.is_empty(), now).await?;
        }
        let mut times = old_files::TimesOfFiles::new();
        if mode == Mode::Materialize && !view.is_static {
            let (target, source, all) = (target.clone(), source.clone(), files.files.clone());
            let now = (self.clock)();
            let checked = move || old_files::check(&target, source.as_ref(), &all, now);
            times = blocking::run(checked).await??;
        }
        let before = *committed;
        let mut load = HistoryLoad {
            materializer: self,
            target,
            mode,
            batch_source: source,
            transform: ViewTransform::compile(&target.source, view)?,
            forgotten: Arc::new(self.offline.forgotten_as_of(&log).await?),
            is_first: released.is_none() && !loaded_files::has_first_load(&log).await?,
            dead_letters,
            turn: LoadTurn::next(&log).await?,
            numbered: files.numbered.clone(),
            numbers: loaded_files::numbers(&log).await?,
            numbers_after: files.numbers_after,
            fingerprints: files.fingerprints,
            stream_start: stream_start::find(&log, &target.source).await?,
            log,
            report,
            committed,
            waiting: WaitingRows::new(),
            loaded_rows: BTreeMap::new(),
            chunk: Chunk::default(),
            statistics: StatisticsKeeper::of_load(),
            encoding: None,
        };
        if load.turn.follows_unsettled() {
            load.take_turn().await?;
        }
        // What is changed under its new name is no new file.
        load.mark(files.renamed);
        if mode.is_backfill() {
            // Also of what it does not come to: its rows are of the past.
            load.mark(files.numbered);
            load.numbers = load.numbers.max(files.numbers_after);
        }
        load.mark(files.first_version.map(loaded_files::first_table_version));
        load.mark(files.table_id.map(loaded_files::table_id));
        if released.is_none() {
            load.mark(load.batch_source.begun());
        }
        for file in &files.files {
            load.load_file(file, progress).await?;
        }
        if mode.is_whole() && load.report.files_of_backfill == 0 {
            load.mark(Some(loaded_files::first_load()));
            let whole = migration::made_whole(&load.log).await?;
            whole.into_iter().for_each(|marker| load.mark(Some(marker)));
            // The files of a table are found by its versions: one that waits is to be found again.
            let waits = files.quarantined + load.report.quarantined.len() > 0;
            let table_version = files.table_version.filter(|_| !waits);
            load.mark(table_version.map(loaded_files::table_version));
            load.mark(load.batch_source.ended());
            load.report.table_version = table_version;
        }
        let mut report = load.finish().await?;
        report.median_event_time = old_files::median(&times, &report.quarantined);
        BatchPoint::Settled.pass();
        // What this command committed before it was decided again was found in the log.
        report.rows_known = report.rows_known.saturating_sub(before.rows);
        (report.rows_loaded, report.late) = (committed.rows, committed.late);
        report.entities_written = committed.entities_written;
        report.log_version = self.offline.log(view).await?.version();
        report.entities = self.online.stats(&view.id).await?.rows;
        drop(lock);
        Ok(report)
    }

    /// The batch source of a target, with its files listed.
    pub(super) async fn batch_source(
        &self,
        target: &Target,
        log: &Log,
    ) -> Result<Arc<dyn BatchSource>, MaterializerError> {
        if let Some(input) = &target.input {
            return Ok(Arc::new(DerivedSource::find(&self.offline, log, input, self.clock).await?));
        }
        let (project, target) = (self.project.clone(), target.clone());
        blocking::run(move || locate::batch_source(&project, &target.source, &target.view.id)).await?
    }
}
