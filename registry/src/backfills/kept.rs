//! Backfills in the registry's database. They are no part of what is registered: one that is kept moves no generation.
//! Each row has a checksum of its own, but for what is wanted of a backfill, which another process writes.

use feature::{EventDate, VersionId, hexadecimal};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};

use super::record::{BackfillDate, BackfillRecord, BackfillRequest, BackfillState, KeptBackfill};
use crate::audit::{AuditAction, Record};
use crate::body::DefinitionId;
use crate::error::RegistryError;
use crate::keys::Kind;
use crate::store::Registry;
use crate::stored::{damaged, number};

/// The format of what is stored.
const FORMAT: u32 = 1;

#[derive(Serialize)]
struct StoredRef<'a, T> {
    format: u32,
    kept: &'a T,
}

#[derive(Deserialize)]
struct Stored<T> {
    format: u32,
    kept: T,
}

/// What the audit log says of dates that are loaded whatever the checks of their columns say.
fn overridden(record: &BackfillRecord, before: &[EventDate]) -> Vec<Record> {
    let dates: Vec<String> =
        record.accepted.iter().filter(|date| !before.contains(date)).map(EventDate::to_string).collect();
    let id = DefinitionId::versioned(Kind::FeatureView, &record.view);
    let said = |dates: String| {
        Record::of(AuditAction::Override, &id).detail(format!("the checks of its backfill: {dates}"))
    };
    (!dates.is_empty()).then(|| said(dates.join(", "))).into_iter().collect()
}

impl Registry {
    /// Keeps a backfill that begins. Refused while another one of the view is to go on.
    pub async fn begin_backfill(&self, record: &BackfillRecord) -> Result<(), RegistryError> {
        let failed = self.failed("begin the backfill");
        let mut transaction = self.begin_changing("begin the backfill").await?;
        let newest = newest(&mut transaction, &record.view).await.map_err(&failed)?;
        if let Some(newest) =
            newest.map(|row| read(&row)).transpose().map_err(|error| self.in_database(error))?
            && newest.record.state.is_open()
        {
            return Err(open(&newest.record));
        }
        put(&mut transaction, record).await.map_err(&failed)?;
        let overridden = overridden(record, &[]);
        self.record(&mut transaction, overridden, record.started_at, &failed).await?;
        self.commit(transaction, &failed).await
    }

    /// Keeps a backfill that goes on in this process, and forgets what was wanted of it. Refused while another process
    /// executes it, or where it is done or cancelled.
    pub async fn resume_backfill(&self, record: &BackfillRecord) -> Result<(), RegistryError> {
        let failed = self.failed("resume the backfill");
        let mut transaction = self.begin_changing("resume the backfill").await?;
        let newest = newest(&mut transaction, &record.view).await.map_err(&failed)?;
        let newest = newest.map(|row| read(&row)).transpose().map_err(|error| self.in_database(error))?;
        let Some(newest) = newest.filter(|newest| newest.record.number == record.number) else {
            return Err(RegistryError::NoBackfill { view: record.view.clone() });
        };
        let state = newest.record.state_now();
        if state == BackfillState::Running || !state.is_open() {
            return Err(open(&newest.record));
        }
        put(&mut transaction, record).await.map_err(&failed)?;
        let forget = "UPDATE backfills SET request = '' WHERE name = $1 AND version = $2 AND number = $3";
        sqlx::query(forget)
            .bind(record.view.name.as_str())
            .bind(i64::from(record.view.version))
            .bind(record.number as i64)
            .execute(&mut *transaction)
            .await
            .map_err(&failed)?;
        let overridden = overridden(record, &newest.record.accepted);
        self.record(&mut transaction, overridden, record.resumed_at, &failed).await?;
        self.commit(transaction, &failed).await
    }

