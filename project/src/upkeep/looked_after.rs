//! What looking after the logs of views needs, and how what is dropped is recorded: as a run from its beginning, and in
//! the audit log once it is done.

use feature::View;
use materializer::Materializer;
use online::Store;
use registry::{AuditAction, DroppedStorage, Job, Registered, RunOutcome};

use crate::error::ProjectError;
use crate::lineage::{Ended, Recorder, Subject};
use crate::project::Project;

/// The views of a project whose storage is looked after.
#[derive(Clone, Copy)]
pub(super) struct LookedAfter<'a> {
    pub(super) project: &'a Project,
    pub(super) registered: &'a Registered,
    pub(super) materializer: &'a Materializer<Store>,
}

/// What was dropped of a view.
pub(super) struct Dropped {
    pub(super) outcome: RunOutcome,
    /// How its storage is now.
    pub(super) now: String,
    /// What was dropped, and how much of it.
    pub(super) detail: String,
}

impl LookedAfter<'_> {
    /// Drops something of a view, which is recorded where `goes` says that something goes, or something went. What is
    /// dropped is given by `dropped`; `None` if nothing is.
    pub(super) async fn recorded<T>(
        self,
        (job, view, goes): (Job, &View, bool),
        dropping: impl Future<Output = Result<T, ProjectError>>,
        dropped: impl FnOnce(&T) -> Option<Dropped>,
    ) -> Result<T, ProjectError> {
        let registry = self.project.registry().await?;
        let begin = async || {
            Recorder::begin(self.project, &registry, self.registered, Subject::view(job, view)).await
        };
        let recorder = if goes { Some(begin().await?) } else { None };
        let done = dropping.await;
        let ended = Ended::from(&done);
        let dropped = done.as_ref().ok().and_then(dropped);
        let recorder = match recorder {
            None if dropped.is_some() => Some(begin().await?),
            recorder => recorder,
        };
        if let Some(recorder) = recorder {
            recorder.end(dropped.as_ref().map(|dropped| dropped.outcome.clone()), ended).await;
        }
        if let Some(Dropped { now, detail, .. }) = dropped {
            let action = if job == Job::Expire { AuditAction::Expire } else { AuditAction::Vacuum };
            let dropped = DroppedStorage { view: view.id.clone(), action, now, detail };
            registry.dropped(dropped, self.project.now()).await?;
        }
        done
    }
}
