//! The receipt of a forgotten entity, in the audit log: a hash stands for its key, which is nowhere in the registry.

use feature::Micros;

use crate::audit::{AuditAction, Reason, Record};
use crate::body::DefinitionId;
use crate::error::RegistryError;
use crate::store::Registry;

impl Registry {
    /// Records that an entity of a kind was forgotten, by a hash of its key, and what was removed.
    pub async fn forgotten(
        &self,
        entity: &DefinitionId,
        hash: &str,
        receipt: &str,
        reason: Option<&Reason>,
        at: Micros,
    ) -> Result<(), RegistryError> {
        let failed = self.failed("record that an entity was forgotten");
        let mut transaction = self.begin_changing("record that an entity was forgotten").await?;
        let record = Record::of(AuditAction::Forget, entity).to(hash).detail(receipt).because(reason);
        self.record(&mut transaction, vec![record], at, &failed).await?;
        self.commit(transaction, &failed).await
    }
}
