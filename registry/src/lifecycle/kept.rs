//! How the registry keeps which versions are deprecated and retired.

use std::collections::BTreeMap;

use feature::Micros;
use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};

use super::standing::{Deprecation, Retirement};
use crate::body::DefinitionId;
use crate::error::RegistryError;
use crate::keys::Kind;
use crate::stored::{damaged, number};

/// Every version that is deprecated.
pub(crate) async fn deprecations(
    transaction: &mut Transaction<'_, Any>,
    failed: &impl Fn(sqlx::Error) -> RegistryError,
) -> Result<BTreeMap<DefinitionId, Deprecation>, RegistryError> {
    let rows =
        sqlx::query("SELECT * FROM deprecations").fetch_all(&mut **transaction).await.map_err(failed)?;
    let read = |row: &AnyRow| {
        let reason = text(row, "reason")?.parse().map_err(|error| damaged("deprecation", &error))?;
        let (since, sunset) = (moment(row, "since")?, moment(row, "sunset")?);
        Ok((id(row)?, Deprecation { since, sunset, reason }))
    };
    rows.iter().map(read).collect()
}

/// Every version that is retired.
pub(crate) async fn retirements(
    transaction: &mut Transaction<'_, Any>,
    failed: &impl Fn(sqlx::Error) -> RegistryError,
) -> Result<BTreeMap<DefinitionId, Retirement>, RegistryError> {
    let rows =
        sqlx::query("SELECT * FROM retirements").fetch_all(&mut **transaction).await.map_err(failed)?;
    let read = |row: &AnyRow| {
        let reason = match text(row, "reason")?.as_str() {
            "" => None,
            reason => Some(reason.parse().map_err(|error| damaged("retirement", &error))?),
        };
        let is_freed = number::<i64>(row, "freed")? != 0;
        Ok((id(row)?, Retirement { since: moment(row, "since")?, reason, is_freed }))
    };
    rows.iter().map(read).collect()
}

/// Since when a version is retired; `None` if it is not.
pub(crate) async fn is_retired(
    transaction: &mut Transaction<'_, Any>,
    id: &DefinitionId,
) -> Result<bool, sqlx::Error> {
    let query = "SELECT 1 FROM retirements WHERE kind = $1 AND name = $2 AND version = $3";
    let found = sqlx::query(query)
        .bind(id.kind.name())
        .bind(id.name.as_str())
        .bind(i64::from(id.version.unwrap_or(0)))
        .fetch_optional(&mut **transaction)
        .await?;
    Ok(found.is_some())
}

pub(super) async fn put_deprecation(
    transaction: &mut Transaction<'_, Any>,
    id: &DefinitionId,
    deprecation: Option<&Deprecation>,
) -> Result<(), sqlx::Error> {
    let version = i64::from(id.version.unwrap_or(0));
    sqlx::query("DELETE FROM deprecations WHERE kind = $1 AND name = $2 AND version = $3")
        .bind(id.kind.name())
        .bind(id.name.as_str())
        .bind(version)
        .execute(&mut **transaction)
        .await?;
    let Some(Deprecation { since, sunset, reason }) = deprecation else { return Ok(()) };
    let insert = "INSERT INTO deprecations (kind, name, version, since, sunset, reason)
        VALUES ($1, $2, $3, $4, $5, $6)";
    sqlx::query(insert)
        .bind(id.kind.name())
        .bind(id.name.as_str())
        .bind(version)
        .bind(since.get())
        .bind(sunset.get())
        .bind(reason.as_str())
        .execute(&mut **transaction)
        .await
        .map(|_| ())
}

pub(super) async fn put_retirement(
    transaction: &mut Transaction<'_, Any>,
    id: &DefinitionId,
    retirement: &Retirement,
) -> Result<(), sqlx::Error> {
    let insert = "INSERT INTO retirements (kind, name, version, since, reason, freed)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (kind, name, version) DO UPDATE SET freed = excluded.freed";
    sqlx::query(insert)
        .bind(id.kind.name())
        .bind(id.name.as_str())
        .bind(i64::from(id.version.unwrap_or(0)))
        .bind(retirement.since.get())
        .bind(retirement.reason.as_ref().map_or("", |reason| reason.as_str()))
        .bind(i64::from(retirement.is_freed))
        .execute(&mut **transaction)
        .await
        .map(|_| ())
}

fn text(row: &AnyRow, column: &str) -> Result<String, RegistryError> {
    row.try_get(column).map_err(|error| damaged(column, &error))
}

fn moment(row: &AnyRow, column: &str) -> Result<Micros, RegistryError> {
    Micros::new(number(row, column)?).map_err(|error| damaged(column, &error))
}

fn id(row: &AnyRow) -> Result<DefinitionId, RegistryError> {
    let what = "version that is deprecated or retired";
    let kind = text(row, "kind")?;
    let kind = Kind::named(&kind).ok_or_else(|| damaged(what, &format!("`{kind}` is not a kind")))?;
    let name = text(row, "name")?.parse().map_err(|error| damaged(what, &error))?;
    Ok(DefinitionId { kind, name, version: Some(number(row, "version")?) })
}
