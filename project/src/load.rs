//! Backfill and materialize: from a source's history into both stores, a few views side by side, inputs before the views
//! that are derived from them. A view that fails holds up only those.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use feature::{Provenance, VersionId};
use materializer::{
    EventRange, ExtractReport, LoadReport, Materializer, MaterializerError, QuarantineReport, Target,
};
use online::Store;
use registry::{FileSetAside, Job, LoadedFile, MAX_FILES, RowCounts, RunOutcome};
use tokio::task::JoinSet;

use crate::breakers;
use crate::clock;
use crate::error::ProjectError;
use crate::extracting::Extracts;
use crate::lineage::{Recorder, Subject};
use crate::load_order::LoadOrder;
use crate::project::Project;
use crate::run::{Event, Run};
use crate::targets::{ViewName, targets};

/// Views that are loaded side by side.
const VIEWS_AT_ONCE: usize = 2;

/// What to backfill.
#[derive(Clone, Debug, Default)]
pub struct Backfill {
    /// These views; where none is named, all whose source has history.
    pub views: Vec<ViewName>,
    /// Only rows that happened in this range of event times.
    pub range: EventRange,
}

/// What to materialize.
#[derive(Clone, Debug, Default)]
pub struct Materialize {
    /// These views; where none is named, all whose source has history.
    pub views: Vec<ViewName>,
}

/// What a load of several views did.
#[derive(Debug)]
pub struct Loads {
    /// The views that were loaded, in the order in which they were named.
    pub loaded: Vec<Loaded>,
    /// The views that failed, by their message.
    pub failed: Vec<FailedLoad>,
    /// What was extracted before from the databases of sources that are queries.
    pub extracts: Vec<ExtractReport>,
    /// How long all of it took.
    pub took: Duration,
}

/// A view that was loaded.
#[derive(Debug)]
pub struct Loaded {
    /// The outcome for its rows.
    pub report: LoadReport,
    /// How long it took.
    pub took: Duration,
}

/// A view whose load failed. What it committed before stays.
#[derive(Debug)]
pub struct FailedLoad {
    /// The view.
    pub view: VersionId,
    /// Why.
    pub error: ProjectError,
}

impl fmt::Display for FailedLoad {
    /// The error, naming the view where it does not do so itself.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = self.error.to_string();
        if error.contains(&self.view.to_string()) {
            f.write_str(&error)
        } else {
            write!(f, "{}: {error}", self.view)
        }
    }
}

/// What is done to each view.
#[derive(Clone, Copy)]
enum Load {
    Backfill(EventRange),
    Materialize,
    /// Of one view: the rows of this quarantined batch.
    Release(u32),
}

impl Load {
    fn job(self) -> Job {
        match self {
            Load::Backfill(_) => Job::Backfill,
            Load::Materialize | Load::Release(_) => Job::Materialize,
        }
    }

    async fn run(
        self,
        materializer: &Materializer<Store>,
        target: &Target,
        run: &Run,
    ) -> Result<LoadReport, MaterializerError> {
        let view = &target.view.id;
        let read = |rows| run.report(Event::RowsRead { view: view.clone(), rows });
        run.report(Event::LoadBegins(view.clone()));
        let loaded = match self {
            Load::Backfill(range) => materializer.backfill(target, range, read).await,
            Load::Materialize => materializer.materialize(target, read).await,
            Load::Release(batch) => materializer.release(target, batch, read).await,
        };
        run.report(Event::LoadEnds(view.clone()));
        loaded
    }
}

/// What is recorded of a load.
pub(crate) fn load_outcome(job: Job, target: &Target, report: &LoadReport) -> RunOutcome {
    let files = report.files_read.iter().take(MAX_FILES).map(|file| LoadedFile {
        name: file.name.clone(),
        content: format!("{:016x}", file.content),
        rows: file.rows,
    });
    let provenance = match job {
        Job::Materialize => Provenance::Measured,
        _ => target.source.provenance_of_history(),
    };
    RunOutcome::Load {
        files: files.collect(),
        more_files: report.files_read.len().saturating_sub(MAX_FILES),
        quarantined: report.quarantined.iter().take(MAX_FILES).map(set_aside).collect(),
        more_quarantined: report.quarantined.len().saturating_sub(MAX_FILES),
        table_version: report.table_version,
        provenance,
        assumed_delay: target.source.delay_assumed_by(provenance),
        measured_delay: None,
        rows: RowCounts {
            read: report.rows_read,
            loaded: report.rows_loaded,
            late: report.late,
            left_out: report.left_out(),
            refused: report.refused.clone(),
            warned: report.warned.clone(),
            newest_event_time: report.newest_event_time,
        },
        log_version: report.log_version,
    }
}

