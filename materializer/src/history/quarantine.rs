//! Quarantined files: set aside by a load, listed, and released or dropped by a person.
//!
//! A file that is quarantined is marked in the log as if it were loaded, by a marker instead of its rows, so that later
//! loads pass over it. A release marks it as begun at that moment, and its rows are loaded as new ones: measured, so that
//! no label before the release sees them. Where it is interrupted, the marker says what is left to do, and the release is
//! repeated: it goes on by the rows that the log has.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use feature::{Micros, VersionId, View};
use offline::{BatchPoint, Log, QuarantinedBatch};
use online::Mender;
use serde::Serialize;

use super::batch_checks::{self, Compared, Hours};
use super::chunk::HistoryLoad;
use super::event_range::EventRange;
use super::file_validator::FileValidator;
use super::files_to_load::{FileToLoad, FilesToLoad};
use super::known_rows::known_rows;
use super::load_report::{LoadReport, QuarantineReport};
use super::loaded_files::{self, QuarantineState};
use super::mode::Mode;
use super::repeats::Repeats;
use crate::blocking;
use crate::error::MaterializerError;
use crate::load_lock::LoadLock;
use crate::markers::{self, LOAD_READS, QUARANTINED_UP_TO};
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
    /// Reads a file as a whole, and sets it aside if it is not what its view expects: then gives none. Else gives its rows
    /// that repeat others, and are refused.
    pub(super) async fn validate_whole(
        &mut self,
        file: &FileToLoad,
        started_at: Micros,
    ) -> Result<Option<Repeats>, MaterializerError> {
        // What is released was decided by a person.
        let is_decided = matches!(self.mode, Mode::Release(..));
        let is_mixed = !file.not_loaded.is_empty();
        let is_checked = self.target.view.checks_batches() || is_mixed;
        if is_decided || !is_checked || self.target.input.is_some() {
            return Ok(Some(Repeats::default()));
        }
        // What is in the log in part was checked before, but for rows that were out of its range.
        let is_in_part = loaded_files::is_validated_in_part(&self.log, file.number).await?;
        let was_checked = file.resumes && !is_mixed && !is_in_part;
        if was_checked && !batch_checks::refuses_repeats(&self.target.view) {
            return Ok(Some(Repeats::default()));
        }
        let range = self.mode.range();
        let without = loaded_files::released_range(&self.log, file.number).await?;
        let validator = FileValidator { range, without, ..self.validator_of_all(file, started_at) };
        let (batch_source, columns) = (self.batch_source.clone(), self.transform.input().to_vec());
        let opened = file.file.clone();
        let read = move || batch_checks::read(batch_source.open(&columns, &opened, None)?, &validator);
        let mut checked = blocking::run(read).await??;
        self.check_unchanged(file)?;
        if checked.is_to_be_new() {
            self.commit_earlier().await?;
        }
        let encoding = self.encoding.as_ref().map(|encoding| &encoding.chunk.hours);
        let uncommitted: Vec<&Hours> = encoding.into_iter().chain([&self.chunk.hours]).collect();
        let own: BTreeSet<u32> = file.counted_in.iter().copied().chain([file.number]).collect();
        let view = self.target.view.as_ref();
        let compared = Compared { view, log: &self.log, uncommitted: &uncommitted, own: &own };
        let mut verdict = checked.verdict(compared).await?;
        verdict.reasons.extend(is_mixed.then(|| mixed(&file.not_loaded)));
        if was_checked || verdict.reasons.is_empty() {
            if !was_checked {
                self.report.add_warnings(verdict.warned);
            }
            return Ok(Some(checked.repeats(view)));
        }
        if let (false, Some(first)) = (range.is_all(), verdict.reasons.first_mut()) {
            *first = format!("of its rows {range}: {first}");
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
        self.chunk.markers.extend(loaded_files::validated(file.number, range));
        let before = self.quarantined_before().await?;
        let own = i64::from(file.number) + 1;
        if before != own {
            self.chunk.markers.push(markers::marker(markers::quarantined_before(file.number), before));
            // A commit gives each marker once: of two, readers would take either.
            self.chunk.markers.retain(|marker| marker.app != QUARANTINED_UP_TO);
            self.chunk.markers.push(markers::marker(QUARANTINED_UP_TO, own));
        }
        self.report.quarantined.push(QuarantineReport {
            batch: batch.number,
            origin: batch.origin,
            rows: batch.rows,
            why: batch.why,
        });
        Ok(None)
    }

    /// The number after that of the newest file that is quarantined in the log or by this load.
    async fn quarantined_before(&self) -> Result<i64, MaterializerError> {
        let pending = self.chunk.markers.iter().rev().find(|marker| marker.app == QUARANTINED_UP_TO);
        match pending {
            Some(marker) => Ok(marker.version),
            None => Ok(markers::read(&self.log, QUARANTINED_UP_TO).await?.unwrap_or(0)),
        }
    }
}

