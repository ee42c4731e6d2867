//! The registry in its database: read whole, and what all changes of it share.

use std::sync::Arc;

use feature::Micros;
use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{Any, AnyPool, Row, Transaction};

use crate::audit::{self, Record};
use crate::body::DefinitionId;
use crate::database::Database;
use crate::digest::{self, Part};
use crate::error::RegistryError;
use crate::first_use::{self, FirstUse, as_text};
use crate::lifecycle;
use crate::reach::Reach;
use crate::registered::{Listed, Registered};
use crate::rollout;
use crate::service_shown::ServiceShown;
use crate::stored::{damaged, definition, number};

/// Where definitions are kept. It is a handle: clones share its connections.
#[derive(Clone, Debug)]
pub struct Registry {
    database: Database,
    actor: Arc<str>,
}

/// Who changes a registry of which nobody said so.
const NOBODY: &str = "unnamed";

/// Everything about one definition.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Shown {
    /// What the list says of it.
    #[serde(flatten)]
    pub listed: Listed,
    /// The document as it was last written.
    pub text: String,
    /// Every time that it was written, the first first.
    pub revisions: Vec<Revision>,
    /// The views and services that read it, directly or through others.
    pub dependents: Vec<Reach>,
    /// When it was first used, and by what; `None` if it may still be edited or removed, and of
    /// entities and sources.
    pub first_use: Option<FirstUse>,
    /// Of a service what it takes and gives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceShown>,
}

/// One time that a definition was written.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Revision {
    /// Its number, from 1.
    pub revision: u32,
    /// The generation that it came with.
    pub generation: u64,
    /// When it was applied.
    #[serde(serialize_with = "as_text")]
    pub applied_at: Micros,
    /// The document as it was written.
    pub text: String,
    /// The file that it stood in.
    pub file: String,
}

impl Registry {
    /// Whether its folder cannot be written, as on what is mounted for reading alone: nothing is recorded in it.
    pub fn is_read_only(&self) -> bool {
        self.database.is_read_only()
    }

    /// The same registry, whose changes are recorded as this one's.
    #[must_use]
    pub fn with_actor(self, actor: &str) -> Registry {
        let actor = if actor.is_empty() { NOBODY } else { actor };
        Registry { actor: actor.into(), ..self }
    }

    /// A registry in a database that is open.
    pub(crate) fn of(database: Database) -> Registry {
        Registry { database, actor: NOBODY.into() }
    }

    /// Reads all of the registry; gives what its database finds damaged in it.
    pub async fn integrity(&self) -> Result<Vec<String>, RegistryError> {
        let found = self.database.integrity().await?;
        self.registered().await?;
        self.check_revisions().await?;
        self.check_parities().await?;
        self.check_runs().await?;
        self.check_backfills().await?;
        let mut transaction = self.begin_reading().await?;
        let audit = audit::read(&mut transaction).await.map_err(self.failed("be read"))?;
        Ok(found.into_iter().chain(audit.damaged).collect())
    }

    /// How many applies changed the registry: a reader that follows it reads again when it moves.
    pub async fn generation(&self) -> Result<u64, RegistryError> {
        self.database.look()?;
        let pool = self.pool().await?;
        let row = sqlx::query("SELECT generation FROM registry WHERE id = 1").fetch_one(&pool);
        let row = self.soon(row).await.map_err(self.failed("be read"))?;
        number(&row, "generation").map_err(|error| self.in_database(error))
    }

    /// Everything that is registered, at one generation; refused where it is not what was written.
    pub async fn registered(&self) -> Result<Registered, RegistryError> {
        self.read_registered().await.map_err(|error| self.in_database(error))
    }

    async fn read_registered(&self) -> Result<Registered, RegistryError> {
        let failed = self.failed("be read");
        let mut transaction = self.begin_reading().await?;
        self.check(&mut transaction, Part::Registered).await?;
        let generation = generation(&mut transaction).await.map_err(&failed)?;
        let rows =
            sqlx::query("SELECT * FROM definitions").fetch_all(&mut *transaction).await.map_err(&failed)?;
        let definitions = rows.iter().map(definition).collect::<Result<_, _>>()?;
        let rollouts = rollout::of_all(&mut transaction, &failed).await?;
        let generation = u64::try_from(generation).map_err(|error| damaged("generation", &error))?;
        let uses = first_use::all(&mut transaction).await.map_err(&failed)?;
        let uses = uses.iter().map(first_use::read).collect::<Result<_, _>>()?;
        let deprecations = lifecycle::deprecations(&mut transaction, &failed).await?;
        let retirements = lifecycle::retirements(&mut transaction, &failed).await?;
        let registered = Registered::new(generation, definitions, rollouts).with_uses(uses);
        Ok(registered.with_ends(deprecations, retirements))
    }

    /// Everything about the definitions that a name means: all versions of a bare name, or exactly
    /// `name@version`.
    pub async fn show(&self, reference: &str) -> Result<Vec<Shown>, RegistryError> {
        let registered = self.registered().await?;
        self.check_revisions().await?;
        let mut shown = Vec::new();
        for definition in registered.named(reference)? {
            let id = definition.id();
            shown.push(Shown {
                listed: registered.listed(definition),
                text: definition.text.clone(),
                revisions: self.revisions(&id).await?,
                dependents: registered.dependents(&id),
                first_use: registered.first_use(&id).cloned(),
                service: registered.service_shown(definition)?,
            });
        }
        Ok(shown)
    }

