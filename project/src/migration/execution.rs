//! A backfill by dates executed by this process: with what, and what is recorded of it.

use std::sync::Arc;

use feature::{Provenance, VersionId, View};
use materializer::{ColumnSummary, Materializer, MaterializerError, MigrationEnd, MigrationReport};
use online::Store;
use registry::{
    BackfillDateState, BackfillRecord, BackfillState, Job, KeptColumn, LoadedFile, MAX_FILES, MeasuredRows,
    Registered, RowCounts, RunOutcome,
};

use super::found::{Found, migration};
use super::keeper::Keeper;
use super::status::{self, BackfillOutcome};
use crate::breakers;
use crate::clock;
use crate::error::ProjectError;
use crate::lineage::{Ended, Recorder, Subject};
use crate::project::Project;
use crate::run::{Event, Run};

/// What a backfill is executed with.
pub(super) struct Execution {
    pub(super) materializer: Materializer<Store>,
}

impl Execution {
    /// Opens both stores; refused where the clock is wrong.
    pub(super) async fn open(project: &Project, found: &Found) -> Result<Self, ProjectError> {
        project.check_logs().await?;
        let store = project.online().await?;
        clock::check(project, &store).await?;
        let targets = std::slice::from_ref(&found.target);
        Ok(Self { materializer: project.materializer(store, targets, Job::Backfill.name()).await? })
    }
}

/// Executes a backfill that the registry keeps as running, and keeps how it ended.
pub(super) async fn execute(
    project: &Project,
    found: &Found,
    execution: Execution,
    record: BackfillRecord,
    run: &Run,
) -> Result<BackfillOutcome, ProjectError> {
    let Found { registry, registered, target, .. } = found;
    let view = &target.view;
    let dates = registry.backfill_dates(&view.id, record.number).await?;
    let mut migration = migration(&record);
    migration.previous = previous(registered, &view.id);
    let done = || dates.iter().filter(|date| date.state == BackfillDateState::Done);
    migration.recorded = done().map(|date| date.date).collect();
    for column in done().flat_map(|date| &date.columns) {
        add_column(&mut migration.loaded, column);
    }
    let keeper = Arc::new(Keeper::new(registry.clone(), project.clock, run.clone(), record, dates));
    let following = keeper.clone().follow();
    let subject = Subject::view(Job::Backfill, view);
    let recorder = Recorder::begin(project, registry, registered, subject).await;
    run.report(Event::LoadBegins(view.id.clone()));
    let migrated = match &recorder {
        Ok(_) => execution.materializer.migrate(target, &migration, keeper.as_ref()).await,
        // It is not begun where that cannot be recorded.
        Err(error) => Err(MaterializerError::NotUsable {
            view: view.id.clone(),
            why: error.to_string(),
            may_pass: true,
            is_retired: false,
        }),
    };
    run.report(Event::LoadEnds(view.id.clone()));
    drop(following);
    let (state, error) = match &migrated {
        Ok(report) => (
            match report.end {
                MigrationEnd::Whole => BackfillState::Done,
                MigrationEnd::Incomplete => BackfillState::Incomplete,
                MigrationEnd::Paused => BackfillState::Paused,
                MigrationEnd::Cancelled => BackfillState::Cancelled,
            },
            None,
        ),
        Err(error) => {
            let in_log = execution.materializer.migration_state(view).await.ok().flatten();
            let has_begun = in_log.is_some_and(|state| state.number == migration.number);
            let state = if has_begun { BackfillState::Stopped } else { BackfillState::Cancelled };
            (state, Some(error.to_string()))
        }
    };
    keeper.end(state, error).await;
    let migrated = migrated.map_err(ProjectError::from);
    if let Ok(recorder) = recorder {
        let outcome =
            migrated.as_ref().ok().map(|report| outcome(target.source.provenance_of_history(), report));
        let ended = match &migrated {
            Ok(report) => ended(report.end),
            Err(_) => (&migrated).into(),
        };
        recorder.end(outcome, ended).await;
    }
    let report = migrated?;
    breakers::keep_late_rows_after_load(registry, &execution.materializer, view, project.now()).await;
    Ok(BackfillOutcome { status: status::of(project, registry, &view.id).await?, report })
}

/// How the run ended that loaded this much: one whose history is not loaded is not complete.
fn ended(end: MigrationEnd) -> Ended {
    match end {
        MigrationEnd::Whole => Ended::Complete,
        MigrationEnd::Paused | MigrationEnd::Cancelled => Ended::Cancelled,
        MigrationEnd::Incomplete => {
            Ended::Failed("dates were set aside, and nothing is online yet".to_owned())
        }
    }
}

/// The greatest version of the view below this one.
fn previous(registered: &Registered, view: &VersionId) -> Option<Arc<View>> {
    let before =
        registered.views().filter(|other| other.id.name == view.name && other.id.version < view.version);
    before.max_by_key(|other| other.id.version).cloned()
}

fn add_column(columns: &mut Vec<ColumnSummary>, kept: &KeptColumn) {
    let KeptColumn { column, rows, nulls, least, greatest } = kept.clone();
    let summary = ColumnSummary { column, rows, nulls, least, greatest };
    match columns.iter_mut().find(|other| other.column == summary.column) {
        Some(other) => other.merge(&summary),
        None => columns.push(summary),
    }
}

/// What is recorded of the run.
fn outcome(provenance: Provenance, report: &MigrationReport) -> RunOutcome {
    let files = report.files_read.iter().take(MAX_FILES).map(|file| LoadedFile {
        name: file.name.clone(),
        content: format!("{:016x}", file.content),
        rows: file.rows,
    });
    let mut rows = RowCounts {
        warned: report.warned.clone(),
        newest_event_time: report.newest_event_time,
        ..RowCounts::default()
    };
    for date in report.loaded.values() {
        rows.read += date.read;
        rows.loaded += date.loaded;
        rows.late += date.late;
        rows.left_out += date.left_out;
        for (reason, count) in &date.refused {
            *rows.refused.entry(reason.clone()).or_default() += count;
        }
    }
    let measured = report.delay.measured.as_ref();
    RunOutcome::Load {
        files: files.collect(),
        more_files: report.files_read.len().saturating_sub(MAX_FILES),
        // A date is what is set aside here, and the backfill is not complete then.
        quarantined: Vec::new(),
        more_quarantined: 0,
        table_version: report.table_version,
        provenance,
        assumed_delay: report.delay.delay.filter(|_| provenance == Provenance::Simulated),
        measured_delay: measured
            .map(|measured| MeasuredRows { of: measured.of.clone(), rows: measured.rows }),
        rows,
        log_version: report.log_version,
    }
}
