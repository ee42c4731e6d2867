//! A backfill by dates executed by this process: with what, and what is recorded of it.

use std::sync::Arc;

use feature::{VersionId, View};
use materializer::{ColumnSummary, Materializer, MaterializerError, MigrationEnd};
use online::Store;
use registry::{BackfillDateState, BackfillRecord, BackfillState, Job, KeptColumn, Registered};

use super::found::{Found, migration};
use super::keeper::Keeper;
use super::recorded_run::RecordedRun;
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
    let subject = Subject::view(Job::Backfill, view);
    let recorder = Recorder::begin(project, registry, registered, subject).await;
    let (recorded, not_recorded) = match recorder {
        Ok(recorder) => {
            let provenance = target.source.provenance_of_history();
            (Some(RecordedRun::new(registry.clone(), recorder, provenance)), None)
        }
        Err(error) => (None, Some(error.to_string())),
    };
    let keeper = Keeper::new(registry.clone(), project.clock, run.clone(), record, dates);
    let keeper = Arc::new(keeper.recording(recorded));
    let following = keeper.clone().follow();
    run.report(Event::LoadBegins(view.id.clone()));
    let migrated = match not_recorded {
        None => execution.materializer.migrate(target, &migration, keeper.as_ref()).await,
        // It is not begun where that cannot be recorded.
        Some(why) => Err(MaterializerError::NotUsable {
            view: view.id.clone(),
            why,
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
    if let Some(recorded) = keeper.recorded().await {
        let ended = match &migrated {
            Ok(report) => ended(report.end),
            Err(_) => (&migrated).into(),
        };
        recorded.end(migrated.as_ref().ok(), ended).await;
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
