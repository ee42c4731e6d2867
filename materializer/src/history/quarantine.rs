//! Quarantined files: set aside by a load, listed, and released or dropped by a person.
//!
//! A file that is quarantined is marked in the log as if it were loaded, by a marker instead of its rows, so that later
//! loads pass over it. A release marks it as begun at that moment, and its rows are loaded as new ones: measured, so that
//! no label before the release sees them. Where it is interrupted, the marker says what is left to do, and the release is
//! repeated: it goes on by the rows that the log has.

use std::sync::Arc;

use feature::{Micros, VersionId, View};
use offline::{BatchPoint, Log, QuarantinedBatch};
use online::Mender;
use serde::Serialize;

use super::batch_checks;
use super::chunk::{HistoryLoad, Mode};
use super::files_to_load::FileToLoad;
use super::load_report::{LoadReport, QuarantineReport};
use super::loaded_files::{self, QuarantineState};
use crate::blocking;
use crate::error::MaterializerError;
use crate::load_lock::LoadLock;
use crate::markers::LOAD_READS;
use crate::materializer::{Materializer, Target};

/// A batch that was quarantined, and what is decided of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantinedFile {
    /// The batch.
    pub batch: QuarantinedBatch,
    /// What is decided of it.
    pub decision: Decision,
}

/// What is decided of a quarantined batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Nothing: it waits.
    Waiting,
    /// Its file holds something else since, which was or will be loaded by itself.
    Replaced,
    /// It is released, and its rows are not all loaded yet: the release is to be repeated.
    Releasing,
    /// Its rows are loaded.
    Released,
    /// Its rows are never loaded.
    Dropped,
}

impl Decision {
    /// Its name in output.
    pub const fn name(self) -> &'static str {
        match self {
            Decision::Waiting => "waiting",
            Decision::Replaced => "replaced",
            Decision::Releasing => "releasing",
            Decision::Released => "released",
            Decision::Dropped => "dropped",
        }
    }
}

impl<W: Mender> HistoryLoad<'_, W> {
    /// Reads a file as a whole, and sets it aside if it is not what its view expects. Returns whether it was.
    pub(super) async fn is_quarantined(
        &mut self,
        file: &FileToLoad,
        started_at: Micros,
    ) -> Result<bool, MaterializerError> {
        // What is in the log in part was checked before, and what is released was decided by a person.
        let is_checked = file.resumes || matches!(self.mode, Mode::Release(_));
        if is_checked || !self.target.view.checks_batches() || self.target.input.is_some() {
            return Ok(false);
        }
        let validator = self.validator_of_all(file, started_at);
        let (batch_source, columns) = (self.batch_source.clone(), self.transform.input().to_vec());
        let opened = file.file.clone();
        let read = move || batch_checks::read(batch_source.open(&columns, &opened, None)?, &validator);
        let mut checked = blocking::run(read).await??;
        self.check_unchanged(file)?;
        let verdict = checked.verdict(&self.target.view, &self.log).await?;
        if verdict.reasons.is_empty() {
            self.report.add_warnings(verdict.warned);
            return Ok(false);
        }
        let origin = (file.file.name.as_str(), file.content.hash);
        let now = (self.materializer.clock)();
        let batch = checked.quarantined(file.number, origin, &verdict, now);
        // Everything of earlier files first: what is written elsewhere needs the turn, and their numbers.
        self.take_turn().await?;
        self.materializer.offline.quarantine(&self.target.view.id).await?.append(&batch).await?;
        BatchPoint::Quarantined.pass();
        self.numbers = self.numbers.max(file.number + 1);
        self.chunk.markers.extend(loaded_files::begun(&file.file, file.number, file.content, started_at));
        self.fingerprints.push(loaded_files::fingerprint(&file.file, file.content));
        self.chunk.markers.push(loaded_files::set_aside(file.number));
        self.chunk.markers.push(QuarantineState::Waiting.of_file(file.number));
        self.report.quarantined.push(QuarantineReport {
            batch: batch.number,
            origin: batch.origin,
            rows: batch.rows,
            why: batch.why,
        });
        Ok(true)
    }
}

impl<W: Mender> Materializer<W> {
    /// Loads the rows of a quarantined batch: those that its view takes. They become available now.
    pub async fn release(
        &self,
        target: &Target,
        number: u32,
        progress: impl Fn(u64),
    ) -> Result<LoadReport, MaterializerError> {
        self.load(target, Mode::Release(number), &progress).await
    }

    /// Decides that the rows of a quarantined batch are never loaded. One that was dropped before is left as it is.
    pub async fn drop_quarantined(&self, view: &Arc<View>, number: u32) -> Result<(), MaterializerError> {
        let _lock = LoadLock::acquire(&self.offline.log(view).await?).await?;
        let mut log = self.offline.log(view).await?;
        match decision(&log, number).await? {
            Some(Decision::Dropped) => Ok(()),
            Some(Decision::Waiting) => {
                let marker = QuarantineState::Dropped.of_file(number);
                let key = marker.app.clone();
                log.appender().await?.commit(&[marker], &[&key]).await?;
                Ok(())
            }
            decided => Err(not_waiting(&view.id, number, decided)),
        }
    }
}

/// The quarantined batches of a view, by their numbers.
pub async fn quarantined(
    offline: &offline::OfflineStore,
    view: &Arc<View>,
) -> Result<Vec<QuarantinedFile>, MaterializerError> {
    let batches = offline.quarantine(&view.id).await?.read().await?;
    let log = offline.log(view).await?;
    let mut found = Vec::new();
    for (number, batch) in batches {
        // A load that was killed before its commit has kept the batch, and will decide again.
        let Some(mut decided) = decision(&log, number).await? else { continue };
        let named = loaded_files::file(&log, &batch.origin).await?;
        if decided == Decision::Waiting && named.is_some_and(|named| named.number != number) {
            decided = Decision::Replaced;
        }
        found.push(QuarantinedFile { batch, decision: decided });
    }
    Ok(found)
}

/// What the log says of a batch; `None` if it was never quarantined.
async fn decision(log: &Log, number: u32) -> Result<Option<Decision>, MaterializerError> {
    Ok(match loaded_files::quarantine(log, number).await? {
        None => None,
        Some(QuarantineState::Waiting) => Some(Decision::Waiting),
        Some(QuarantineState::Dropped) => Some(Decision::Dropped),
        Some(QuarantineState::Released) => match loaded_files::is_complete(log, number).await? {
            true => Some(Decision::Released),
            false => Some(Decision::Releasing),
        },
    })
}

/// Begins or goes on with a release. `is_there` says whether the file is there as it was quarantined.
pub(super) async fn begin_release(
    log: &mut Log,
    number: u32,
    is_there: bool,
    now: Micros,
) -> Result<(), MaterializerError> {
    let view = log.view().id.clone();
    match decision(log, number).await? {
        Some(Decision::Waiting | Decision::Releasing) if !is_there => {
            Err(MaterializerError::QuarantinedFileGone { view, batch: number })
        }
        Some(Decision::Waiting) => {
            log.appender().await?.commit(&loaded_files::released(number, now), &LOAD_READS).await?;
            BatchPoint::Released.pass();
            Ok(())
        }
        Some(Decision::Releasing | Decision::Released) => Ok(()),
        decided => Err(not_waiting(&view, number, decided)),
    }
}

fn not_waiting(view: &VersionId, batch: u32, decided: Option<Decision>) -> MaterializerError {
    MaterializerError::NotQuarantined { view: view.clone(), batch, decision: decided.map(Decision::name) }
}
