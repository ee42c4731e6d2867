//! A backfill as a migration, as a user starts, watches, pauses, resumes and cancels it. The registry keeps what it is to
//! do and how far it is; the log of the view decides what is done.

mod execution;
mod found;
mod keeper;
mod recorded_run;
mod refused;
mod status;

use std::collections::BTreeSet;
use std::num::{NonZeroU64, NonZeroUsize};
use std::time::{Duration, Instant};

use feature::EventDate;
use materializer::{DateOrder, EventRange, check_has_dates};
use registry::{BackfillDateState, BackfillRecord, BackfillRequest, BackfillState, RegistryError};

use crate::error::ProjectError;
use crate::extracting::Extracts;
use crate::project::Project;
use crate::run::Run;
use crate::targets::ViewName;

use execution::{Execution, execute};
use found::Found;
pub use refused::BackfillRefused;
pub use status::{BackfillOutcome, BackfillStatus};

/// How long a running backfill may take to do what is wanted of it.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A backfill by dates that is to be started.
#[derive(Clone, Debug)]
pub struct StartBackfill {
    /// The view.
    pub view: ViewName,
    /// In which order dates are loaded.
    pub order: DateOrder,
    /// Only rows that happened in this range of event times.
    pub range: EventRange,
    /// How many rows are read in a second, at most.
    pub max_rows_per_second: Option<NonZeroU64>,
    /// How much memory rows may take, in bytes.
    pub max_memory: u64,
    /// How many files are read side by side.
    pub jobs: NonZeroUsize,
    /// Dates of which neither columns nor the share of refused rows are checked.
    pub accepted: BTreeSet<EventDate>,
}

impl StartBackfill {
    /// How much memory rows may take where nothing else is said: 256 MiB.
    pub const DEFAULT_MEMORY: u64 = 256 << 20;

    /// Of all history, the newest date first, with the bounds that hold where nothing else is said.
    pub fn of(view: ViewName) -> Self {
        Self {
            view,
            order: DateOrder::default(),
            range: EventRange::default(),
            max_rows_per_second: None,
            max_memory: Self::DEFAULT_MEMORY,
            jobs: NonZeroUsize::MIN,
            accepted: BTreeSet::new(),
        }
    }
}

pub(crate) async fn start(
    project: &Project,
    start: &StartBackfill,
    run: &Run,
) -> Result<BackfillOutcome, ProjectError> {
    if let (Some(from), Some(to)) = (start.range.from, start.range.to)
        && from >= to
    {
        return Err(ProjectError::EmptyRange { from, to });
    }
    let found = Found::of(project, &start.view).await?;
    check_has_dates(&found.target)?;
    let execution = Execution::open(project, &found).await?;
    // One that is resumed has the rows with which it was started.
    let extracted = Extracts::of(&project.folder, std::slice::from_ref(&found.target), run);
    run.until_cancelled(extracted).await?.check(&found.target)?;
    let in_log = execution.materializer.migration_state(&found.target.view).await?;
    let kept = found.kept.as_ref().map(|kept| &kept.record);
    let number = match (in_log, kept) {
        // One that the registry does not know: it was restored from a copy that is older than the log.
        (Some(state), None) if state.is_under_way() => state.number,
        (state, kept) => state.map(|state| state.number).max(kept.map(|kept| kept.number)).unwrap_or(0) + 1,
    };
    let now = project.now();
    let record = BackfillRecord {
        view: found.id().clone(),
        number,
        newest_first: start.order == DateOrder::Newest,
        from: start.range.from,
        to: start.range.to,
        max_rows_per_second: start.max_rows_per_second.map(NonZeroU64::get),
        max_memory: start.max_memory,
        jobs: start.jobs.get() as u64,
        accepted: start.accepted.iter().copied().collect(),
        actor: None,
        process: None,
        started_at: now,
        resumed_at: now,
        updated_at: now,
        state: BackfillState::Running,
        error: None,
        delay: None,
        rows_read: 0,
    };
    let record = record.executed_here(actor(project), now);
    found.registry.begin_backfill(&record).await?;
    execute(project, &found, execution, record, run).await
}

/// Goes on with a backfill that stopped, and tries the dates again that have failed. The columns of `accepted` dates are
/// not checked.
pub(crate) async fn resume(
    project: &Project,
    view: &ViewName,
    accepted: &[EventDate],
    run: &Run,
) -> Result<BackfillOutcome, ProjectError> {
    let found = Found::of(project, view).await?;
    let mut record = found.kept()?.record;
    let (view, number) = (found.id().clone(), record.number);
    match record.state_now() {
        BackfillState::Cancelled => return Err(BackfillRefused::Cancelled { view, number }.into()),
        BackfillState::Done => return Err(BackfillRefused::Done { view, number }.into()),
        _ => {}
    }
    check_dates(&found, &record, accepted).await?;
    let execution = Execution::open(project, &found).await?;
    let all: BTreeSet<EventDate> = record.accepted.iter().chain(accepted).copied().collect();
    record.accepted = all.into_iter().collect();
    let record = record.executed_here(actor(project), project.now());
    found.registry.resume_backfill(&record).await?;
    execute(project, &found, execution, record, run).await
}

