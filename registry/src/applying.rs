//! A plan registered: its definitions, their revisions and what the audit log says of them, in one transaction.

use feature::Micros;
use serde::Serialize;
use sqlx::{Any, Transaction};

use crate::audit::{AuditAction, Record};
use crate::body::DefinitionId;
use crate::definition::Definition;
use crate::difference::sentence;
use crate::error::RegistryError;
use crate::first_use;
use crate::plan::{Action, Plan};
use crate::store::{Registry, advance, generation};
use crate::stored::body_text;

/// What an apply did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Applied {
    /// The generation of the registry after it.
    pub generation: u64,
    /// How many definitions are new.
    pub added: usize,
    /// How many have a new revision.
    pub revised: usize,
    /// How many versions were edited before their first use.
    pub edited: usize,
}

impl Registry {
    /// Registers what a plan adds and revises, in one transaction. It is refused where the plan
    /// holds a refusal, and where the registry changed since the plan was made. `at` is the moment
    /// that the revisions carry.
    pub async fn apply(&self, plan: &Plan, at: Micros) -> Result<Applied, RegistryError> {
        if !plan.refused.is_empty() {
            return Err(RegistryError::Refused(plan.refused.clone()));
        }
        let failed = self.failed("apply the plan");
        let mut transaction = self.begin_changing("apply the plan").await?;
        let now = generation(&mut transaction).await.map_err(&failed)?;
        if u64::try_from(now) != Ok(plan.generation) {
            return Err(RegistryError::Stale);
        }
        let mut applied = Applied {
            generation: plan.generation,
            added: plan.count(Action::Add),
            revised: plan.count(Action::Revise),
            edited: plan.count(Action::Edit),
        };
        if plan.writes.is_empty() {
            return Ok(applied);
        }
        // What was used since the plan was made does not change any more.
        for change in plan.changes.iter().filter(|change| change.action == Action::Edit) {
            if let Some(used) = first_use::of(&mut transaction, &change.id).await.map_err(&failed)? {
                return Err(RegistryError::Used { what: change.id.to_string(), by: used });
            }
        }
        let next = now + 1;
        let mut records = Vec::new();
        for definition in &plan.writes {
            records.push(record(&mut transaction, definition, plan).await.map_err(&failed)?);
            let body = body_text(&definition.body)?;
            write(&mut transaction, definition, &body, next, at).await.map_err(&failed)?;
        }
        let summary = plan.to_string();
        records.extend(first_live(&mut transaction, plan, at).await.map_err(&failed)?);
        advance(&mut transaction, next, &summary, at).await.map_err(&failed)?;
        self.record(&mut transaction, records, at, &failed).await?;
        self.commit(transaction, &failed).await?;
        applied.generation += 1;
        Ok(applied)
    }
}

async fn write(
    transaction: &mut Transaction<'_, Any>,
    definition: &Definition,
    body: &str,
    generation: i64,
    at: Micros,
) -> Result<(), sqlx::Error> {
    let id = definition.id();
    let (kind, name, version) = (id.kind.name(), id.name.as_str(), i64::from(id.version.unwrap_or(0)));
    let current = "INSERT INTO definitions
            (kind, name, version, hash, canonical, body, source_text, source_file, revision)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        ON CONFLICT (kind, name, version) DO UPDATE SET hash = excluded.hash, canonical = excluded.canonical,
            body = excluded.body, source_text = excluded.source_text, source_file = excluded.source_file,
            revision = excluded.revision";
    sqlx::query(current)
        .bind(kind)
        .bind(name)
        .bind(version)
        .bind(&definition.hash)
        .bind(definition.canonical.to_string())
        .bind(body)
        .bind(&definition.text)
        .bind(&*definition.file)
        .bind(i64::from(definition.revision))
        .execute(&mut **transaction)
        .await?;
    let revision = "INSERT INTO revisions
            (kind, name, version, revision, generation, applied_at, body, source_text, source_file)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    sqlx::query(revision)
        .bind(kind)
        .bind(name)
        .bind(version)
        .bind(i64::from(definition.revision))
        .bind(generation)
        .bind(at.get())
        .bind(body)
        .bind(&definition.text)
        .bind(&*definition.file)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// What the audit log says of a definition that is about to be written.
async fn record(
    transaction: &mut Transaction<'_, Any>,
    definition: &Definition,
    plan: &Plan,
) -> Result<Record, sqlx::Error> {
    let id = definition.id();
    let change = plan.changes.iter().find(|change| change.id == id);
    let before = "SELECT hash, revision FROM definitions WHERE kind = $1 AND name = $2 AND version = $3";
    let before: Option<(String, i64)> = sqlx::query_as(before)
        .bind(id.kind.name())
        .bind(id.name.as_str())
        .bind(i64::from(id.version.unwrap_or(0)))
        .fetch_optional(&mut **transaction)
        .await?;
    let state = |revision: i64, hash: &str| format!("revision {revision} of hash {hash}");
    let action = match (change.map(|change| change.action), &before) {
        (Some(Action::Edit), _) => AuditAction::Edit,
        (_, Some(_)) => AuditAction::Revise,
        (_, None) => AuditAction::Add,
    };
    let detail = change.map(|change| sentence(&change.differences)).unwrap_or_default();
    let record = Record {
        from: before.map(|(hash, revision)| state(revision, &hash)),
        ..Record::of(action, &id).to(state(i64::from(definition.revision), &definition.hash))
    };
    Ok(record.detail(detail))
}

/// Makes the first version of a service live.
async fn first_live(
    transaction: &mut Transaction<'_, Any>,
    plan: &Plan,
    at: Micros,
) -> Result<Vec<Record>, sqlx::Error> {
    let mut records = Vec::new();
    // Versions come in ascending order, so of several first ones the lowest is live.
    for service in plan.writes.iter().map(Definition::id).filter(|id| id.kind == crate::Kind::FeatureService)
    {
        let live = "INSERT INTO live_versions (name, version, since) VALUES ($1, $2, $3)
            ON CONFLICT (name) DO NOTHING";
        let live =
            sqlx::query(live).bind(service.name.as_str()).bind(i64::from(service.version.unwrap_or(1)));
        if live.bind(at.get()).execute(&mut **transaction).await?.rows_affected() > 0 {
            let name = DefinitionId { version: None, ..service.clone() };
            records.push(Record::of(AuditAction::GoLive, &name).to(service.reference()));
        }
    }
    Ok(records)
}