    /// Keeps a backfill as it is now, with these of its dates.
    pub async fn keep_backfill(
        &self,
        record: &BackfillRecord,
        dates: &[BackfillDate],
    ) -> Result<(), RegistryError> {
        let failed = self.failed("keep the backfill");
        let mut transaction = self.begin_writing("keep the backfill").await?;
        put(&mut transaction, record).await.map_err(&failed)?;
        for date in dates {
            let body = text(date);
            let keep = "INSERT INTO backfill_dates (name, version, number, day, body, digest)
                VALUES ($1, $2, $3, $4, $5, $6)
                ON CONFLICT (name, version, number, day) DO UPDATE SET
                    body = excluded.body, digest = excluded.digest";
            sqlx::query(keep)
                .bind(record.view.name.as_str())
                .bind(i64::from(record.view.version))
                .bind(record.number as i64)
                .bind(date.date.number())
                .bind(&body)
                .bind(checksum(&body))
                .execute(&mut *transaction)
                .await
                .map_err(&failed)?;
        }
        transaction.commit().await.map_err(&failed)
    }

    /// Says what is wanted of a backfill; its process looks for it.
    pub async fn request_of_backfill(
        &self,
        view: &VersionId,
        number: u64,
        request: BackfillRequest,
    ) -> Result<(), RegistryError> {
        let failed = self.failed("write what is wanted of the backfill");
        let mut transaction = self.begin_writing("write what is wanted of the backfill").await?;
        // Who cancels means it, also where somebody else pauses.
        let write = "UPDATE backfills SET request = $1
            WHERE name = $2 AND version = $3 AND number = $4 AND request <> 'cancel'";
        sqlx::query(write)
            .bind(request.name())
            .bind(view.name.as_str())
            .bind(i64::from(view.version))
            .bind(number as i64)
            .execute(&mut *transaction)
            .await
            .map_err(&failed)?;
        transaction.commit().await.map_err(&failed)
    }

    /// The newest backfill by dates of a view; `None` if none ever began.
    pub async fn backfill(&self, view: &VersionId) -> Result<Option<KeptBackfill>, RegistryError> {
        let mut transaction = self.begin_reading().await?;
        let row = newest(&mut transaction, view).await.map_err(self.failed("be read"))?;
        row.map(|row| read(&row)).transpose().map_err(|error| self.in_database(error))
    }

    /// The newest backfill by dates of each view that has one, by view.
    pub async fn backfills(&self) -> Result<Vec<KeptBackfill>, RegistryError> {
        let query = "SELECT * FROM backfills AS one WHERE number = (SELECT max(number) FROM backfills
            WHERE name = one.name AND version = one.version) ORDER BY name, version";
        let rows = sqlx::query(query).fetch_all(&self.pool().await?).await.map_err(self.failed("be read"))?;
        rows.iter().map(read).collect::<Result<_, _>>().map_err(|error| self.in_database(error))
    }

    /// The dates of a backfill, the oldest first.
    pub async fn backfill_dates(
        &self,
        view: &VersionId,
        number: u64,
    ) -> Result<Vec<BackfillDate>, RegistryError> {
        let query =
            "SELECT * FROM backfill_dates WHERE name = $1 AND version = $2 AND number = $3 ORDER BY day";
        let rows = sqlx::query(query)
            .bind(view.name.as_str())
            .bind(i64::from(view.version))
            .bind(number as i64)
            .fetch_all(&self.pool().await?)
            .await
            .map_err(self.failed("be read"))?;
        rows.iter().map(read_date).collect::<Result<_, _>>().map_err(|error| self.in_database(error))
    }

    /// Reads every backfill; refused where one is not what was kept.
    pub(crate) async fn check_backfills(&self) -> Result<(), RegistryError> {
        let rows = sqlx::query("SELECT * FROM backfills").fetch_all(&self.pool().await?).await;
        let rows = rows.map_err(self.failed("be read"))?;
        rows.iter().try_for_each(|row| read(row).map(drop)).map_err(|error| self.in_database(error))?;
        let rows = sqlx::query("SELECT * FROM backfill_dates").fetch_all(&self.pool().await?).await;
        let rows = rows.map_err(self.failed("be read"))?;
        rows.iter().try_for_each(|row| read_date(row).map(drop)).map_err(|error| self.in_database(error))
    }
}

