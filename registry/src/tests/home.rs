//! Where the registry of a test is kept: what holds of a registry is proved of both databases.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};
use tempfile::TempDir;
use test_support::PostgresServer;

/// A file or a schema of its own for a registry.
#[derive(Debug)]
pub(crate) enum Home {
    /// A folder with a file.
    File(TempDir),
    /// A schema on a server, which tests that run at the same time share.
    Server { server: Arc<PostgresServer>, schema: usize },
}

impl Home {
    pub(crate) fn sqlite() -> Self {
        Self::File(TempDir::new().unwrap())
    }

    pub(crate) fn postgres() -> Self {
        static SCHEMAS: AtomicUsize = AtomicUsize::new(0);
        Self::Server { server: server(), schema: SCHEMAS.fetch_add(1, Ordering::Relaxed) }
    }

    /// Another one in the same database.
    pub(crate) fn another(&self) -> Self {
        match self {
            Self::File(_) => Self::sqlite(),
            Self::Server { .. } => Self::postgres(),
        }
    }

    /// The address of the registry.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::File(folder) => format!("sqlite://{}/r.db", folder.path().display()),
            Self::Server { server, schema } => {
                format!("{}?sslmode=disable&schema=of_{schema}", server.url("postgres"))
            }
        }
    }

    /// The file of an older version, which these statements make, as a connection has it open.
    pub(crate) async fn made_of(&self, statements: &'static str) -> SqliteConnection {
        let Self::File(folder) = self else { panic!("older versions knew no server") };
        let options =
            SqliteConnectOptions::new().filename(folder.path().join("r.db")).create_if_missing(true);
        let mut connection = options.connect().await.unwrap();
        sqlx::raw_sql(statements).execute(&mut connection).await.unwrap();
        connection
    }
}

fn server() -> Arc<PostgresServer> {
    static SHARED: Mutex<Weak<PostgresServer>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(server) = shared.upgrade() {
        return server;
    }
    let server = Arc::new(PostgresServer::start());
    *shared = Arc::downgrade(&server);
    server
}

/// Makes two tests of each function.
macro_rules! on_both {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $test() {
                super::$test(&$crate::tests::Home::sqlite()).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $test() {
                super::$test(&$crate::tests::Home::postgres()).await;
            })+
        }
    };
}
pub(crate) use on_both;
