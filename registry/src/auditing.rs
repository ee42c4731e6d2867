//! The audit log as its readers ask for it.

use crate::audit::{self, AuditLog};
use crate::error::RegistryError;
use crate::store::Registry;

impl Registry {
    /// The audit log, whole and checked.
    pub async fn audit(&self) -> Result<AuditLog, RegistryError> {
        let failed = self.failed("be read");
        let mut transaction = self.pool().begin().await.map_err(&failed)?;
        audit::read(&mut transaction).await.map_err(&failed)
    }
}
