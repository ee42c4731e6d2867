//! What the registry holds, as one checksum that is kept beside it: SQLite's file has none of its own, and what is
//! damaged must never read as another definition, or as fewer of them.

use feature::hexadecimal;
use sha2::{Digest, Sha256};
use sqlx::{Any, Transaction};

use crate::database::dialect::Dialect;

/// What every read of the registry depends on: what is registered, what is live, what was used. A table with the query of
/// its lines; one that an older schema does not have has none.
const REGISTERED: [(&str, &str); 9] = [
    ("registry", "SELECT 'registry ' || quote(schema_version) || quote(generation) AS line FROM registry"),
    (
        "definitions",
        "SELECT 'definition ' || quote(kind) || quote(name) || quote(version) || quote(hash) || quote(canonical)
        || quote(body) || quote(source_text) || quote(source_file) || quote(revision) AS line FROM definitions",
    ),
    (
        "live_versions",
        "SELECT 'live ' || quote(name) || quote(version) || quote(since) AS line FROM live_versions",
    ),
    (
        "uses",
        "SELECT 'use ' || quote(kind) || quote(name) || quote(version) || quote(used_at) || quote(used_by) AS line
        FROM uses",
    ),
    (
        "canaries",
        "SELECT 'canary ' || quote(name) || quote(version) || quote(percent) || quote(since) AS line FROM canaries",
    ),
    (
        "deprecations",
        "SELECT 'deprecation ' || quote(kind) || quote(name) || quote(version) || quote(since) || quote(sunset)
        || quote(reason) AS line FROM deprecations",
    ),
    (
        "retirements",
        "SELECT 'retirement ' || quote(kind) || quote(name) || quote(version) || quote(since) || quote(reason)
        || quote(freed) AS line FROM retirements",
    ),
    (
        "tokens",
        "SELECT 'token ' || quote(id) || quote(name) || quote(hash) || quote(roles) || quote(created_at)
        || quote(created_by) || quote(expires_at) || quote(revoked_at) AS line FROM tokens",
    ),
    (
        "versions_before",
        "SELECT 'before ' || quote(name) || quote(place) || quote(version) AS line FROM versions_before",
    ),
];

/// How it came to be what it is.
const REVISIONS: [(&str, &str); 1] = [(
    "revisions",
    "SELECT 'revision ' || quote(kind) || quote(name) || quote(version)
        || quote(revision) || quote(generation) || quote(applied_at) || quote(body) || quote(source_text)
        || quote(source_file) AS line FROM revisions",
)];

/// Which of the two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    Registered,
    Revisions,
}

async fn digest(
    transaction: &mut Transaction<'_, Any>,
    queries: &[(&str, &'static str)],
) -> Result<String, sqlx::Error> {
    let dialect = Dialect::of(transaction);
    let tables = dialect.tables(transaction).await?;
    let mut lines: Vec<String> = Vec::new();
    for (_, query) in queries.iter().filter(|(table, _)| tables.iter().any(|there| there == table)) {
        let found: Vec<String> =
            sqlx::query_scalar(dialect.quoting(query)).fetch_all(&mut **transaction).await?;
        lines.extend(found);
    }
    // In an order that no index decides.
    lines.sort_unstable();
    let mut hash = Sha256::new();
    for line in &lines {
        hash.update((line.len() as u64).to_le_bytes());
        hash.update(line);
    }
    Ok(hexadecimal(&hash.finalize()))
}

/// Keeps what the registry holds at the end of this transaction.
pub(crate) async fn keep(transaction: &mut Transaction<'_, Any>) -> Result<(), sqlx::Error> {
    let registered = digest(transaction, &REGISTERED).await?;
    let revisions = digest(transaction, &REVISIONS).await?;
    sqlx::query("UPDATE registry SET digest = $1, revisions_digest = $2 WHERE id = 1")
        .bind(registered)
        .bind(revisions)
        .execute(&mut **transaction)
        .await
        .map(|_| ())
}

/// Whether the registry holds what was kept.
pub(crate) async fn holds(transaction: &mut Transaction<'_, Any>, part: Part) -> Result<bool, sqlx::Error> {
    let (kept, queries) = match part {
        Part::Registered => ("SELECT digest FROM registry WHERE id = 1", REGISTERED.as_slice()),
        Part::Revisions => ("SELECT revisions_digest FROM registry WHERE id = 1", REVISIONS.as_slice()),
    };
    let kept: String = sqlx::query_scalar(kept).fetch_one(&mut **transaction).await?;
    Ok(kept == digest(transaction, queries).await?)
}
