//! What was dropped of a view's storage, in the audit log.

use feature::{Micros, VersionId};

use crate::audit::{AuditAction, Record};
use crate::body::DefinitionId;
use crate::error::RegistryError;
use crate::kind::Kind;
use crate::store::Registry;

/// What was dropped of a view's storage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DroppedStorage {
    /// The view.
    pub view: VersionId,
    /// As what it is recorded.
    pub action: AuditAction,
    /// How the storage is now.
    pub now: String,
    /// What was dropped, and how much of it.
    pub detail: String,
}

impl Registry {
    /// Records that something was dropped of a view's storage.
    pub async fn dropped(&self, dropped: DroppedStorage, at: Micros) -> Result<(), RegistryError> {
        let failed = self.failed("record what was dropped");
        let mut transaction = self.begin_changing("record what was dropped").await?;
        let id = DefinitionId::versioned(Kind::FeatureView, &dropped.view);
        let record = Record::of(dropped.action, &id).to(dropped.now).detail(dropped.detail);
        self.record(&mut transaction, vec![record], at, &failed).await?;
        self.commit(transaction, &failed).await
    }
}
