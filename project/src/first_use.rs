//! Who records that a version is used, from when on it never changes: each command before its first row or answer, and
//! once for versions that were registered before first uses were recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use feature::{ServicePlan, VersionId};
use materializer::{FirstUse, NotUsable};
use online::Store;
use registry::{DefinitionId, Kind, Registry, RegistryError, Using};

use crate::error::ProjectError;
use crate::project::Project;

impl Project {
    /// Records that a service and what it reads is used from now on, by this command.
    pub(crate) async fn begin_use(&self, plan: &ServicePlan, by: &str) -> Result<(), ProjectError> {
        let registry = self.registry().await?;
        Ok(registry.begin_use(&Using::service(plan), by, self.now()).await?)
    }

    /// Tells the registry before rows of a view are written, by this command: of the first of them, and of the next ones
    /// once the registry has changed. A registry that cannot be reached holds up no view that was written before.
    /// Whose rows the online store has is said at the same time.
    pub(crate) async fn first_use(&self, by: &'static str, online: &Store) -> Result<FirstUse, ProjectError> {
        let (registry, clock) = (self.registry().await?, self.clock);
        let (project, online) = (self.clone(), online.clone());
        let allowed: Arc<Mutex<BTreeMap<VersionId, u64>>> = Arc::default();
        Ok(FirstUse::notify(move |view| {
            let (registry, using, id) = (registry.clone(), [Using::view(view)], view.id.clone());
            let allowed = allowed.clone();
            let (project, online) = (project.clone(), online.clone());
            Box::pin(async move {
                let generation = registry.generation().await;
                let before = allowed.lock().unwrap_or_else(PoisonError::into_inner).get(&id).copied();
                let begun = match (generation, before) {
                    (Ok(generation), Some(before)) if generation == before => return Ok(()),
                    (Ok(generation), _) => registry.begin_use(&using, by, clock()).await.map(|()| generation),
                    (Err(error), Some(_)) if may_pass(&error) => return Ok(()),
                    (Err(error), _) => Err(error),
                };
                match begun {
                    Ok(generation) => {
                        let owned = project.own(&online).await;
                        owned.map_err(|error| NotUsable {
                            may_pass: false,
                            is_retired: false,
                            why: error.to_string(),
                        })?;
                        let mut allowed = allowed.lock().unwrap_or_else(PoisonError::into_inner);
                        allowed.insert(id, generation);
                        Ok(())
                    }
                    Err(error) => Err(NotUsable {
                        may_pass: may_pass(&error),
                        is_retired: matches!(error, RegistryError::Retired { .. }),
                        why: error.to_string(),
                    }),
                }
            })
        }))
    }

    /// Finds out of versions that were registered before first uses were recorded whether they were used: a
    /// view that has a log was, and so was what reads one. What reads no view may have been.
    pub(crate) async fn settle_uses(&self, registry: &Registry) -> Result<(), ProjectError> {
        let registered = registry.registered().await?;
        let unknown: BTreeSet<DefinitionId> = registered.unknown_uses().cloned().collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let offline = self.offline()?;
        let mut unused = BTreeSet::new();
        for view in registered.views() {
            let id = DefinitionId::versioned(Kind::FeatureView, &view.id);
            if unknown.contains(&id) && offline.log(view).await?.version().is_none() {
                unused.insert(id);
            }
        }
        let used = |id: &DefinitionId| registered.first_use(id).is_some() && !unused.contains(id);
        let readers: Vec<DefinitionId> = unknown
            .iter()
            .filter(|id| id.kind != Kind::FeatureView)
            .filter(|id| registered.reads_of(id).is_some_and(|read| !read.iter().any(used)))
            .cloned()
            .collect();
        let unused: Vec<DefinitionId> = unused.into_iter().chain(readers).collect();
        Ok(registry.never_used(&unused).await?)
    }
}

/// Whether the same question may be answered later.
fn may_pass(error: &RegistryError) -> bool {
    matches!(error, RegistryError::Storage { .. } | RegistryError::Locked(_))
}
