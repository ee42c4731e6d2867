//! What is decided of quarantined batches, in the audit log. The batches themselves and the decision lie beside the logs;
//! the entry is written first, once for each batch and decision, however often the command is repeated.

use feature::{Micros, VersionId};

use crate::audit::{self, AuditAction, Reason, Record};
use crate::body::DefinitionId;
use crate::error::RegistryError;
use crate::keys::Kind;
use crate::store::Registry;

/// What is decided of a quarantined batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BatchDecision {
    /// Its rows are loaded.
    Release,
    /// Its rows are never loaded.
    Drop,
}

impl Registry {
    /// Records what is decided of a batch of a view, unless it is recorded already.
    pub async fn batch_decided(
        &self,
        view: &VersionId,
        batch: u32,
        decision: BatchDecision,
        reason: Option<&Reason>,
        at: Micros,
    ) -> Result<(), RegistryError> {
        let id = DefinitionId::versioned(Kind::FeatureView, view);
        let (action, to) = match decision {
            BatchDecision::Release => (AuditAction::Release, format!("batch {batch} released")),
            BatchDecision::Drop => (AuditAction::Drop, format!("batch {batch} dropped")),
        };
        let failed = self.failed("record what is decided of a quarantined batch");
        let mut transaction = self.begin_changing("record what is decided of a quarantined batch").await?;
        let log = audit::read(&mut transaction).await.map_err(&failed)?;
        let subject = id.to_string();
        let is_same = |entry: &audit::AuditEntry| {
            entry.action == action && entry.subject == subject && entry.to.as_ref() == Some(&to)
        };
        if log.entries.iter().any(is_same) {
            return Ok(());
        }
        let record =
            Record::of(action, &id).from(format!("batch {batch} quarantined")).to(to).because(reason);
        self.record(&mut transaction, vec![record], at, &failed).await?;
        self.commit(transaction, &failed).await
    }
}
