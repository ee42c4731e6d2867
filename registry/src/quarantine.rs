//! What is decided of quarantined batches, in the audit log. The batches themselves and the decision lie beside the logs;
//! the entry is written first, once for each batch and decision, however often the command is repeated. A decision that
//! is not carried out after that has an entry that says so.

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
        let Said { action, to, not } = Said::of(batch, decision);
        let failed = self.failed("record what is decided of a quarantined batch");
        let mut transaction = self.begin_changing("record what is decided of a quarantined batch").await?;
        let log = audit::read(&mut transaction).await.map_err(&failed)?;
        let subject = id.to_string();
        let is_of_it = |entry: &&audit::AuditEntry| {
            let says = [Some(&to), Some(&not)].contains(&entry.to.as_ref());
            entry.action == action && entry.subject == subject && says
        };
        if log.entries.iter().rev().find(is_of_it).is_some_and(|last| last.to.as_ref() == Some(&to)) {
            return Ok(());
        }
        let record =
            Record::of(action, &id).from(format!("batch {batch} quarantined")).to(to).because(reason);
        self.record(&mut transaction, vec![record], at, &failed).await?;
        self.commit(transaction, &failed).await
    }

    /// Records that what was decided of a batch, and recorded, was not carried out.
    pub async fn batch_not_decided(
        &self,
        view: &VersionId,
        batch: u32,
        decision: BatchDecision,
        why: &str,
        at: Micros,
    ) -> Result<(), RegistryError> {
        let failed = self.failed("record that a decision on a quarantined batch was not carried out");
        let mut transaction = self.begin_changing("record that a decision was not carried out").await?;
        let Said { action, to, not } = Said::of(batch, decision);
        let id = DefinitionId::versioned(Kind::FeatureView, view);
        let record = Record::of(action, &id).from(to).to(not).detail(why);
        self.record(&mut transaction, vec![record], at, &failed).await?;
        self.commit(transaction, &failed).await
    }
}

/// What the audit log says of a decision.
struct Said {
    action: AuditAction,
    /// That it was made.
    to: String,
    /// That it was not carried out.
    not: String,
}

impl Said {
    fn of(batch: u32, decision: BatchDecision) -> Self {
        let (action, done) = match decision {
            BatchDecision::Release => (AuditAction::Release, "released"),
            BatchDecision::Drop => (AuditAction::Drop, "dropped"),
        };
        Self { action, to: format!("batch {batch} {done}"), not: format!("batch {batch} not {done}") }
    }
}
