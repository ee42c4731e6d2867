//! Runs in the registry's database. They are no part of what is registered: a run that is recorded moves no
//! generation. Each is kept with a checksum of its own, and a damaged one is refused by its identity.

use feature::{Micros, VersionId, hexadecimal};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::run::{Job, RunId, RunRecord, RunState};
use crate::error::RegistryError;
use crate::store::Registry;
use crate::stored::{damaged, number};

/// The format of a stored run.
const FORMAT: u32 = 1;

#[derive(Serialize)]
struct StoredRef<'a> {
    format: u32,
    run: &'a RunRecord,
}

#[derive(Deserialize)]
struct Stored {
    format: u32,
    run: RunRecord,
}

impl Registry {
    /// Records a run as it is now, instead of what was recorded of it before.
    pub async fn record_run(&self, run: &RunRecord) -> Result<(), RegistryError> {
        let failed = self.failed("record a run");
        let body = serde_json::to_string(&StoredRef { format: FORMAT, run })
            .map_err(|error| damaged(&what(&run.id.to_string()), &error))?;
        let mut transaction = self.begin_writing("record a run").await?;
        let keep = "INSERT INTO runs (id, job, name, version, started_at, updated_at, state, body, digest)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
            ON CONFLICT (id) DO UPDATE SET updated_at = excluded.updated_at, state = excluded.state,
                body = excluded.body, digest = excluded.digest";
        sqlx::query(keep)
            .bind(run.id.to_string())
            .bind(run.job.name())
            .bind(run.subject.name.as_str())
            .bind(i64::from(run.subject.version))
            .bind(run.started_at.get())
            .bind(run.updated_at.get())
            .bind(run.state.name())
            .bind(&body)
            .bind(checksum(&body))
            .execute(&mut *transaction)
            .await
            .map_err(&failed)?;
        for view in run.views() {
            sqlx::query(
                "INSERT INTO run_views (run, name, version) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            )
            .bind(run.id.to_string())
            .bind(view.name.as_str())
            .bind(i64::from(view.version))
            .execute(&mut *transaction)
            .await
            .map_err(&failed)?;
        }
        transaction.commit().await.map_err(&failed)
    }

    /// The newest runs that read or wrote data of a view, newest first; at most `limit` of each job.
    pub async fn runs_of_view(&self, view: &VersionId, limit: u32) -> Result<Vec<RunRecord>, RegistryError> {
        let query = "SELECT * FROM (
                SELECT runs.*, row_number() OVER (PARTITION BY job ORDER BY started_at DESC, id DESC) AS newest
                FROM runs JOIN run_views ON run_views.run = runs.id
                WHERE run_views.name = $1 AND run_views.version = $2
            ) AS ranked WHERE newest <= $3 ORDER BY started_at DESC, id DESC";
        self.runs(query, view, limit).await
    }

    /// Of each view the newest run that loaded or followed it.
    pub async fn newest_loads(&self) -> Result<Vec<RunRecord>, RegistryError> {
        let query = "SELECT runs.* FROM runs JOIN (
                SELECT id, row_number() OVER (PARTITION BY name, version ORDER BY started_at DESC, id DESC) AS newest
                FROM runs WHERE job IN ('backfill', 'materialize', 'stream')
            ) AS ranked ON ranked.id = runs.id WHERE newest = 1 ORDER BY runs.name, runs.version";
        let rows = sqlx::query(query).fetch_all(&self.pool().await?).await.map_err(self.failed("be read"))?;
        rows.iter().map(read).collect::<Result<_, _>>().map_err(|error| self.in_database(error))
    }

    /// The newest training sets of a service, newest first; at most `limit`.
    pub async fn training_sets_of(
        &self,
        service: &VersionId,
        limit: u32,
    ) -> Result<Vec<RunRecord>, RegistryError> {
        let query = "SELECT * FROM runs WHERE job = 'training_set' AND name = $1 AND version = $2
            ORDER BY started_at DESC, id DESC LIMIT $3";
        self.runs(query, service, limit).await
    }

    /// The newest training sets of all services, newest first; at most `limit`.
    pub(crate) async fn newest_training_sets(&self, limit: u32) -> Result<Vec<RunRecord>, RegistryError> {
        let query = "SELECT * FROM runs WHERE job = 'training_set' AND state = 'complete'
            ORDER BY started_at DESC, id DESC LIMIT $1";
        let rows = sqlx::query(query).bind(i64::from(limit)).fetch_all(&self.pool().await?).await;
        let rows = rows.map_err(self.failed("be read"))?;
        rows.iter().map(read).collect::<Result<_, _>>().map_err(|error| self.in_database(error))
    }

    async fn runs(
        &self,
        query: &'static str,
        of: &VersionId,
        limit: u32,
    ) -> Result<Vec<RunRecord>, RegistryError> {
        let rows =
            sqlx::query(query).bind(of.name.as_str()).bind(i64::from(of.version)).bind(i64::from(limit));
        let rows = rows.fetch_all(&self.pool().await?).await.map_err(self.failed("be read"))?;
        rows.iter().map(read).collect::<Result<_, _>>().map_err(|error| self.in_database(error))
    }

    /// Reads every run; refused where one is not what was recorded.
    pub(crate) async fn check_runs(&self) -> Result<(), RegistryError> {
        let rows = sqlx::query("SELECT * FROM runs").fetch_all(&self.pool().await?).await;
        let rows = rows.map_err(self.failed("be read"))?;
        rows.iter().try_for_each(|row| read(row).map(|_| ())).map_err(|error| self.in_database(error))
    }
}

fn what(id: &str) -> String {
    format!("run {id}")
}

fn checksum(body: &str) -> String {
    hexadecimal(&Sha256::digest(body))
}

/// A run from a row of `runs`.
fn read(row: &AnyRow) -> Result<RunRecord, RegistryError> {
    let id: String = row.try_get("id").map_err(|error| damaged("run", &error))?;
    let unreadable = |error: &dyn std::fmt::Display| damaged(&what(&id), error);
    let text = |column: &str| row.try_get::<String, _>(column).map_err(|error| unreadable(&error));
    let body = text("body")?;
    if checksum(&body) != text("digest")? {
        return Err(unreadable(&"it is not what was recorded"));
    }
    let stored: Stored = serde_json::from_str(&body).map_err(|error| unreadable(&error))?;
    if stored.format != FORMAT {
        let found = stored.format;
        return Err(unreadable(&format!("it has format {found}, and this version knows {FORMAT}")));
    }
    let run = stored.run;
    let is_same = id.parse::<RunId>() == Ok(run.id)
        && Job::named(&text("job")?) == Some(run.job)
        && RunState::named(&text("state")?) == Some(run.state)
        && text("name")? == run.subject.name.as_str()
        && number::<u32>(row, "version")? == run.subject.version
        && number::<i64>(row, "started_at")? == run.started_at.get()
        && number::<i64>(row, "updated_at").map(Micros::new)?.is_ok_and(|at| at == run.updated_at);
    if is_same { Ok(run) } else { Err(unreadable(&"its columns are not what was recorded")) }
}
