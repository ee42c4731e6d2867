//! The first use of each version, from which on it never changes: recorded before the first row is written
//! under it, and before what was read by it is shown.

use std::collections::BTreeSet;

use feature::{Micros, ServicePlan, VersionId, View};
use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, Transaction};

use crate::body::DefinitionId;
use crate::error::RegistryError;
use crate::keys::Kind;
use crate::store::{Registry, as_text};
use crate::stored::{damaged, number};

/// What used a version that was registered before first uses were recorded.
pub const UNKNOWN: &str = "unknown";

/// When a version was first used, and by what.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct FirstUse {
    /// When.
    #[serde(serialize_with = "as_text")]
    pub at: Micros,
    /// The command.
    pub by: String,
}

/// A version that is about to be used.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Using {
    /// Which.
    pub id: DefinitionId,
    /// The semantic hash of what is used. `None` if it does not matter what the version says by now.
    pub hash: Option<String>,
}

impl Using {
    /// A feature view that is written or read as it stands here.
    pub fn view(view: &View) -> Using {
        Using { id: of_kind(Kind::FeatureView, &view.id), hash: Some(view.hash.clone()) }
    }

    /// A feature view, whatever it says by now: rows are pushed for it.
    pub fn view_as_it_is(id: &VersionId) -> Using {
        Using { id: of_kind(Kind::FeatureView, id), hash: None }
    }

    /// A service and every view that it reads. A plan without a hash is of views alone.
    pub fn service(plan: &ServicePlan) -> Vec<Using> {
        let mut using: BTreeSet<Using> =
            plan.lookups.iter().map(|lookup| Using::view(&lookup.view)).collect();
        using.extend(plan.computations.iter().map(|computation| {
            let view = &computation.view;
            Using { id: of_kind(Kind::OnDemandView, &view.id), hash: Some(view.hash.clone()) }
        }));
        if !plan.hash.is_empty() {
            let id = of_kind(Kind::FeatureService, &plan.id);
            using.insert(Using { id, hash: Some(plan.hash.clone()) });
        }
        using.into_iter().collect()
    }
}

fn of_kind(kind: Kind, id: &VersionId) -> DefinitionId {
    DefinitionId { kind, name: id.name.clone(), version: Some(id.version) }
}

impl Registry {
    /// Records that versions are used from now on, where that is not recorded yet. Refused where one of them
    /// is not what is registered any more. Once it resolves, none of them changes.
    pub async fn begin_use(&self, using: &[Using], by: &str, at: Micros) -> Result<(), RegistryError> {
        let failed = self.failed("record a first use");
        let mut reading = self.pool().begin().await.map_err(&failed)?;
        let fresh = fresh(&mut reading, using, &failed).await?;
        drop(reading);
        if fresh.is_empty() {
            return Ok(());
        }
        let mut transaction = self.begin_changing("record a first use").await?;
        // An edit may have come between.
        for one in self::fresh(&mut transaction, using, &failed).await? {
            let insert =
                "INSERT INTO uses (kind, name, version, used_at, used_by) VALUES ($1, $2, $3, $4, $5)";
            let id = &one.id;
            sqlx::query(insert)
                .bind(id.kind.name())
                .bind(id.name.as_str())
                .bind(i64::from(id.version.unwrap_or(0)))
                .bind(at.get())
                .bind(by)
                .execute(&mut *transaction)
                .await
                .map_err(&failed)?;
        }
        self.commit(transaction, &failed).await
    }

    /// Forgets that these may have been used: whoever knows the stores found that they were not. What was
    /// used since stays used.
    pub async fn never_used(&self, ids: &[DefinitionId]) -> Result<(), RegistryError> {
        if ids.is_empty() {
            return Ok(());
        }
        let failed = self.failed("forget uses of before");
        let mut transaction = self.begin_changing("forget uses of before").await?;
        for id in ids {
            sqlx::query("DELETE FROM uses WHERE kind = $1 AND name = $2 AND version = $3 AND used_by = $4")
                .bind(id.kind.name())
                .bind(id.name.as_str())
                .bind(i64::from(id.version.unwrap_or(0)))
                .bind(UNKNOWN)
                .execute(&mut *transaction)
                .await
                .map_err(&failed)?;
        }
        self.commit(transaction, &failed).await
    }
}

/// Those that are not recorded as used; refused where one is not what is registered.
async fn fresh<'u>(
    transaction: &mut Transaction<'_, Sqlite>,
    using: &'u [Using],
    failed: &impl Fn(sqlx::Error) -> RegistryError,
) -> Result<Vec<&'u Using>, RegistryError> {
    let mut fresh = Vec::new();
    for one in using {
        let id = &one.id;
        let query = "SELECT definitions.hash, uses.used_by FROM definitions
            LEFT JOIN uses ON uses.kind = definitions.kind AND uses.name = definitions.name
                AND uses.version = definitions.version
            WHERE definitions.kind = $1 AND definitions.name = $2 AND definitions.version = $3";
        let found: Option<(String, Option<String>)> = sqlx::query_as(query)
            .bind(id.kind.name())
            .bind(id.name.as_str())
            .bind(i64::from(id.version.unwrap_or(0)))
            .fetch_optional(&mut **transaction)
            .await
            .map_err(failed)?;
        let moved = |how| RegistryError::Moved { what: id.to_string(), how };
        let (hash, used_by) = found.ok_or_else(|| moved("removed"))?;
        if one.hash.as_ref().is_some_and(|used| *used != hash) {
            return Err(moved("edited"));
        }
        if used_by.is_none() {
            fresh.push(one);
        }
    }
    Ok(fresh)
}

/// What used a version first; `None` if nothing did.
pub(crate) async fn of(
    transaction: &mut Transaction<'_, Sqlite>,
    id: &DefinitionId,
) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT used_by FROM uses WHERE kind = $1 AND name = $2 AND version = $3")
        .bind(id.kind.name())
        .bind(id.name.as_str())
        .bind(i64::from(id.version.unwrap_or(0)))
        .fetch_optional(&mut **transaction)
        .await
}

/// Every first use.
pub(crate) async fn all(transaction: &mut Transaction<'_, Sqlite>) -> Result<Vec<SqliteRow>, sqlx::Error> {
    sqlx::query("SELECT * FROM uses").fetch_all(&mut **transaction).await
}

/// A first use from a row of `uses`.
pub(crate) fn read(row: &SqliteRow) -> Result<(DefinitionId, FirstUse), RegistryError> {
    let unreadable = |error: &dyn std::fmt::Display| damaged("first use", error);
    let text = |column: &str| row.try_get::<String, _>(column).map_err(|error| unreadable(&error));
    let kind = text("kind")?;
    let kind = Kind::named(&kind).ok_or_else(|| unreadable(&format!("`{kind}` is not a kind")))?;
    let name = text("name")?.parse().map_err(|error| unreadable(&error))?;
    let at = Micros::new(number(row, "used_at")?).map_err(|error| unreadable(&error))?;
    let id = DefinitionId { kind, name, version: Some(number(row, "version")?) };
    Ok((id, FirstUse { at, by: text("used_by")? }))
}