/// Why a file waits that holds rows of quarantined ones beside others.
pub(super) fn mixed(not_loaded: &[u32]) -> String {
    let (is_one, numbers) = (not_loaded.len() == 1, not_loaded.iter().map(u32::to_string));
    let numbers = numbers.collect::<Vec<_>>().join(", ");
    format!(
        "the table was rewritten, and it holds the rows of the quarantined {} {numbers} beside others, which cannot be \
         distinguished: released, all its rows are loaded that are not loaded yet, with those of {}",
        if is_one { "batch" } else { "batches" },
        if is_one { "that batch" } else { "those batches" }
    )
}

impl<W: Mender> Materializer<W> {
    /// Loads the rows of a quarantined batch: those that its view takes. They become available now.
    pub async fn release(
        &self,
        target: &Target,
        number: u32,
        progress: impl Fn(u64),
    ) -> Result<LoadReport, MaterializerError> {
        let range = loaded_files::validated_range(&self.offline.log(&target.view).await?, number).await?;
        self.load(target, Mode::Release(number, range), &progress).await
    }

    /// Refuses the release of a batch whose file is not there as it was quarantined.
    pub async fn check_release(&self, target: &Target, number: u32) -> Result<(), MaterializerError> {
        let view = &target.view.id;
        let log = self.offline.log(&target.view).await?;
        let dead_letters = self.offline.dead_letters(view).await?;
        let source = self.batch_source(target, &log).await?;
        let (now, mut report) = ((self.clock)(), LoadReport::new(view.clone()));
        let released = Mode::Release(number, EventRange::default());
        let files =
            FilesToLoad::find(target, &source, &log, &dead_letters, (now, released), &mut report).await?;
        match decision(&log, number).await? {
            Some(Decision::Waiting | Decision::Releasing) if files.files.is_empty() => {
                Err(MaterializerError::QuarantinedFileGone { view: view.clone(), batch: number })
            }
            _ => Ok(()),
        }
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
            // A release that was interrupted before its first row, and whose file is another one now.
            Some(Decision::Releasing) if known_rows(&log, number).await?.is_empty() => {
                let marker = QuarantineState::Dropped.of_file(number);
                let key = marker.app.clone();
                let markers = [marker, loaded_files::set_aside(number)];
                log.appender().await?.commit(&markers, &[&key]).await?;
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
    let mut batches = offline.quarantine(&view.id).await?.read().await?;
    let log = offline.log(view).await?;
    undescribed(&log, &mut batches).await?;
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

/// Adds the batches of which the log knows and that no table describes any more: what was decided of each is in the log, and
/// each can be decided. The log has them as a list, the newest first.
async fn undescribed(
    log: &Log,
    batches: &mut BTreeMap<u32, QuarantinedBatch>,
) -> Result<(), MaterializerError> {
    let mut next = markers::read_number::<u32>(log, QUARANTINED_UP_TO).await?.unwrap_or(0);
    // A number that was quarantined again may be named by two.
    let mut seen = BTreeSet::new();
    while let Some(number) = next.checked_sub(1).filter(|number| seen.insert(*number)) {
        let began = markers::read_moment(log, &markers::load_started(number)).await?;
        if let (Some(recorded_at), false) = (began, batches.contains_key(&number)) {
            let lost =
                "what was found in it is lost: its description is not in the quarantine table any more";
            let batch = QuarantinedBatch {
                number,
                origin: format!("file {number} of the source"),
                content: 0,
                rows: 0,
                failing: 0,
                why: lost.to_owned(),
                examples: "[]".to_owned(),
                recorded_at,
            };
            batches.insert(number, batch);
        }
        next = markers::read_number(log, &markers::quarantined_before(number)).await?.unwrap_or(0);
    }
    Ok(())
}

/// What the log says of a batch; `None` if it was never quarantined.
async fn decision(log: &Log, number: u32) -> Result<Option<Decision>, MaterializerError> {
    Ok(match loaded_files::quarantine(log, number).await? {
        None => None,
        Some(QuarantineState::Waiting) => Some(Decision::Waiting),
        Some(QuarantineState::Dropped) => Some(Decision::Dropped),
        Some(QuarantineState::ReleasedInPart) => Some(Decision::Released),
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
