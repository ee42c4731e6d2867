//! Deprecations and retirements as the registry keeps them: one transaction each, with its entries in the audit log.

use feature::{Micros, VersionId};

use super::kept::{put_deprecation, put_retirement, retirements};
use super::standing::{Deprecation, Retirement, day};
use crate::audit::{AuditAction, Reason, Record};
use crate::body::DefinitionId;
use crate::error::RegistryError;
use crate::keys::Kind;
use crate::rollout::put_before;
use crate::store::{Registry, advance, generation};

/// What a retirement did to the registry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Retired {
    /// Every version that was retired by it, the named one first; none where it was retired before.
    pub versions: Vec<DefinitionId>,
    /// The named version.
    pub id: DefinitionId,
}

impl Registry {
    /// Says that a version is to be retired at a time, or, without one, that it is not.
    pub async fn deprecate(
        &self,
        id: &DefinitionId,
        deprecation: Option<&Deprecation>,
        at: Micros,
    ) -> Result<(), RegistryError> {
        let registered = self.registered().await?;
        registered.in_use(id)?;
        let before = registered.deprecation(id);
        let same = |new: &Deprecation| {
            before.is_some_and(|old| old.sunset == new.sunset && old.reason == new.reason)
        };
        if deprecation.map_or(before.is_none(), same) {
            return Ok(());
        }
        let until = |deprecation: &Deprecation| format!("deprecated until {}", day(deprecation.sunset));
        let record = match deprecation {
            Some(new) => Record::of(AuditAction::Deprecate, id).to(until(new)).because(Some(&new.reason)),
            None => Record::of(AuditAction::Undeprecate, id).to("in use"),
        };
        let record = Record { from: before.map(until), ..record };
        let failed = self.failed("deprecate a version");
        let mut transaction = self.begin_changing("deprecate a version").await?;
        let now = generation(&mut transaction).await.map_err(&failed)?;
        if u64::try_from(now) != Ok(registered.generation()) {
            return Err(RegistryError::Moved { what: id.to_string(), how: "changed" });
        }
        put_deprecation(&mut transaction, id, deprecation).await.map_err(&failed)?;
        advance(&mut transaction, now + 1, &record.summary(), at).await.map_err(&failed)?;
        self.record(&mut transaction, vec![record], at, &failed).await?;
        self.commit(transaction, &failed).await
    }

    /// Retires a version: nothing uses it from then on. With `overriding`, what reads it is retired with it. Storage is
    /// freed by whoever writes it. A version that was retired before is left as it is.
    pub async fn retire(
        &self,
        id: &DefinitionId,
        reason: Option<&Reason>,
        overriding: Option<&Reason>,
        at: Micros,
    ) -> Result<Retired, RegistryError> {
        let registered = self.registered().await?;
        if registered.retirement(id).is_some() {
            return Ok(Retired { versions: Vec::new(), id: id.clone() });
        }
        let versions = registered.retired_with(id, overriding.is_some())?;
        let failed = self.failed("retire a version");
        let mut transaction = self.begin_changing("retire a version").await?;
        let now = generation(&mut transaction).await.map_err(&failed)?;
        if u64::try_from(now) != Ok(registered.generation()) {
            return Err(RegistryError::Moved { what: id.to_string(), how: "changed" });
        }
        let mut records = Vec::new();
        if let Some((overriding, model)) = overriding.zip(registered.model_left(id)) {
            records.push(Record::of(AuditAction::Override, id).because(Some(overriding)).detail(model));
        }
        if let (Some(overriding), [_, with @ ..]) = (overriding, versions.as_slice())
            && !with.is_empty()
        {
            let with: Vec<String> = with.iter().map(DefinitionId::reference).collect();
            let detail = format!("{} read it and are retired with it", with.join(", "));
            records.push(Record::of(AuditAction::Override, id).because(Some(overriding)).detail(detail));
        }
        for version in &versions {
            let reason = reason.or(overriding).cloned();
            let retirement = Retirement { since: at, reason, is_freed: version.kind != Kind::FeatureView };
            put_retirement(&mut transaction, version, &retirement).await.map_err(&failed)?;
            self.forget_before(&mut transaction, &registered, version).await.map_err(&failed)?;
            let record = Record::of(AuditAction::Retire, version).to("retired");
            records.push(record.because(retirement.reason.as_ref()));
        }
        let summary: Vec<String> = records.iter().map(Record::summary).collect();
        advance(&mut transaction, now + 1, &summary.join("\n"), at).await.map_err(&failed)?;
        self.record(&mut transaction, records, at, &failed).await?;
        self.commit(transaction, &failed).await?;
        Ok(Retired { versions, id: id.clone() })
    }

    /// A rollback does not return to a version that is retired.
    async fn forget_before(
        &self,
        transaction: &mut sqlx::Transaction<'_, sqlx::Any>,
        registered: &crate::Registered,
        id: &DefinitionId,
    ) -> Result<(), sqlx::Error> {
        let rollout = registered.rollout(&id.name).filter(|_| id.kind == Kind::FeatureService);
        match rollout.zip(id.version_id()) {
            Some((rollout, version)) => {
                put_before(transaction, &id.name, &rollout.without(&version).before).await
            }
            None => Ok(()),
        }
    }

    /// The retired views that still take storage.
    pub async fn unfreed(&self) -> Result<Vec<VersionId>, RegistryError> {
        let registered = self.registered().await?;
        let unfreed = registered.retirements().filter(|(_, retirement)| !retirement.is_freed);
        Ok(unfreed.filter_map(|(id, _)| id.version_id()).collect())
    }

    /// Records that what a retired view took in both stores is freed.
    pub async fn freed(&self, view: &VersionId, at: Micros) -> Result<(), RegistryError> {
        let id = DefinitionId::versioned(Kind::FeatureView, view);
        let failed = self.failed("record that storage is freed");
        let mut transaction = self.begin_changing("record that storage is freed").await?;
        let all = retirements(&mut transaction, &failed).await.map_err(|error| self.in_database(error))?;
        let Some(retirement) = all.get(&id).filter(|retirement| !retirement.is_freed) else { return Ok(()) };
        let freed = Retirement { is_freed: true, ..retirement.clone() };
        put_retirement(&mut transaction, &id, &freed).await.map_err(&failed)?;
        let record = Record::of(AuditAction::Free, &id).to("its log, dead letters and online rows are freed");
        self.record(&mut transaction, vec![record], at, &failed).await?;
        self.commit(transaction, &failed).await
    }
}
