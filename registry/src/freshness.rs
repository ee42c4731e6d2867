//! How fresh views were, minute by minute: what streams counted of their rows' ways, kept for objectives
//! and budgets to be measured by. Counts of several processes add up, and old minutes are dropped.

mod progress;
mod reads;

use feature::{Micros, VersionId};
use serde::Serialize;
use sqlx::Row;
use sqlx::any::AnyRow;

use crate::error::RegistryError;
use crate::store::Registry;
use crate::stored::{damaged, number};

pub use progress::Progress;
pub use reads::{CountedReads, Measured, ReadSlot, ReadsOf};

/// How long minutes are kept: what burn rates over three days need, and a week's look back.
const KEPT_US: i64 = 8 * 24 * 3_600_000_000;
/// A minute in microseconds.
const MINUTE_US: i64 = 60_000_000;

/// Rows of one view that took about as long over one stage, in one minute.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Freshness {
    /// The view.
    pub view: VersionId,
    /// A moment in the minute; read back, its beginning.
    #[serde(serialize_with = "crate::first_use::as_text")]
    pub minute: Micros,
    /// The stage, as metrics call it.
    pub stage: String,
    /// They took no longer than this, in microseconds, and longer than the next shorter edge; none where
    /// they took longer than the longest edge.
    pub edge_us: Option<i64>,
    /// How many rows.
    pub rows: u64,
}

/// How an edge that is none lies in the table.
const BEYOND: i64 = i64::MAX;

impl Registry {
    /// Adds counts to those that are there, and drops minutes that are more than eight days older than
    /// `now`.
    pub async fn add_freshness(&self, counted: &[Freshness], now: Micros) -> Result<(), RegistryError> {
        let failed = self.failed("keep how fresh views are");
        let mut transaction = self.begin_writing("keep how fresh views are").await?;
        for one in counted {
            let rows = i64::try_from(one.rows).unwrap_or(i64::MAX);
            let add = "INSERT INTO freshness (name, version, minute, stage, edge, row_count)
                VALUES ($1, $2, $3, $4, $5, $6)
                ON CONFLICT (name, version, minute, stage, edge)
                DO UPDATE SET row_count = freshness.row_count + excluded.row_count";
            sqlx::query(add)
                .bind(one.view.name.as_str())
                .bind(i64::from(one.view.version))
                .bind(one.minute.get().div_euclid(MINUTE_US) * MINUTE_US)
                .bind(&one.stage)
                .bind(one.edge_us.unwrap_or(BEYOND))
                .bind(rows)
                .execute(&mut *transaction)
                .await
                .map_err(&failed)?;
        }
        sqlx::query("DELETE FROM freshness WHERE minute < $1")
            .bind(now.get().saturating_sub(KEPT_US))
            .execute(&mut *transaction)
            .await
            .map_err(&failed)?;
        transaction.commit().await.map_err(&failed)
    }

    /// What was counted of a view in the minutes from one moment, inclusive, to another, exclusive; by
    /// minute, stage and edge.
    pub async fn freshness(
        &self,
        view: &VersionId,
        from: Micros,
        to: Micros,
    ) -> Result<Vec<Freshness>, RegistryError> {
        let rows = sqlx::query(
            "SELECT minute, stage, edge, row_count FROM freshness
             WHERE name = $1 AND version = $2 AND minute >= $3 AND minute < $4
             ORDER BY minute, stage, edge",
        );
        let rows = rows.bind(view.name.as_str()).bind(i64::from(view.version)).bind(from.get());
        let rows =
            rows.bind(to.get()).fetch_all(&self.pool().await?).await.map_err(self.failed("be read"))?;
        let counted: Result<_, _> = rows.iter().map(|row| counted(row, view.clone())).collect();
        counted.map_err(|error| self.in_database(error))
    }