fn set_aside(file: &QuarantineReport) -> FileSetAside {
    FileSetAside { batch: file.batch, name: file.origin.clone(), rows: file.rows }
}

pub(crate) async fn backfill(
    project: &Project,
    backfill: &Backfill,
    run: &Run,
) -> Result<Loads, ProjectError> {
    if let (Some(from), Some(to)) = (backfill.range.from, backfill.range.to)
        && from >= to
    {
        return Err(ProjectError::EmptyRange { from, to });
    }
    load(project, &backfill.views, Load::Backfill(backfill.range), run).await
}

pub(crate) async fn materialize(
    project: &Project,
    materialize: &Materialize,
    run: &Run,
) -> Result<Loads, ProjectError> {
    load(project, &materialize.views, Load::Materialize, run).await
}

/// Loads the rows of a quarantined batch of a view.
pub(crate) async fn release(
    project: &Project,
    view: &ViewName,
    batch: u32,
    run: &Run,
) -> Result<Loads, ProjectError> {
    load(project, std::slice::from_ref(view), Load::Release(batch), run).await
}

async fn load(project: &Project, views: &[ViewName], load: Load, run: &Run) -> Result<Loads, ProjectError> {
    let (registry, registered) = project.registry_in_use().await?;
    let registered = Arc::new(registered);
    let targets = targets(&registered, views)?;
    if targets.is_empty() {
        return Err(ProjectError::NoHistory);
    }
    project.check_logs().await?;
    let store = project.online().await?;
    clock::check(project, &store).await?;
    let began = Instant::now();
    let materializer = Arc::new(project.materializer(store, &targets, load.job().name()).await?);
    // What is released was extracted before.
    let extracts = match load {
        Load::Release(_) => Extracts::default(),
        Load::Backfill(_) | Load::Materialize => Extracts::of(&project.folder, &targets, run).await?,
    };
    let extracts = Arc::new(extracts);
    let mut turns = LoadOrder::new(&registered, targets)?;
    // Where this is dropped, so are they.
    let mut running = JoinSet::new();
    let (mut loaded, mut failed) = (Vec::new(), Vec::new());
    loop {
        while running.len() < VIEWS_AT_ONCE {
            let Some((index, target)) = turns.next() else { break };
            let (materializer, run) = (materializer.clone(), run.clone());
            let (project, registry, registered) = (project.clone(), registry.clone(), registered.clone());
            let extracts = extracts.clone();
            running.spawn(async move {
                let began = Instant::now();
                let recorder = Recorder::begin(
                    &project,
                    &registry,
                    &registered,
                    Subject::view(load.job(), &target.view),
                );
                let loaded = async {
                    let recorder = recorder.await?;
                    let report = match extracts.check(&target) {
                        Ok(()) => load.run(&materializer, &target, &run).await.map_err(ProjectError::from),
                        Err(error) => Err(error),
                    };
                    let outcome =
                        report.as_ref().ok().map(|report| load_outcome(load.job(), &target, report));
                    recorder.end(outcome, (&report).into()).await;
                    let report = report?;
                    let now = project.now();
                    breakers::keep_late_rows_after_load(&registry, &materializer, &target.view, now).await;
                    Ok::<_, ProjectError>(report)
                };
                let loaded = loaded.await.map(|report| Loaded { report, took: began.elapsed() });
                (index, target.view.id.clone(), loaded)
            });
        }
        match running.join_next().await {
            None => break,
            Some(Ok((index, view, Ok(done)))) => {
                turns.is_loaded(&view);
                loaded.push((index, done));
            }
            Some(Ok((_, view, Err(error)))) => {
                for (derived, input) in turns.has_failed(&view) {
                    let error = ProjectError::InputFailed { view: derived.clone(), input };
                    failed.push(FailedLoad { view: derived, error });
                }
                failed.push(FailedLoad { view, error });
            }
            Some(Err(panic)) => std::panic::resume_unwind(panic.into_panic()),
        }
    }
    loaded.sort_by_key(|(index, _)| *index);
    failed.sort_by_key(ToString::to_string);
    let loaded = loaded.into_iter().map(|(_, loaded)| loaded).collect();
    Ok(Loads { loaded, failed, extracts: extracts.reports.clone(), took: began.elapsed() })
}
