//! Recording of first uses: from its first use on a version never changes. It is recorded before the first row is
//! written under the version, and before anything that was read by it is shown.

use feature::Micros;
use sqlx::{Any, Transaction};

use crate::audit::{AuditAction, Record};
use crate::body::{Body, DefinitionId};
use crate::error::RegistryError;
use crate::first_use::UNKNOWN;
use crate::keys::Kind;
use crate::lifecycle::is_retired;
use crate::store::Registry;
use crate::stored::body;
use crate::using::Using;

impl Registry {
    /// Records that versions are used from now on, where that is not recorded yet, and the inputs of derived views with
    /// them. Refused where one of them is not what is registered any more. Once it resolves, none of them changes.
    pub async fn begin_use(&self, using: &[Using], by: &str, at: Micros) -> Result<(), RegistryError> {
        let failed = self.failed("record a first use");
        let mut reading = self.begin_reading().await?;
        let using = with_inputs(&mut reading, using, &failed).await?;
        let fresh = fresh(&mut reading, &using, &failed).await?;
        drop(reading);
        // Where nothing can be recorded, nothing can be edited either: who reads there leaves no trace.
        if fresh.is_empty() || self.is_read_only() {
            return Ok(());
        }
        let mut transaction = self.begin_changing("record a first use").await?;
        // An edit may have come between.
        let mut records = Vec::new();
        for one in self::fresh(&mut transaction, &using, &failed).await? {
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
            records.push(Record::of(AuditAction::FirstUse, id).to(format!("used by {by}")));
        }
        self.record(&mut transaction, records, at, &failed).await?;
        self.commit(transaction, &failed).await
    }

    /// Forgets that these may have been used: a look at the stores found that they were not. What was
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

/// These, and the views whose rows the derived ones among them read, directly or through others. What an input computes is
/// a part of the hash of the derived view.
async fn with_inputs(
    transaction: &mut Transaction<'_, Any>,
    using: &[Using],
    failed: &impl Fn(sqlx::Error) -> RegistryError,
) -> Result<Vec<Using>, RegistryError> {
    let mut all = using.to_vec();
    let mut next = 0;
    while let Some(one) = all.get(next).cloned() {
        next += 1;
        if one.id.kind != Kind::FeatureView {
            continue;
        }
        let query = "SELECT body FROM definitions WHERE kind = $1 AND name = $2 AND version = $3";
        let found: Option<String> = sqlx::query_scalar(query)
            .bind(one.id.kind.name())
            .bind(one.id.name.as_str())
            .bind(i64::from(one.id.version.unwrap_or(0)))
            .fetch_optional(&mut **transaction)
            .await
            .map_err(failed)?;
        // One that is not registered any more is refused by name where its use is recorded.
        let Some(text) = found else { continue };
        let Body::FeatureView(view) = body(&one.id.to_string(), &text)? else { continue };
        let input = view.source.input().map(Using::view_as_it_is);
        all.extend(input.filter(|input| all.iter().all(|known| known.id != input.id)));
    }
    Ok(all)
}

/// Those that are not recorded as used; refused where one is not what is registered.
async fn fresh<'u>(
    transaction: &mut Transaction<'_, Any>,
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
        if is_retired(transaction, id).await.map_err(failed)? {
            return Err(moved("retired"));
        }
        if one.hash.as_ref().is_some_and(|used| *used != hash) {
            return Err(moved("edited"));
        }
        if used_by.is_none() {
            fresh.push(one);
        }
    }
    Ok(fresh)
}
