//! A registry in a schema of a Postgres server. Several processes of several machines share it: who writes has the lock of
//! the schema until the transaction ends, and sees all that was written before.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::any::AnyConnectOptions;
use sqlx::{Any, AnyConnection, AnyPool, AssertSqlSafe, ConnectOptions, Connection, Transaction};
use tokio::time::{sleep, timeout};

use super::connections::{CONNECTIONS, pool_options};
use super::postgres_error::failure;
use super::postgres_url::PostgresUrl;
use crate::error::RegistryError;

/// How long an answer is waited for that is needed many times a minute.
const SOON: Duration = Duration::from_millis(1_500);
/// How long after a failure it is looked whether a server answers again.
const AGAIN: Duration = Duration::from_millis(500);
/// What the locks of registries have in common, so that they are not those of other programs; the other half of each is
/// the schema's name. It is `twin` in ASCII.
const LOCKS: i32 = 0x7477_696e;
/// Waits for the lock, at most as long as the connection's settings say.
const LOCK: &str = "SELECT pg_advisory_xact_lock($1, hashtext($2))";
/// The settings of the server or the user may say otherwise: the snapshot of a writer is to be taken after it has the lock.
const WRITE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
const READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// A schema, and the connections to its server.
#[derive(Clone, Debug)]
pub(crate) struct ServerSchema {
    pool: AnyPool,
    schema: Arc<str>,
    /// Without a login.
    url: Arc<str>,
    /// Whether the server did not answer, and a task looks whether it does again.
    is_away: Arc<AtomicBool>,
}

impl ServerSchema {
    /// Connects to the server, and makes the schema unless it is there.
    pub(crate) async fn open(url: &str) -> Result<Self, RegistryError> {
        let PostgresUrl { options, patience, schema } = PostgresUrl::parse(url)?;
        let shown: Arc<str> = feature::redacted(url).into();
        let failed = |source| failure(&shown, "be opened", source);
        // A pool would try again and again, and not say why.
        let mut connection = connect(&options, patience).await.map_err(failed)?;
        let schema = match schema {
            Some(name) => {
                make_schema(&mut connection, &name).await.map_err(failed)?;
                name
            }
            None => {
                let current = sqlx::query_scalar("SELECT CAST(current_schema() AS TEXT)");
                let current: Option<String> = current.fetch_one(&mut connection).await.map_err(failed)?;
                current.ok_or_else(|| RegistryError::Address {
                    url: url.to_owned(),
                    reason: "its user has no schema: name one with `?schema=NAME`".to_owned(),
                })?
            }
        };
        drop(connection.close().await);
        let pool = pool_options(CONNECTIONS).acquire_timeout(patience).connect_lazy_with(options);
        Ok(Self { pool, schema: schema.into(), url: shown, is_away: Arc::default() })
    }

    /// Whether a registry is there.
    pub(crate) async fn is_there(url: &str) -> Result<bool, RegistryError> {
        let PostgresUrl { options, patience, schema } = PostgresUrl::parse(url)?;
        let failed = |source| failure(&feature::redacted(url), "be opened", source);
        let mut connection = connect(&options, patience).await.map_err(failed)?;
        let query = "SELECT 1 FROM pg_tables WHERE tablename = 'registry'
            AND schemaname = COALESCE($1, CAST(current_schema() AS TEXT))";
        let there = sqlx::query(query).bind(schema).fetch_optional(&mut connection).await.map_err(failed)?;
        drop(connection.close().await);
        Ok(there.is_some())
    }

    pub(crate) const fn pool(&self) -> &AnyPool {
        &self.pool
    }

    /// Its URL without a login.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Does what others wait for: a read for whether a breaker is open, a flush for whether its view is retired. A server that
    /// was cut off does not answer, and says nothing of that.
    pub(super) async fn soon<T>(
        &self,
        doing: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        if self.is_away.load(Ordering::Relaxed) {
            return Err(sqlx::Error::PoolTimedOut);
        }
        let done = timeout(SOON, doing).await.unwrap_or(Err(sqlx::Error::PoolTimedOut));
        if let Err(sqlx::Error::PoolTimedOut | sqlx::Error::Io(_)) = done
            && !self.is_away.swap(true, Ordering::Relaxed)
        {
            self.look_for_it();
        }
        done
    }

    /// Looks for the server until it answers or nobody needs it.
    fn look_for_it(&self) {
        let (pool, is_away) = (self.pool.clone(), Arc::downgrade(&self.is_away));
        tokio::spawn(async move {
            loop {
                sleep(AGAIN).await;
                let Some(is_away) = is_away.upgrade() else { return };
                if pool.acquire().await.is_ok() {
                    is_away.store(false, Ordering::Relaxed);
                    return;
                }
            }
        });
    }

    pub(super) async fn begin_reading(&self) -> Result<Transaction<'static, Any>, sqlx::Error> {
        self.pool.begin_with(READ).await
    }

    pub(super) async fn begin_writing(&self) -> Result<Transaction<'static, Any>, sqlx::Error> {
        let mut transaction = self.pool.begin_with(WRITE).await?;
        sqlx::query(LOCK).bind(LOCKS).bind(&*self.schema).execute(&mut *transaction).await?;
        Ok(transaction)
    }
}

async fn connect(options: &AnyConnectOptions, patience: Duration) -> Result<AnyConnection, sqlx::Error> {
    timeout(patience, options.connect()).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

/// Makes a schema whose name is one. Two that did so at once would be in each other's way.
async fn make_schema(connection: &mut AnyConnection, name: &str) -> Result<(), sqlx::Error> {
    let there = sqlx::query("SELECT 1 FROM pg_namespace WHERE nspname = $1").bind(name);
    if there.fetch_optional(&mut *connection).await?.is_some() {
        return Ok(());
    }
    let mut transaction = connection.begin_with(WRITE).await?;
    sqlx::query(LOCK).bind(LOCKS).bind(name).execute(&mut *transaction).await?;
    let make = AssertSqlSafe(format!("CREATE SCHEMA IF NOT EXISTS {name}"));
    sqlx::query(make).execute(&mut *transaction).await?;
    transaction.commit().await
}
