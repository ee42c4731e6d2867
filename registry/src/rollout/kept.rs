//! How the registry keeps which versions answer a service's own name.

use std::collections::BTreeMap;

use feature::{Canary, Micros, Name, Percent, VersionId};
use sqlx::{Any, Transaction};

use super::Rollout;
use crate::error::RegistryError;
use crate::stored::damaged;

/// Keeps how a service is answered.
pub(super) async fn put(
    transaction: &mut Transaction<'_, Any>,
    service: &Name,
    before: &Rollout,
    after: &Rollout,
    at: Micros,
) -> Result<(), sqlx::Error> {
    if before.live != after.live {
        sqlx::query("UPDATE live_versions SET version = $2, since = $3 WHERE name = $1")
            .bind(service.as_str())
            .bind(i64::from(after.live.version))
            .bind(at.get())
            .execute(&mut **transaction)
            .await?;
    }
    sqlx::query("DELETE FROM canaries WHERE name = $1")
        .bind(service.as_str())
        .execute(&mut **transaction)
        .await?;
    if let Some(Canary { version, percent }) = &after.canary {
        sqlx::query("INSERT INTO canaries (name, version, percent, since) VALUES ($1, $2, $3, $4)")
            .bind(service.as_str())
            .bind(i64::from(version.version))
            .bind(i64::from(percent.get()))
            .bind(at.get())
            .execute(&mut **transaction)
            .await?;
    }
    put_before(transaction, service, &after.before).await
}

/// Keeps the versions that were live before, the latest last.
pub(crate) async fn put_before(
    transaction: &mut Transaction<'_, Any>,
    service: &Name,
    before: &[VersionId],
) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM versions_before WHERE name = $1")
        .bind(service.as_str())
        .execute(&mut **transaction)
        .await?;
    for (number, version) in (1_i64..).zip(before) {
        sqlx::query("INSERT INTO versions_before (name, place, version) VALUES ($1, $2, $3)")
            .bind(service.as_str())
            .bind(number)
            .bind(i64::from(version.version))
            .execute(&mut **transaction)
            .await?;
    }
    Ok(())
}

/// How every service is answered.
pub(crate) async fn of_all(
    transaction: &mut Transaction<'_, Any>,
    failed: &impl Fn(sqlx::Error) -> RegistryError,
) -> Result<BTreeMap<Name, Rollout>, RegistryError> {
    let live: Vec<(String, i64)> = sqlx::query_as("SELECT name, version FROM live_versions")
        .fetch_all(&mut **transaction)
        .await
        .map_err(failed)?;
    let mut rollouts = BTreeMap::new();
    for (name, version) in live {
        let live = version_id(&name, version)?;
        rollouts.insert(live.name.clone(), Rollout::of(live));
    }
    let canaries: Vec<(String, i64, i64)> = sqlx::query_as("SELECT name, version, percent FROM canaries")
        .fetch_all(&mut **transaction)
        .await
        .map_err(failed)?;
    for (name, version, percent) in canaries {
        let version = version_id(&name, version)?;
        let what = format!("canary of {name}");
        let percent = u8::try_from(percent).map_err(|error| damaged(&what, &error))?;
        let percent = Percent::try_from(percent).map_err(|error| damaged(&what, &error))?;
        let rollout = rollouts.get_mut(&version.name);
        let rollout = rollout.ok_or_else(|| damaged(&what, &"the service has no live version"))?;
        rollout.canary = Some(Canary { version, percent });
    }
    let before = "SELECT name, version FROM versions_before ORDER BY name, place";
    let before: Vec<(String, i64)> =
        sqlx::query_as(before).fetch_all(&mut **transaction).await.map_err(failed)?;
    for (name, version) in before {
        let version = version_id(&name, version)?;
        let rollout = rollouts.get_mut(&version.name);
        let rollout = rollout
            .ok_or_else(|| damaged(&format!("earlier version {version}"), &"the service has no live one"))?;
        rollout.before.push(version);
    }
    Ok(rollouts)
}

fn version_id(name: &str, version: i64) -> Result<VersionId, RegistryError> {
    let what = format!("live version of {name}");
    let version = u32::try_from(version).map_err(|error| damaged(&what, &error))?;
    Ok(VersionId { name: name.parse().map_err(|error| damaged(&what, &error))?, version })
}
