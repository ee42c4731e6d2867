//! The audit log: who changed what of a project, when and why.

use registry::AuditLog;

use crate::error::ProjectError;
use crate::project::Project;

/// The whole log, checked; empty where nothing was ever registered.
pub(crate) async fn audit(project: &Project) -> Result<AuditLog, ProjectError> {
    match project.registry_so_far().await? {
        None => Ok(AuditLog::default()),
        Some(registry) => Ok(registry.audit().await?),
    }
}
