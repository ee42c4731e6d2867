//! How far a backfill by dates is, as it is shown.

use feature::VersionId;
use materializer::{MigrationReport, MigrationState, Pace};
use registry::{
    BackfillDate, BackfillDateState, BackfillRecord, BackfillState, DefinitionId, Kind, Registry,
    RegistryError,
};

use crate::error::ProjectError;
use crate::project::Project;

/// How far a backfill by dates is.
#[derive(Clone, PartialEq, Debug)]
pub struct BackfillStatus {
    /// The backfill.
    pub record: BackfillRecord,
    /// How far it is: one whose process is gone was interrupted.
    pub state: BackfillState,
    /// Its dates, the oldest first.
    pub dates: Vec<BackfillDate>,
    /// Whether all of the view's history is in the log, by this backfill or another load.
    pub is_whole: bool,
    /// Since when the view is retired, and why.
    pub retired: Option<String>,
    /// How fast its process reads rows, and how long those take that are left.
    pub pace: Pace,
}

/// What a process did for a backfill by dates.
#[derive(Clone, PartialEq, Debug)]
pub struct BackfillOutcome {
    /// How far it is since.
    pub status: BackfillStatus,
    /// What the process did.
    pub report: MigrationReport,
}

impl BackfillStatus {
    /// How many dates are this far.
    pub fn count(&self, state: BackfillDateState) -> usize {
        self.dates.iter().filter(|date| date.state == state).count()
    }

    /// Rows of the source of all dates.
    pub fn rows(&self) -> u64 {
        self.dates.iter().map(|date| date.rows).sum()
    }

    /// Rows of the source of the dates that are loaded.
    pub fn rows_done(&self) -> u64 {
        self.dates.iter().filter(|date| date.state == BackfillDateState::Done).map(|date| date.rows).sum()
    }

    /// The dates that were set aside.
    pub fn failed(&self) -> impl Iterator<Item = &BackfillDate> {
        self.dates.iter().filter(|date| date.state == BackfillDateState::Failed)
    }
}

/// The newest backfill by dates of a view.
pub(super) async fn of(
    project: &Project,
    registry: &Registry,
    view: &VersionId,
) -> Result<BackfillStatus, ProjectError> {
    let none = || RegistryError::NoBackfill { view: view.clone() };
    let record = registry.backfill(view).await?.ok_or_else(none)?.record;
    let dates = registry.backfill_dates(view, record.number).await?;
    let state = record.state_now();
    let registered = registry.registered().await?;
    let retired = registered.retirement(&DefinitionId::versioned(Kind::FeatureView, view));
    let retired = retired.map(ToString::to_string);
    let is_whole = match registered.view(view) {
        Ok(view) => {
            MigrationState::of(&project.offline()?.log(&view).await?).await?.is_some_and(|now| now.is_whole)
        }
        Err(_) => false,
    };
    let pace = Pace { rows_per_second: None, left: None };
    let mut status = BackfillStatus { record, state, dates, is_whole, retired, pace };
    let settled =
        |date: &&BackfillDate| matches!(date.state, BackfillDateState::Done | BackfillDateState::Failed);
    let settled: u64 = status.dates.iter().filter(settled).map(|date| date.rows).sum();
    let left = status.rows().saturating_sub(settled);
    // Of one that does not run the pace is what it was when it was last kept.
    let now = if state == BackfillState::Running { project.now() } else { status.record.updated_at };
    status.pace = Pace::of(status.record.rows_read, status.record.resumed_at, now, left);
    if state != BackfillState::Running {
        status.pace.left = None;
    }
    Ok(status)
}
