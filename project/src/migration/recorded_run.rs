//! What is recorded of the run that executes a backfill by dates: after each date, so that a run whose process is killed has
//! what it loaded, and once it has ended.

use std::collections::BTreeSet;

use feature::{EventDate, Provenance, VersionId};
use materializer::{DateReport, FileRead, HistoryDelay, MigrationReport};
use registry::{Job, LoadedFile, MAX_FILES, MeasuredRows, Registry, RowCounts, RunOutcome};

use crate::error::ProjectError;
use crate::lineage::{Ended, Recorder};

/// How many runs of a job are looked at for the one before.
const RUNS: u32 = 2;

/// A run, and what it loaded so far.
pub(super) struct RecordedRun {
    registry: Registry,
    recorder: Recorder,
    provenance: Provenance,
    delay: HistoryDelay,
    /// Dates that the run before was loading when its process was killed, and that are in the log.
    cut_off: BTreeSet<EventDate>,
    /// Dates that this run reads, and that are not in the log yet. Others are those of earlier runs.
    read: BTreeSet<EventDate>,
    loaded: Loaded,
}

/// What a run loaded.
#[derive(Default)]
struct Loaded {
    rows: RowCounts,
    /// In the order in which rows of them were loaded.
    files: Vec<FileRead>,
}

impl RecordedRun {
    pub(super) fn new(registry: Registry, recorder: Recorder, provenance: Provenance) -> Self {
        let delay = HistoryDelay { delay: None, measured: None };
        let (cut_off, read, loaded) = (BTreeSet::new(), BTreeSet::new(), Loaded::default());
        Self { registry, recorder, provenance, delay, cut_off, read, loaded }
    }

    /// After which delay rows count as available, and which dates the run before could not record.
    pub(super) fn begins(&mut self, delay: HistoryDelay, cut_off: BTreeSet<EventDate>) {
        (self.delay, self.cut_off) = (delay, cut_off);
    }

    pub(super) fn reads(&mut self, dates: &[EventDate]) {
        self.read.extend(dates);
    }

    /// Records that a date is in the log, of the run that loaded it.
    pub(super) async fn loaded(&mut self, view: &VersionId, date: EventDate, report: &DateReport) {
        let recorded = if self.read.remove(&date) {
            self.loaded.add(report);
            self.recorder.goes_on(Some(self.outcome(&self.loaded, None))).await
        } else if self.cut_off.remove(&date) {
            self.complete_the_run_before(view, report).await
        } else {
            Ok(())
        };
        if let Err(error) = recorded {
            tracing::warn!("{view}: that {date} is loaded was not recorded of its run: {error}");
        }
    }

    /// Adds a date to the run whose process was killed once it had loaded it.
    async fn complete_the_run_before(
        &self,
        view: &VersionId,
        report: &DateReport,
    ) -> Result<(), ProjectError> {
        let runs = self.registry.runs_of_view(view, RUNS).await?;
        let before = runs.into_iter().find(|run| run.job == Job::Backfill && run.id != self.recorder.id());
        let Some(mut before) = before else { return Ok(()) };
        let mut loaded = Loaded::default();
        loaded.add(report);
        let own = self.outcome(&loaded, None);
        before.outcome = Some(match before.outcome.take() {
            Some(earlier) => both(earlier, own),
            None => own,
        });
        Ok(self.registry.record_run(&before).await?)
    }

    /// Records how the run ended. One that failed has the dates that it loaded before.
    pub(super) async fn end(self, report: Option<&MigrationReport>, ended: Ended) {
        let outcome = report.map(|report| self.outcome(&self.loaded, Some(report)));
        self.recorder.end(outcome, ended).await;
    }

    /// What a run loaded, and what is known of it once it has ended.
    fn outcome(&self, loaded: &Loaded, report: Option<&MigrationReport>) -> RunOutcome {
        let files = loaded.files.iter().take(MAX_FILES).map(|file| LoadedFile {
            name: file.name.clone(),
            content: format!("{:016x}", file.content),
            rows: file.rows,
        });
        let rows = RowCounts {
            warned: report.map(|report| report.warned.clone()).unwrap_or_default(),
            newest_event_time: report.and_then(|report| report.newest_event_time),
            ..loaded.rows.clone()
        };
        let delay = report.map_or(&self.delay, |report| &report.delay);
        let measured = delay.measured.as_ref();
        RunOutcome::Load {
            files: files.collect(),
            more_files: loaded.files.len().saturating_sub(MAX_FILES),
            // A date is what is set aside here, and the backfill is not complete then.
            quarantined: Vec::new(),
            more_quarantined: 0,
            table_version: report.and_then(|report| report.table_version),
            provenance: self.provenance,
            assumed_delay: delay.delay.filter(|_| self.provenance == Provenance::Simulated),
            measured_delay: measured
                .map(|measured| MeasuredRows { of: measured.of.clone(), rows: measured.rows }),
            rows,
            log_version: report.and_then(|report| report.log_version),
        }
    }
}

impl Loaded {
    fn add(&mut self, report: &DateReport) {
        for file in &report.files {
            match self.files.iter_mut().find(|read| read.name == file.name) {
                Some(read) => read.rows += file.rows,
                None => self.files.push(file.clone()),
            }
        }
        self.rows.add(&RowCounts {
            read: report.read,
            loaded: report.loaded,
            late: report.late,
            left_out: report.left_out,
            refused: report.refused.clone(),
            ..RowCounts::default()
        });
    }
}

/// What a run loaded, and a date that it loaded after that.
fn both(earlier: RunOutcome, later: RunOutcome) -> RunOutcome {
    let mut outcome = earlier;
    if let (
        RunOutcome::Load { files, more_files, rows, .. },
        RunOutcome::Load { files: of_date, more_files: more_of_date, rows: more, .. },
    ) = (&mut outcome, later)
    {
        for file in of_date {
            let is_full = files.len() >= MAX_FILES;
            match files.iter_mut().find(|read| read.name == file.name) {
                Some(read) => read.rows += file.rows,
                None if is_full => *more_files += 1,
                None => files.push(file),
            }
        }
        *more_files += more_of_date;
        rows.add(&more);
    }
    outcome
}
