//! Cutovers and rollbacks as the registry keeps them: pointers moved in one transaction with their audit entries.

use feature::{Canary, Micros, Name, VersionId};

use super::kept::{of_all, put};
use super::{Cutover, Moved, Overridden, Rollout};
use crate::audit::{AuditAction, Reason, Record};
use crate::body::DefinitionId;
use crate::error::RegistryError;
use crate::keys::Kind;
use crate::registered::Registered;
use crate::store::{Registry, advance, generation};
use crate::stored::damaged;

impl Registry {
    /// Moves a service's own name to a version, for all of its entities or for some, at once for every server that
    /// follows the registry. Refused where the registry is not of the generation that the gates were checked on.
    pub async fn cut_over(
        &self,
        cutover: &Cutover,
        checked_on: u64,
        at: Micros,
    ) -> Result<Moved, RegistryError> {
        let registered = self.registered().await?;
        registered.service(&feature::ServiceRef::Exact(cutover.to.clone()))?;
        let records = |before: &Rollout, after: &Rollout| records(before, after, cutover);
        let next = |rollout: &Rollout| rollout.cut_over(&cutover.to, cutover.percent);
        self.move_live(&cutover.to.name, Some(checked_on), next, records, at).await
    }

    /// Ends a service's canary, or, where it has none, moves its name back to the version that was live before.
    pub async fn roll_back(
        &self,
        service: &Name,
        reason: Option<&Reason>,
        at: Micros,
    ) -> Result<Moved, RegistryError> {
        let registered = self.registered().await?;
        registered.service(&feature::ServiceRef::Live(service.clone()))?;
        let records = |before: &Rollout, after: &Rollout| {
            vec![moved(AuditAction::Rollback, before, after).because(reason)]
        };
        let back = |rollout: &Rollout| match rollout.rolled_back() {
            Err(RegistryError::NoVersionBefore { live, .. }) => Err(nothing_before(&registered, live)),
            other => other,
        };
        self.move_live(service, None, back, records, at).await
    }

    async fn move_live(
        &self,
        service: &Name,
        checked_on: Option<u64>,
        next: impl FnOnce(&Rollout) -> Result<Rollout, RegistryError>,
        records: impl FnOnce(&Rollout, &Rollout) -> Vec<Record>,
        at: Micros,
    ) -> Result<Moved, RegistryError> {
        let failed = self.failed("move the live version");
        let mut transaction = self.begin_changing("move the live version").await?;
        let now = generation(&mut transaction).await.map_err(&failed)?;
        let current = u64::try_from(now).map_err(|error| damaged("generation", &error))?;
        if checked_on.is_some_and(|checked_on| checked_on != current) {
            return Err(RegistryError::ChangedMeanwhile { service: service.clone() });
        }
        let before = of_all(&mut transaction, &failed).await.map_err(|error| self.in_database(error))?;
        let before = before.get(service).cloned();
        let before =
            before.ok_or_else(|| damaged(&format!("live version of {service}"), &"there is none"))?;
        let after = next(&before)?;
        if before == after {
            return Ok(Moved { before, after, generation: current });
        }
        put(&mut transaction, service, &before, &after, at).await.map_err(&failed)?;
        let records = records(&before, &after);
        let summary: Vec<String> = records.iter().map(Record::summary).collect();
        advance(&mut transaction, now + 1, &summary.join("\n"), at).await.map_err(&failed)?;
        self.record(&mut transaction, records, at, &failed).await?;
        self.commit(transaction, &failed).await?;
        Ok(Moved { before, after, generation: current + 1 })
    }
}

/// Why there is nothing to return to.
fn nothing_before(registered: &Registered, live: VersionId) -> RegistryError {
    let of_service = |id: &&DefinitionId| id.kind == Kind::FeatureService && id.name == live.name;
    let retired: Vec<String> =
        registered.retirements().map(|(id, _)| id).filter(of_service).map(DefinitionId::reference).collect();
    match retired.is_empty() {
        true => {
            let all = registered.services().map(|service| &service.id);
            let others = all.filter(|id| id.name == live.name && **id != live).cloned().collect();
            RegistryError::NoVersionBefore { live, others }
        }
        false => RegistryError::VersionBeforeRetired { live, retired: retired.join(", ") },
    }
}

/// What the audit log says of a cutover: the gates that were overridden first.
fn records(before: &Rollout, after: &Rollout, cutover: &Cutover) -> Vec<Record> {
    let overridden = cutover.overridden.iter().map(|Overridden { reason, gates }| {
        let id = DefinitionId::versioned(Kind::FeatureService, &cutover.to);
        Record::of(AuditAction::Override, &id).because(Some(reason)).detail(gates.join("; "))
    });
    let action = match (&before.canary, &after.canary) {
        _ if before.live != after.live => AuditAction::Cutover,
        (Some(_), None) => AuditAction::CanaryEnd,
        _ => AuditAction::Canary,
    };
    overridden.chain([moved(action, before, after).because(cutover.reason.as_ref())]).collect()
}

/// That a service is answered otherwise than before.
fn moved(action: AuditAction, before: &Rollout, after: &Rollout) -> Record {
    let service = DefinitionId { kind: Kind::FeatureService, name: before.live.name.clone(), version: None };
    let state = |rollout: &Rollout| match &rollout.canary {
        None => rollout.live.to_string(),
        Some(Canary { version, percent }) => {
            format!("{} with {percent} of entities on {version}", rollout.live)
        }
    };
    Record::of(action, &service).from(state(before)).to(state(after))
}
