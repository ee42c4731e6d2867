//! When a version was first used, as the registry records it.

use feature::Micros;
use serde::{Serialize, Serializer};
use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};

use crate::body::DefinitionId;
use crate::error::RegistryError;
use crate::keys::Kind;
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

pub(crate) fn as_text<S: Serializer>(moment: &Micros, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(moment)
}

pub(crate) fn some_as_text<S: Serializer>(moment: &Option<Micros>, serializer: S) -> Result<S::Ok, S::Error> {
    match moment {
        Some(moment) => as_text(moment, serializer),
        None => serializer.serialize_none(),
    }
}

/// What used a version first; `None` if nothing did.
pub(crate) async fn of(
    transaction: &mut Transaction<'_, Any>,
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
pub(crate) async fn all(transaction: &mut Transaction<'_, Any>) -> Result<Vec<AnyRow>, sqlx::Error> {
    sqlx::query("SELECT * FROM uses").fetch_all(&mut **transaction).await
}

/// A first use from a row of `uses`.
pub(crate) fn read(row: &AnyRow) -> Result<(DefinitionId, FirstUse), RegistryError> {
    let unreadable = |error: &dyn std::fmt::Display| damaged("first use", error);
    let text = |column: &str| row.try_get::<String, _>(column).map_err(|error| unreadable(&error));
    let kind = text("kind")?;
    let kind = Kind::named(&kind).ok_or_else(|| unreadable(&format!("`{kind}` is not a kind")))?;
    let name = text("name")?.parse().map_err(|error| unreadable(&error))?;
    let at = Micros::new(number(row, "used_at")?).map_err(|error| unreadable(&error))?;
    let id = DefinitionId { kind, name, version: Some(number(row, "version")?) };
    Ok((id, FirstUse { at, by: text("used_by")? }))
}
