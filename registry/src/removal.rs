//! Taking a definition out of the registry: a version that was never used, an entity or a source, where
//! nothing reads it.

use feature::Micros;
use serde::Serialize;
use sqlx::{Any, Transaction};

use crate::audit::{AuditAction, Record};
use crate::body::DefinitionId;
use crate::breakers::{BreakerRecord, remove_openings};
use crate::error::RegistryError;
use crate::first_use;
use crate::keys::Kind;
use crate::registered::Registered;
use crate::rollout::{self, Rollout};
use crate::store::{Registry, advance, generation};

/// A definition that was removed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Removed {
    /// Which.
    #[serde(flatten)]
    pub id: DefinitionId,
    /// The file that it was last read from.
    pub file: String,
    /// The generation of the registry after it.
    pub generation: u64,
}

impl Registry {
    /// Removes what a name means: `name@version`, or a name that means one definition. Refused where it was
    /// used or is read by others, naming both. `at` is the moment that the registry keeps.
    pub async fn remove(
        &self,
        reference: &str,
        kind: Option<Kind>,
        at: Micros,
    ) -> Result<Removed, RegistryError> {
        let registered = self.registered().await?;
        let id = meant(&registered, reference, kind)?;
        refuse_what_is_needed(&registered, &id)?;
        let failed = self.failed("remove a definition");
        let mut transaction = self.begin_changing("remove a definition").await?;
        let now = generation(&mut transaction).await.map_err(&failed)?;
        if u64::try_from(now) != Ok(registered.generation()) {
            return Err(RegistryError::Stale);
        }
        if let Some(by) = first_use::of(&mut transaction, &id).await.map_err(&failed)? {
            return Err(used(&id, &by));
        }
        if let Some(view) = id.version_id().filter(|_| id.kind == Kind::FeatureView) {
            let all = self.breakers_in(&mut transaction).await?;
            let is_open = |one: &&BreakerRecord| one.view == view && one.is_open(at);
            if let Some(open) = all.iter().find(is_open) {
                let since = open.from.unwrap_or(open.requested_at);
                return Err(RegistryError::HeldByBreaker { view, since });
            }
            remove_openings(&mut transaction, &view, at).await.map_err(&failed)?;
        }
        let rollout = registered.rollout(&id.name).filter(|_| id.kind == Kind::FeatureService);
        let live = delete(&mut transaction, &id, rollout, at).await.map_err(&failed)?;
        advance(&mut transaction, now + 1, &format!("- {id} removed"), at).await.map_err(&failed)?;
        let hash = registered.definition(&id).map(|definition| definition.hash.as_str()).unwrap_or_default();
        let removed = Record::of(AuditAction::Remove, &id).from(format!("hash {hash}"));
        let records = std::iter::once(removed).chain(live).collect();
        self.record(&mut transaction, records, at, &failed).await?;
        self.commit(transaction, &failed).await?;
        let file = registered.definition(&id).map(|definition| definition.file.to_string());
        Ok(Removed { id, file: file.unwrap_or_default(), generation: registered.generation() + 1 })
    }
}

/// The one definition that a name means.
fn meant(
    registered: &Registered,
    reference: &str,
    kind: Option<Kind>,
) -> Result<DefinitionId, RegistryError> {
    let found = registered.named(reference)?.into_iter().map(|definition| definition.id());
    let found: Vec<DefinitionId> = found.filter(|id| kind.is_none_or(|kind| id.kind == kind)).collect();
    match found.as_slice() {
        [id] => Ok(id.clone()),
        [] => Err(RegistryError::Kept {
            what: reference.to_owned(),
            why: format!("no {} is called so", kind.map_or("definition", Kind::name)),
        }),
        several => {
            let names: Vec<String> = several.iter().map(ToString::to_string).collect();
            Err(RegistryError::SeveralKinds { name: reference.to_owned(), several: names.join(", ") })
        }
    }
}

fn refuse_what_is_needed(registered: &Registered, id: &DefinitionId) -> Result<(), RegistryError> {
    if let Some(first) = registered.first_use(id) {
        return Err(used(id, &first.by));
    }
    let canary = registered.rollout(&id.name).and_then(|rollout| rollout.canary.as_ref());
    if id.kind == Kind::FeatureService
        && canary.is_some_and(|canary| Some(&canary.version) == id.version_id().as_ref())
    {
        let why = format!("it answers as the canary of {}: end that first", id.name);
        return Err(RegistryError::Kept { what: id.to_string(), why });
    }
    let readers: Vec<String> = registered.dependents(id).iter().map(|reach| reach.id.to_string()).collect();
    match readers.as_slice() {
        [] => Ok(()),
        readers => Err(RegistryError::Kept {
            what: id.to_string(),
            why: format!("{} read it: remove those first", readers.join(", ")),
        }),
    }
}

fn used(id: &DefinitionId, by: &str) -> RegistryError {
    let by = match by {
        first_use::UNKNOWN => "before first uses were recorded".to_owned(),
        by => format!("by `{by}`"),
    };
    let why = format!("it was used {by}, and what was used stays as it is");
    RegistryError::Kept { what: id.to_string(), why }
}

/// Deletes a definition and its revisions. Where it was the live version of a service, the one before it is live
/// again, else the lowest that is left: gives what there is to record of that.
async fn delete(
    transaction: &mut Transaction<'_, Any>,
    id: &DefinitionId,
    rollout: Option<&Rollout>,
    at: Micros,
) -> Result<Option<Record>, sqlx::Error> {
    let version = i64::from(id.version.unwrap_or(0));
    for table in ["definitions", "revisions"] {
        let delete = match table {
            "definitions" => "DELETE FROM definitions WHERE kind = $1 AND name = $2 AND version = $3",
            _ => "DELETE FROM revisions WHERE kind = $1 AND name = $2 AND version = $3",
        };
        let delete = sqlx::query(delete).bind(id.kind.name()).bind(id.name.as_str()).bind(version);
        delete.execute(&mut **transaction).await?;
    }
    let (Some(rollout), Some(removed)) = (rollout, id.version_id()) else { return Ok(None) };
    let mut before = rollout.without(&removed).before;
    let back = if rollout.live == removed { before.pop() } else { None };
    rollout::put_before(transaction, &id.name, &before).await?;
    let gone = "DELETE FROM live_versions WHERE name = $1 AND version = $2";
    let gone = sqlx::query(gone).bind(id.name.as_str()).bind(version);
    if gone.execute(&mut **transaction).await?.rows_affected() == 0 {
        return Ok(None);
    }
    let next = "INSERT INTO live_versions (name, version, since)
        SELECT name, COALESCE($3, MIN(version)), $2 FROM definitions
        WHERE kind = 'feature_service' AND name = $1 GROUP BY name RETURNING version";
    let next: Option<i64> = sqlx::query_scalar(next)
        .bind(id.name.as_str())
        .bind(at.get())
        .bind(back.map(|back| i64::from(back.version)))
        .fetch_optional(&mut **transaction)
        .await?;
    let service = DefinitionId { version: None, ..id.clone() };
    Ok(next.map(|next| {
        Record::of(AuditAction::GoLive, &service).from(id.reference()).to(format!("{}@{next}", id.name))
    }))
}
