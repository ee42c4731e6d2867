//! Looking after both stores: logs compacted, rows beyond retention dropped, files of older versions removed, online rows
//! written again from logs, and the store on disk checked.

mod cost;
mod expiring;
mod looked_after;
mod passes;
mod vacuuming;

use std::time::{Duration, Instant};

use feature::VersionId;
use materializer::MaterializerError;
use offline::Optimized;
use online::Condition;

use crate::breakers;
use crate::clock;
use crate::error::ProjectError;
use crate::project::Project;
use crate::run::{Event, Run};
use crate::stores::REBUILD;
use crate::targets::{ViewName, targets, targets_with};

pub(crate) use cost::cost;
pub use cost::{EstimateCost, PartCost, ViewCost};
pub(crate) use expiring::expire;
pub use expiring::{Expire, ExpiredView};
pub(crate) use passes::Passes;
pub(crate) use vacuuming::vacuum;
pub use vacuuming::{Vacuum, VacuumedView};

/// A log that was compacted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptimizedView {
    /// The view.
    pub view: VersionId,
    /// What was done.
    pub optimized: Optimized,
}

/// A view whose online rows were written again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RebuiltView {
    /// The view.
    pub view: VersionId,
    /// Entities that its log has.
    pub entities: u64,
    /// How long it took.
    pub took: Duration,
}

/// Compacts the logs of these views; where none is named, of all whose source has history.
pub(crate) async fn optimize(
    project: &Project,
    views: &[ViewName],
) -> Result<Vec<OptimizedView>, ProjectError> {
    project.check_logs().await?;
    clock::check_logs(project).await?;
    let store = project.offline()?;
    let mut done = Vec::new();
    for target in targets(&project.registered().await?, views)? {
        let mut log = store.log(&target.view).await?;
        if log.version().is_some() {
            done.push(OptimizedView { view: target.view.id.clone(), optimized: log.optimize().await? });
        }
    }
    Ok(done)
}

/// Writes the online rows of these views again from their logs; of all where none is named, where the store's file cannot be
/// used and is put aside, or where the store's server was emptied.
pub(crate) async fn rebuild(
    project: &Project,
    views: &[ViewName],
    run: &Run,
) -> Result<Vec<RebuiltView>, ProjectError> {
    let registered = project.registered().await?;
    project.check_logs().await?;
    let named = targets_with(&registered, views, |_| true)?;
    clock::check_logs(project).await?;
    let (store, condition) = project.repaired_online().await?;
    clock::check_store(project, &store).await?;
    if let Condition::Replaced { aside: Some(aside) } = &condition {
        run.report(Event::StorePutAside { file: aside.clone() });
    }
    let meant: Vec<VersionId> = match views {
        [] => Vec::new(),
        _ => named.iter().map(|target| target.view.id.clone()).collect(),
    };
    let is_sound = condition == Condition::Sound && !project.is_emptied(&store, &registered).await?;
    let targets = if is_sound { named } else { targets_with(&registered, &[], |_| true)? };
    project.check_logs_of(&targets, &store).await?;
    let materializer = project.materializer(store, &targets, REBUILD).await?;
    if materializer.online.folder().is_some() {
        project.own(&materializer.online).await?;
    }
    let registry = project.registry().await?;
    // What a process left that was killed while it opened a breaker is not written again.
    breakers::drop_rows(project, &registry, &materializer.online).await?;
    breakers::drop_unexplained(&registry, &materializer.online).await?;
    let mut rebuilt = Vec::new();
    for target in targets {
        let began = Instant::now();
        let entities = match materializer.rebuild(&target.view).await {
            // Not one that is named: nothing of it is to be online yet.
            Err(error @ MaterializerError::MigrationUnfinished { .. })
                if !meant.contains(&target.view.id) =>
            {
                tracing::warn!("{error}; nothing of it is put online before");
                continue;
            }
            rebuilt => rebuilt?,
        };
        breakers::keep_again(project, &registry, &materializer, &target.view).await?;
        rebuilt.push(RebuiltView { view: target.view.id.clone(), entities, took: began.elapsed() });
    }
    if !is_sound {
        materializer.online.complete()?;
    }
    project.own(&materializer.online).await?;
    Ok(rebuilt)
}

/// How many rows of the online store on disk are not what was written.
pub(crate) async fn verify_online(project: &Project) -> Result<u64, ProjectError> {
    if let Some(gone) = project.registry_is_gone().await? {
        return Err(gone);
    }
    project.online().await?.verify()?.ok_or(ProjectError::StoreNotOnDisk)
}
