//! Everything about one service.

use feature::{Field, ServiceRef, VersionId};
use registry::{AuditEntry, DefinitionId, Kind, Lineage, Rollout, Shown};

use super::observer::Observer;
use super::summary::ServiceSummary;
use crate::error::ProjectError;
use crate::lineage::graph_in;

/// Changes that are given.
const MOST_CHANGES: u32 = 10;

/// Everything about one version of a service.
#[derive(Clone, Debug)]
pub struct ServiceDetail {
    /// What the overview says of it.
    pub summary: ServiceSummary,
    /// What it is, as its definition says, with what it takes and gives.
    pub definition: Shown,
    /// Which versions answer the service's own name.
    pub rollout: Option<Rollout>,
    /// All versions of it that are in use, the first first.
    pub versions: Vec<VersionId>,
    /// The columns that a read of it takes: join keys first.
    pub takes: Vec<Field>,
    /// What it comes from, and what comes from it.
    pub lineage: Lineage,
    /// The newest changes of it and of what its name means, newest first.
    pub changes: Vec<AuditEntry>,
}

impl Observer {
    /// Everything about a version of a service; `None` if none of this name is in use.
    pub async fn service(&mut self, id: &VersionId) -> Result<Option<ServiceDetail>, ProjectError> {
        let overview = self.overview().await?;
        let Some(summary) = overview.services.iter().find(|service| service.id == *id).cloned() else {
            return Ok(None);
        };
        let (registry, registered) = self.now().await?;
        let shown = registry.show(&id.to_string()).await?;
        let shown = shown.into_iter().find(|shown| shown.listed.kind == Kind::FeatureService);
        let Some(definition) = shown else { return Ok(None) };
        let plan = registered.service_plan(&ServiceRef::Exact(id.clone()))?;
        let versions = overview.services.iter().map(|service| &service.id);
        let mut versions: Vec<VersionId> = versions.filter(|other| other.name == id.name).cloned().collect();
        versions.sort();
        let of_name = DefinitionId { kind: Kind::FeatureService, name: id.name.clone(), version: None };
        let of_version = DefinitionId::versioned(Kind::FeatureService, id);
        let mut changes = registry.newest_changes_of(&of_version, MOST_CHANGES).await?;
        changes.extend(registry.newest_changes_of(&of_name, MOST_CHANGES).await?);
        changes.sort_by_key(|entry| std::cmp::Reverse(entry.number));
        changes.truncate(MOST_CHANGES as usize);
        Ok(Some(ServiceDetail {
            summary,
            definition,
            rollout: registered.rollout(&id.name).cloned(),
            versions,
            takes: plan.keys.iter().chain(&plan.request).cloned().collect(),
            lineage: graph_in(&registry, &registered, &id.to_string()).await?,
            changes,
        }))
    }
}