/// Refuses dates that the backfill does not have, if it knows its dates yet, and those that are loaded: what was checked, and
/// is in the log, is nothing to accept.
async fn check_dates(
    found: &Found,
    record: &BackfillRecord,
    accepted: &[EventDate],
) -> Result<(), ProjectError> {
    let known = found.registry.backfill_dates(found.id(), record.number).await?;
    let (Some(first), Some(last)) = (known.first(), known.last()) else { return Ok(()) };
    let unknown = accepted.iter().filter(|date| known.iter().all(|known| known.date != **date));
    let dates: Vec<String> = unknown.map(EventDate::to_string).collect();
    let view = found.id().clone();
    if !dates.is_empty() {
        return Err(BackfillRefused::NoSuchDates { view, dates, first: first.date, last: last.date }.into());
    }
    let in_state = |state: BackfillDateState| known.iter().filter(move |date| date.state == state);
    // The same command again accepts nothing more.
    let loaded = in_state(BackfillDateState::Done)
        .map(|date| date.date)
        .filter(|date| accepted.contains(date) && !record.accepted.contains(date));
    let dates: Vec<String> = loaded.map(|date| date.to_string()).collect();
    if !dates.is_empty() {
        let failed = in_state(BackfillDateState::Failed).map(|date| date.date.to_string()).collect();
        return Err(BackfillRefused::Loaded { view, dates, failed }.into());
    }
    Ok(())
}

/// Asks a running backfill to pause, and waits until it has.
pub(crate) async fn pause(project: &Project, view: &ViewName) -> Result<BackfillStatus, ProjectError> {
    let found = Found::of(project, view).await?;
    let mut record = found.kept()?.record;
    match record.state_now() {
        BackfillState::Running => {
            wait_for(&found, &record, BackfillRequest::Pause).await?;
        }
        BackfillState::Interrupted => {
            (record.state, record.updated_at) = (BackfillState::Paused, project.now());
            found.registry.keep_backfill(&record, &[]).await?;
        }
        BackfillState::Cancelled | BackfillState::Done => return Err(is_over(&record)),
        BackfillState::Paused | BackfillState::Incomplete | BackfillState::Stopped => {}
    }
    status::of(project, &found.registry, found.id()).await
}

/// Ends a backfill for good, whether a process executes it or not. What is loaded stays in the log.
pub(crate) async fn cancel(project: &Project, view: &ViewName) -> Result<BackfillStatus, ProjectError> {
    let found = Found::of(project, view).await?;
    let record = found.kept()?.record;
    if !record.state.is_open() {
        return Err(is_over(&record));
    }
    let mut record = match record.state_now() {
        BackfillState::Running => wait_for(&found, &record, BackfillRequest::Cancel).await?,
        _ => record,
    };
    // Its process ended before it saw the request.
    if record.state.is_open() {
        let execution = Execution::open(project, &found).await?;
        execution.materializer.cancel_migration(&found.target.view, record.number).await?;
        (record.state, record.updated_at) = (BackfillState::Cancelled, project.now());
        found.registry.keep_backfill(&record, &[]).await?;
    }
    status::of(project, &found.registry, found.id()).await
}

pub(crate) async fn statuses(
    project: &Project,
    view: Option<&ViewName>,
) -> Result<Vec<BackfillStatus>, ProjectError> {
    if let Some(view) = view {
        let found = Found::of(project, view).await?;
        found.kept()?;
        return Ok(vec![status::of(project, &found.registry, found.id()).await?]);
    }
    let (registry, _) = project.registry_in_use().await?;
    let mut statuses = Vec::new();
    for kept in registry.backfills().await? {
        statuses.push(status::of(project, &registry, &kept.record.view).await?);
    }
    Ok(statuses)
}

/// Writes what is wanted of a backfill, and waits until its process has done so or is gone.
async fn wait_for(
    found: &Found,
    record: &BackfillRecord,
    request: BackfillRequest,
) -> Result<BackfillRecord, ProjectError> {
    found.registry.request_of_backfill(&record.view, record.number, request).await?;
    let began = Instant::now();
    loop {
        let none = || RegistryError::NoBackfill { view: record.view.clone() };
        let now = found.registry.backfill(&record.view).await?.ok_or_else(none)?.record;
        if now.number != record.number || now.state_now() != BackfillState::Running {
            return Ok(now);
        }
        if began.elapsed() > PATIENCE {
            let (view, number) = (record.view.clone(), record.number);
            return Err(ProjectError::BackfillBusy { view, number, request: request.name() });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn is_over(record: &BackfillRecord) -> ProjectError {
    let over = BackfillRefused::Over {
        view: record.view.clone(),
        number: record.number,
        state: record.state_now().name(),
    };
    over.into()
}

fn actor(project: &Project) -> Option<String> {
    Some(project.settings.actor.clone()).filter(|actor| !actor.is_empty())
}
