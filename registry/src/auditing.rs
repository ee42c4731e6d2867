//! The audit log as its readers ask for it.

use crate::audit::{self, AuditEntry, AuditLog};
use crate::body::DefinitionId;
use crate::error::RegistryError;
use crate::store::Registry;

impl Registry {
    /// The audit log, whole and checked.
    pub async fn audit(&self) -> Result<AuditLog, RegistryError> {
        let failed = self.failed("be read");
        let mut transaction = self.begin_reading().await?;
        audit::read(&mut transaction).await.map_err(&failed)
    }

    /// The newest entries before this one, newest first; at most `limit`. They are not checked: the whole log is.
    pub async fn newest_changes(
        &self,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, RegistryError> {
        let query = "SELECT * FROM audit WHERE entry < $1 ORDER BY entry DESC LIMIT $2";
        let query = sqlx::query(query).bind(before.unwrap_or(i64::MAX)).bind(i64::from(limit));
        let rows = query.fetch_all(&self.pool().await?).await.map_err(self.failed("be read"))?;
        audit::entries(&rows).map_err(|error| self.in_database(error))
    }

    /// The newest entries about a definition, newest first; at most `limit`.
    pub async fn newest_changes_of(
        &self,
        id: &DefinitionId,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, RegistryError> {
        let query = "SELECT * FROM audit WHERE subject = $1 ORDER BY entry DESC LIMIT $2";
        let query = sqlx::query(query).bind(id.to_string()).bind(i64::from(limit));
        let rows = query.fetch_all(&self.pool().await?).await.map_err(self.failed("be read"))?;
        audit::entries(&rows).map_err(|error| self.in_database(error))
    }
}
