//! What the SQL of the two databases has not in common.

use sqlx::{Any, AssertSqlSafe, Transaction};

/// Whose SQL a transaction reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// The one of a transaction.
    pub(crate) fn of(transaction: &Transaction<'_, Any>) -> Self {
        if transaction.backend_name() == "PostgreSQL" { Self::Postgres } else { Self::Sqlite }
    }

    /// A statement that makes or changes a table. Texts of both are compared and ordered by their bytes.
    pub(crate) fn table(self, statement: &str) -> AssertSqlSafe<String> {
        AssertSqlSafe(match self {
            Self::Sqlite => statement.to_owned(),
            Self::Postgres => statement.replace(" TEXT", " TEXT COLLATE \"C\""),
        })
    }

    /// A query that gives values as literals, by the function `quote` of SQLite.
    pub(crate) fn quoting(self, query: &str) -> AssertSqlSafe<String> {
        AssertSqlSafe(match self {
            Self::Sqlite => query.to_owned(),
            Self::Postgres => query.replace("quote(", "quote_nullable("),
        })
    }

    /// The names of the registry's tables that are there.
    pub(crate) async fn tables(
        self,
        transaction: &mut Transaction<'_, Any>,
    ) -> Result<Vec<String>, sqlx::Error> {
        let query = match self {
            Self::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table'",
            Self::Postgres => {
                "SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = current_schema()"
            }
        };
        sqlx::query_scalar(query).fetch_all(&mut **transaction).await
    }
}