fn open(record: &BackfillRecord) -> RegistryError {
    RegistryError::BackfillOpen {
        view: record.view.clone(),
        number: record.number,
        state: record.state_now().name(),
        by: record.actor.clone().map(|actor| format!(" by {actor}")).unwrap_or_default(),
        started_at: record.started_at,
    }
}

async fn newest(
    transaction: &mut Transaction<'_, Any>,
    view: &VersionId,
) -> Result<Option<AnyRow>, sqlx::Error> {
    let query = "SELECT * FROM backfills WHERE name = $1 AND version = $2 ORDER BY number DESC LIMIT 1";
    let query = sqlx::query(query).bind(view.name.as_str()).bind(i64::from(view.version));
    query.fetch_optional(&mut **transaction).await
}

async fn put(transaction: &mut Transaction<'_, Any>, record: &BackfillRecord) -> Result<(), sqlx::Error> {
    let body = text(record);
    let keep = "INSERT INTO backfills (name, version, number, state, request, body, digest)
        VALUES ($1, $2, $3, $4, '', $5, $6)
        ON CONFLICT (name, version, number) DO UPDATE SET
            state = excluded.state, body = excluded.body, digest = excluded.digest";
    sqlx::query(keep)
        .bind(record.view.name.as_str())
        .bind(i64::from(record.view.version))
        .bind(record.number as i64)
        .bind(record.state.name())
        .bind(&body)
        .bind(checksum(&body))
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

fn text<T: Serialize>(kept: &T) -> String {
    let stored = StoredRef { format: FORMAT, kept };
    serde_json::to_string(&stored).expect("invariant: names, numbers and texts are JSON")
}

fn checksum(body: &str) -> String {
    hexadecimal(&Sha256::digest(body))
}

/// What a row of either table keeps.
fn kept<T: DeserializeOwned>(row: &AnyRow, what: &str) -> Result<T, RegistryError> {
    let unreadable = |error: &dyn std::fmt::Display| damaged(what, error);
    let column = |column: &str| row.try_get::<String, _>(column).map_err(|error| unreadable(&error));
    let body = column("body")?;
    if checksum(&body) != column("digest")? {
        return Err(unreadable(&"it is not what was kept"));
    }
    let stored: Stored<T> = serde_json::from_str(&body).map_err(|error| unreadable(&error))?;
    if stored.format != FORMAT {
        let found = stored.format;
        return Err(unreadable(&format!("it has format {found}, and this version knows {FORMAT}")));
    }
    Ok(stored.kept)
}

/// Which backfill a row of either table is of.
fn key(row: &AnyRow) -> Result<(VersionId, u64), RegistryError> {
    let name: String = row.try_get("name").map_err(|error| damaged("backfill", &error))?;
    let name = name.parse().map_err(|error: feature::NameError| damaged("backfill", &error))?;
    Ok((VersionId { name, version: number(row, "version")? }, number(row, "number")?))
}

fn read(row: &AnyRow) -> Result<KeptBackfill, RegistryError> {
    let (view, number) = key(row)?;
    let what = format!("backfill {number} of {view}");
    let record: BackfillRecord = kept(row, &what)?;
    let column = |column: &str| row.try_get::<String, _>(column).map_err(|error| damaged(&what, &error));
    let request = column("request")?;
    let request = match BackfillRequest::named(&request) {
        None if !request.is_empty() => return Err(damaged(&what, &format!("`{request}` is not a request"))),
        request => request,
    };
    let is_same = record.view == view
        && record.number == number
        && BackfillState::named(&column("state")?) == Some(record.state);
    match is_same {
        true => Ok(KeptBackfill { record, request }),
        false => Err(damaged(&what, &"its columns are not what was kept")),
    }
}

fn read_date(row: &AnyRow) -> Result<BackfillDate, RegistryError> {
    let (view, of) = key(row)?;
    let day: i64 = number(row, "day")?;
    let date: BackfillDate = kept(row, &format!("date of backfill {of} of {view}"))?;
    match EventDate::number(date.date) == day {
        true => Ok(date),
        false => {
            Err(damaged(&format!("date {} of backfill {of} of {view}", date.date), &"it lies under another"))
        }
    }
}
