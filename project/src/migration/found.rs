//! A view with what the registry keeps of its newest backfill by dates.

use std::collections::BTreeSet;
use std::num::{NonZeroU64, NonZeroUsize};

use feature::VersionId;
use materializer::{DateOrder, EventRange, Migration, Target};
use registry::{BackfillRecord, KeptBackfill, Registered, Registry, RegistryError};

use crate::error::ProjectError;
use crate::project::Project;
use crate::targets::{ViewName, targets};

/// A view with what is kept of its newest backfill.
pub(super) struct Found {
    pub(super) registry: Registry,
    pub(super) registered: Registered,
    pub(super) target: Target,
    pub(super) kept: Option<KeptBackfill>,
}

impl Found {
    pub(super) async fn of(project: &Project, view: &ViewName) -> Result<Self, ProjectError> {
        let (registry, registered) = project.registry_in_use().await?;
        let target = targets(&registered, std::slice::from_ref(view))?.pop();
        let target = target.expect("invariant: a view that is named is found or refused");
        let kept = registry.backfill(&target.view.id).await?;
        Ok(Self { registry, registered, target, kept })
    }

    pub(super) fn id(&self) -> &VersionId {
        &self.target.view.id
    }

    /// What is kept of it; refused where no backfill by dates ever began.
    pub(super) fn kept(&self) -> Result<KeptBackfill, ProjectError> {
        let none = || RegistryError::NoBackfill { view: self.id().clone() };
        Ok(self.kept.clone().ok_or_else(none)?)
    }
}

/// What the materializer is to do for a backfill that is kept.
pub(super) fn migration(record: &BackfillRecord) -> Migration {
    Migration {
        number: record.number,
        order: if record.newest_first { DateOrder::Newest } else { DateOrder::Oldest },
        range: EventRange { from: record.from, to: record.to },
        max_rows_per_second: record.max_rows_per_second.and_then(NonZeroU64::new),
        max_memory: record.max_memory,
        jobs: usize::try_from(record.jobs).ok().and_then(NonZeroUsize::new).unwrap_or(NonZeroUsize::MIN),
        accepted: record.accepted.iter().copied().collect(),
        previous: None,
        recorded: BTreeSet::new(),
        loaded: Vec::new(),
    }
}