    /// The same of every view, by view, minute, stage and edge, in one query.
    pub async fn freshness_of_all(&self, from: Micros, to: Micros) -> Result<Vec<Freshness>, RegistryError> {
        let rows = sqlx::query(
            "SELECT name, version, minute, stage, edge, row_count FROM freshness
             WHERE minute >= $1 AND minute < $2 ORDER BY name, version, minute, stage, edge",
        );
        let rows = rows.bind(from.get()).bind(to.get()).fetch_all(&self.pool().await?).await;
        let rows = rows.map_err(self.failed("be read"))?;
        let of_row = |row: &AnyRow| {
            let what = |error: &dyn std::fmt::Display| damaged("freshness", error);
            let name: String = row.try_get("name").map_err(|error| what(&error))?;
            let name = name.parse().map_err(|error| what(&error))?;
            counted(row, VersionId { name, version: number(row, "version")? })
        };
        let counted: Result<_, _> = rows.iter().map(of_row).collect();
        counted.map_err(|error| self.in_database(error))
    }
}

/// Counts of a view from a row of `freshness`.
fn counted(row: &AnyRow, view: VersionId) -> Result<Freshness, RegistryError> {
    let what = |error: &dyn std::fmt::Display| damaged("freshness", error);
    let edge: i64 = number(row, "edge")?;
    Ok(Freshness {
        view,
        minute: Micros::new(number(row, "minute")?).map_err(|error| what(&error))?,
        stage: row.try_get("stage").map_err(|error| what(&error))?,
        edge_us: Some(edge).filter(|edge| *edge != BEYOND),
        rows: number(row, "row_count")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{Home, on_both};

    fn at(seconds: i64) -> Micros {
        Micros::new(1_370_000_040_000_000 + seconds * 1_000_000).unwrap()
    }

    async fn counts_of_one_minute_add_up_and_old_minutes_are_dropped(home: &Home) {
        let registry = Registry::open(&home.url()).await.unwrap();
        let view: VersionId = "clicks@2".parse().unwrap();
        let counted = |seconds, edge_us, rows| Freshness {
            view: view.clone(),
            minute: at(seconds),
            stage: "readable".to_owned(),
            edge_us,
            rows,
        };
        registry.add_freshness(&[counted(5, Some(100_000), 3), counted(65, None, 1)], at(70)).await.unwrap();
        registry.add_freshness(&[counted(50, Some(100_000), 4)], at(70)).await.unwrap();
        let found = registry.freshness(&view, at(0), at(120)).await.unwrap();
        assert_eq!(found, [counted(0, Some(100_000), 7), counted(60, None, 1)]);
        assert_eq!(registry.freshness(&view, at(0), at(60)).await.unwrap().len(), 1);
        assert_eq!(registry.freshness_of_all(at(0), at(120)).await.unwrap(), found);
        registry.add_freshness(&[], at(9 * 24 * 3_600)).await.unwrap();
        assert_eq!(registry.freshness(&view, at(0), at(120)).await.unwrap(), []);
    }

    async fn a_registry_of_before_gets_the_table_and_keeps_what_it_has(home: &Home) {
        let url = home.url();
        let registry = Registry::open(&url).await.unwrap();
        for statement in [
            "DROP TABLE freshness",
            "DROP TABLE freshness_reads",
            "DROP TABLE progress",
            "DROP TABLE uses",
            "DROP TABLE audit",
            "DROP TABLE canaries",
            "DROP TABLE deprecations",
            "DROP TABLE retirements",
            "DROP TABLE versions_before",
            "DROP TABLE backfills",
            "DROP TABLE backfill_dates",
            "DROP TABLE runs",
            "DROP TABLE run_views",
            "DROP TABLE tokens",
            "DROP TABLE access_counts",
            "DROP TABLE breakers",
            "ALTER TABLE registry DROP COLUMN access_generation",
            "ALTER TABLE registry DROP COLUMN audit_entries",
            "ALTER TABLE registry DROP COLUMN audit_hash",
            "DROP TABLE parities",
            "ALTER TABLE registry DROP COLUMN digest",
            "ALTER TABLE registry DROP COLUMN revisions_digest",
            "UPDATE registry SET schema_version = 1, generation = 7",
        ] {
            sqlx::query(statement).execute(&registry.pool().await.unwrap()).await.unwrap();
        }
        let registry = Registry::open(&url).await.unwrap();
        assert_eq!(registry.generation().await.unwrap(), 7);
        assert_eq!(registry.freshness(&"a@1".parse().unwrap(), at(0), at(60)).await.unwrap(), []);
    }

    on_both!(
        counts_of_one_minute_add_up_and_old_minutes_are_dropped,
        a_registry_of_before_gets_the_table_and_keeps_what_it_has
    );
}
