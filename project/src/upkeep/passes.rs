//! What `stream` and `serve` do for the storage meanwhile, where the settings say so: rows beyond retention go, then files
//! that no kept version needs.

use std::time::Duration;

use materializer::Target;
use online::Store;
use tokio_util::sync::CancellationToken;

use super::looked_after::LookedAfter;
use super::vacuuming::Vacuum;
use crate::error::ProjectError;
use crate::project::Project;
use crate::targets::targets_with;

/// The time before the first pass: a process that begins has other things to do.
const FIRST_AFTER: Duration = Duration::from_secs(60);

/// Passes over all views, one after the other.
pub(crate) struct Passes {
    project: Project,
    online: Store,
    by: &'static str,
    every: Duration,
}

impl Passes {
    /// As often as the settings say; `None` if never.
    pub(crate) fn of(project: &Project, online: &Store, by: &'static str) -> Option<Self> {
        let every = project.settings.offline.upkeep_every?;
        let every = Duration::from_micros(u64::try_from(every.micros()).unwrap_or(u64::MAX));
        Some(Self { project: project.clone(), online: online.clone(), by, every })
    }

    /// Passes until it is stopped. One that is stopped in the middle goes on with the next.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut rest = FIRST_AFTER.min(self.every);
        loop {
            tokio::select! {
                () = tokio::time::sleep(rest) => {}
                () = stop.cancelled() => return,
            }
            rest = self.every;
            tokio::select! {
                done = self.pass() => if let Err(error) = done {
                    tracing::warn!("the upkeep of the logs is tried again later: {error}");
                },
                () = stop.cancelled() => return,
            }
        }
    }

    async fn pass(&self) -> Result<(), ProjectError> {
        let registered = self.project.registered().await?;
        let targets = targets_with(&registered, &[], |_| true)?;
        let materializer = self.project.materializer(self.online.clone(), &targets, self.by).await?;
        let (project, registered) = (&self.project, &registered);
        let after = LookedAfter { project, registered, materializer: &materializer };
        for Target { view, .. } in &targets {
            match after.expire(view, false).await {
                Ok(done) if done.expired.rows > 0 => {
                    let (rows, dates) = (done.expired.rows, done.expired.dates);
                    tracing::info!("{}: retention dropped {rows} rows of {dates} dates", view.id);
                }
                Ok(_) => {}
                Err(error) => tracing::warn!("{}: nothing was dropped by its retention: {error}", view.id),
            }
        }
        if materializer.offline.is_in_bucket() {
            // Its files of older versions stay.
            return Ok(());
        }
        let vacuum = Vacuum::default();
        for Target { view, .. } in &targets {
            match after.vacuum(view, &vacuum).await {
                Ok(done) if !done.vacuumed.is_read && done.vacuumed.log.files > 0 => {
                    let removed = done.vacuumed.log;
                    tracing::info!("{}: {} files of older versions removed", view.id, removed.files);
                }
                Ok(_) => {}
                Err(error) => tracing::warn!("{}: no files were removed: {error}", view.id),
            }
        }
        Ok(())
    }
}