    async fn check_revisions(&self) -> Result<(), RegistryError> {
        let mut transaction = self.begin_reading().await?;
        self.check(&mut transaction, Part::Revisions).await
    }

    async fn revisions(&self, id: &DefinitionId) -> Result<Vec<Revision>, RegistryError> {
        let rows = sqlx::query(
            "SELECT revision, generation, applied_at, source_text, source_file FROM revisions
             WHERE kind = $1 AND name = $2 AND version = $3 ORDER BY revision",
        );
        let rows = rows.bind(id.kind.name()).bind(id.name.as_str()).bind(i64::from(id.version.unwrap_or(0)));
        let rows = rows.fetch_all(&self.pool().await?).await.map_err(self.failed("be read"))?;
        let revision = |row: &AnyRow| {
            let text = |column: &str| row.try_get::<String, _>(column).map_err(|e| damaged("revision", &e));
            let applied_at =
                Micros::new(number(row, "applied_at")?).map_err(|error| damaged("revision", &error))?;
            Ok(Revision {
                revision: number(row, "revision")?,
                generation: number(row, "generation")?,
                applied_at,
                text: text("source_text")?,
                file: text("source_file")?,
            })
        };
        rows.iter().map(revision).collect::<Result<_, _>>().map_err(|error| self.in_database(error))
    }

    /// Refuses what is not what was written.
    pub(crate) async fn check(
        &self,
        transaction: &mut Transaction<'_, Any>,
        part: Part,
    ) -> Result<(), RegistryError> {
        if digest::holds(transaction, part).await.map_err(self.failed("be read"))? {
            return Ok(());
        }
        Err(self.database.damaged(match part {
            Part::Registered => "it holds other definitions than were registered",
            Part::Revisions => "it holds other revisions than were registered",
        }))
    }

    /// Records changes in the transaction that makes them. Refused where the end of the log is not what was written.
    pub(crate) async fn record(
        &self,
        transaction: &mut Transaction<'_, Any>,
        records: Vec<Record>,
        at: Micros,
        failed: &impl Fn(sqlx::Error) -> RegistryError,
    ) -> Result<(), RegistryError> {
        match records.is_empty()
            || audit::append(transaction, records, &self.actor, at).await.map_err(failed)?
        {
            true => Ok(()),
            false => Err(self.database.damaged("the end of its audit log is not what was written")),
        }
    }

    /// Commits what was written with the checksum of all that is there then, and brings it from the journal
    /// into the file: whoever loses the journal loses nothing.
    pub(crate) async fn commit(
        &self,
        mut transaction: Transaction<'_, Any>,
        failed: &impl Fn(sqlx::Error) -> RegistryError,
    ) -> Result<(), RegistryError> {
        digest::keep(&mut transaction).await.map_err(failed)?;
        let committed = transaction.commit().await;
        committed.map_err(|error| self.database.commit_failure("keep a change", error))?;
        self.database.committed().await
    }

    /// Who changes it.
    pub(crate) fn actor(&self) -> &str {
        &self.actor
    }

    /// Where it is kept.
    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// Its connections, to the files that are there now. Who has begun a transaction goes on with that.
    pub(crate) async fn pool(&self) -> Result<AnyPool, RegistryError> {
        self.database.pool().await
    }

    /// Begins a transaction that reads all of its rows from one state.
    pub(crate) async fn begin_reading(&self) -> Result<Transaction<'static, Any>, RegistryError> {
        self.database.begin_reading().await
    }

    /// What servers and streams ask many times a minute, and go on without.
    pub(crate) async fn soon<T>(
        &self,
        doing: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        self.database.soon(doing).await
    }

    pub(crate) fn failed(&self, action: &'static str) -> impl Fn(sqlx::Error) -> RegistryError {
        move |source| self.database.failure(action, source)
    }

    /// Names the database that something damaged lies in.
    pub(crate) fn in_database(&self, error: RegistryError) -> RegistryError {
        match error {
            RegistryError::Damaged { what, reason } => {
                self.database.damaged(&format!("the {what} in it cannot be read: {reason}"))
            }
            error => error,
        }
    }
}

pub(crate) async fn generation(transaction: &mut Transaction<'_, Any>) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("SELECT generation FROM registry WHERE id = 1").fetch_one(&mut **transaction).await
}

/// Moves the registry to its next generation, so that its followers read it again, and keeps what was done.
pub(crate) async fn advance(
    transaction: &mut Transaction<'_, Any>,
    generation: i64,
    summary: &str,
    at: Micros,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO applies (generation, applied_at, summary) VALUES ($1, $2, $3)")
        .bind(generation)
        .bind(at.get())
        .bind(summary)
        .execute(&mut **transaction)
        .await?;
    sqlx::query("UPDATE registry SET generation = $1 WHERE id = 1")
        .bind(generation)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}
