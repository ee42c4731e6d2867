//! The database that keeps a registry, a file of SQLite's or a schema of a Postgres server: how it is opened, how
//! transactions begin, and whether it is still the one that was opened. Statements on tables are one text for both; what
//! their SQL has not in common is in `dialect.rs`.

pub(crate) mod connections;
pub(crate) mod dialect;
mod file;
mod open_file;
pub(crate) mod postgres_code;
mod postgres_error;
mod postgres_url;
mod server_schema;
pub(crate) mod sqlite_code;
mod sqlite_error;
mod sqlite_file;

use locks::Holder;
use sqlx::{Any, AnyPool, Transaction};

use crate::error::RegistryError;
pub(crate) use postgres_url::is_postgres;
pub(crate) use server_schema::ServerSchema;
pub(crate) use sqlite_file::{NewRegistryFile, SqliteFile};

/// Where a registry is kept, as this process has it open.
#[derive(Clone, Debug)]
pub(crate) enum Database {
    Sqlite(SqliteFile),
    Postgres(ServerSchema),
}

impl Database {
    /// Its connections. Who has begun a transaction goes on with that.
    pub(crate) async fn pool(&self) -> Result<AnyPool, RegistryError> {
        match self {
            Self::Sqlite(file) => file.pool(|error| self.failure("be opened", error)).await,
            Self::Postgres(schema) => Ok(schema.pool().clone()),
        }
    }

    /// Begins a transaction that reads all of its queries' rows from one state.
    pub(crate) async fn begin_reading(&self) -> Result<Transaction<'static, Any>, RegistryError> {
        let begun = match self {
            Self::Sqlite(_) => self.pool().await?.begin().await,
            Self::Postgres(schema) => schema.begin_reading().await,
        };
        begun.map_err(|error| self.failure("be read", error))
    }

    /// Begins a transaction that writes, once no other one does.
    pub(crate) async fn begin_writing(
        &self,
        pool: &AnyPool,
    ) -> Result<Transaction<'static, Any>, sqlx::Error> {
        match self {
            Self::Sqlite(_) => pool.begin_with("BEGIN IMMEDIATE").await,
            Self::Postgres(schema) => schema.begin_writing().await,
        }
    }

    /// Does what must not be waited for long. Of a server that is away it is not waited for at all.
    pub(crate) async fn soon<T>(
        &self,
        doing: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        match self {
            Self::Sqlite(_) => doing.await,
            Self::Postgres(schema) => schema.soon(doing).await,
        }
    }

    /// Refuses a database that is not the one that was opened.
    pub(crate) fn look(&self) -> Result<(), RegistryError> {
        match self {
            Self::Sqlite(file) => file.look(),
            // A server that was restored from a backup has the generation of that, which readers compare.
            Self::Postgres(_) => Ok(()),
        }
    }

    /// What is to be done once a change is committed.
    pub(crate) async fn committed(&self) -> Result<(), RegistryError> {
        let Self::Sqlite(file) = self else { return Ok(()) };
        file.committed(|error| self.failure("be opened", error)).await
    }

    /// Whether nothing can be recorded in it, nor anything be changed by others.
    pub(crate) fn is_read_only(&self) -> bool {
        matches!(self, Self::Sqlite(file) if file.is_read_only())
    }

    /// What the database itself finds damaged in it. A server checks its pages when it reads them.
    pub(crate) async fn integrity(&self) -> Result<Vec<String>, RegistryError> {
        match self {
            Self::Sqlite(_) => {
                let found: Result<Vec<String>, _> =
                    sqlx::query_scalar("PRAGMA integrity_check").fetch_all(&self.pool().await?).await;
                let found = found.map_err(|error| self.failure("be checked", error))?;
                Ok(found.into_iter().filter(|line| line != "ok").collect())
            }
            Self::Postgres(_) => Ok(Vec::new()),
        }
    }

    /// Whoever writes to it, as far as that is known: processes of other machines are not.
    pub(crate) fn writer(&self) -> Option<Holder> {
        match self {
            Self::Sqlite(file) => file.writer(),
            Self::Postgres(_) => None,
        }
    }

    /// Whether another writer went on for longer than it was waited for.
    pub(crate) fn is_busy(source: &sqlx::Error) -> bool {
        sqlite_code::is_busy(source) || postgres_code::is_busy(source)
    }

    /// What its error says, by whether what it holds is to blame.
    pub(crate) fn failure(&self, action: &'static str, source: sqlx::Error) -> RegistryError {
        match self {
            Self::Sqlite(file) => sqlite_error::failure(file.path(), action, source),
            Self::Postgres(schema) => postgres_error::failure(schema.url(), action, source),
        }
    }

    /// What a commit that failed says: where the connection broke, it may have happened all the same.
    pub(crate) fn commit_failure(&self, action: &'static str, source: sqlx::Error) -> RegistryError {
        match (self, source) {
            (Self::Postgres(schema), sqlx::Error::Io(_)) => {
                RegistryError::Unsure { url: schema.url().to_owned() }
            }
            (_, source) => self.failure(action, source),
        }
    }

    /// That it holds something else than was written.
    pub(crate) fn damaged(&self, reason: &str) -> RegistryError {
        let reason = reason.to_owned();
        match self {
            Self::Sqlite(file) => RegistryError::File { file: file.path().to_owned(), reason },
            Self::Postgres(schema) => RegistryError::Contents { url: schema.url().to_owned(), reason },
        }
    }

    /// Its URL, without a login.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(file) => sqlite_file::url(file.path()),
            Self::Postgres(schema) => schema.url().to_owned(),
        }
    }

    /// What people call it.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Sqlite(file) => file.path().display().to_string(),
            Self::Postgres(schema) => schema.url().to_owned(),
        }
    }
}
