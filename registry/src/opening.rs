//! A registry opened: where it lies by its address, its tables made where there are none, and those of an older version
//! brought on.

use std::path::{Path, PathBuf};

use sqlx::{Any, Transaction};

use crate::database::dialect::Dialect;
use crate::database::{Database, NewRegistryFile, ServerSchema, SqliteFile, is_postgres};
use crate::digest::Part;
use crate::error::RegistryError;
use crate::schema::{MIGRATIONS, SCHEMA, TABLES, WITH_DIGESTS};
use crate::store::Registry;
use crate::stored::number;

/// What a database is made for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Tables {
    /// They are made where there are none.
    Make,
    /// A file without them is none of a registry.
    Expect,
}

impl Registry {
    /// Opens the registry at a `sqlite://` or `postgres://` address, and makes it where there is none. A relative
    /// path is taken from the working folder.
    pub async fn open(url: &str) -> Result<Registry, RegistryError> {
        sqlx::any::install_default_drivers();
        if is_postgres(url) {
            let registry = Registry::of(Database::Postgres(ServerSchema::open(url).await?));
            registry.make_tables(Tables::Make).await?;
            return Ok(registry);
        }
        let address = |reason: String| RegistryError::Address { url: url.to_owned(), reason };
        let path = path(url)?;
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent)
                .map_err(|error| address(format!("its folder cannot be made: {error}")))?;
        }
        if let Some((new, file)) = NewRegistryFile::beside(&path).await? {
            Registry::of(Database::Sqlite(file)).make_tables(Tables::Make).await?;
            let named = new.name().await;
            named.map_err(|error| address(format!("its file cannot be made: {error}")))?;
        }
        let registry = Registry::of(Database::Sqlite(SqliteFile::open(&path).await?));
        registry.make_tables(Tables::Expect).await?;
        Ok(registry)
    }

    /// Opens the registry at an address where there is one, as one who only reads makes none.
    pub async fn open_so_far(url: &str) -> Result<Option<Registry>, RegistryError> {
        sqlx::any::install_default_drivers();
        let is_there = match is_postgres(url) {
            true => ServerSchema::is_there(url).await?,
            false => path(url)?.exists(),
        };
        if is_there { Registry::open(url).await.map(Some) } else { Ok(None) }
    }

    /// Makes the tables of a new registry, and brings those of an older one on.
    async fn make_tables(&self, tables: Tables) -> Result<(), RegistryError> {
        // Readers do not wait for a writer.
        let current = sqlx::query("SELECT 1 FROM registry WHERE id = 1 AND schema_version = $1");
        if matches!(current.bind(SCHEMA).fetch_optional(&self.pool().await?).await, Ok(Some(_))) {
            return Ok(());
        }
        let failed = self.failed("make its tables");
        let mut transaction = self.begin_writing("make its tables").await?;
        let schema = self.schema_of(&mut transaction, tables).await?;
        if schema == SCHEMA {
            return Ok(());
        }
        if schema >= WITH_DIGESTS {
            // Damage that is there never becomes what was written.
            self.check(&mut transaction, Part::Registered).await?;
            self.check(&mut transaction, Part::Revisions).await?;
        }
        let dialect = Dialect::of(&transaction);
        let migrations = MIGRATIONS.iter().skip(usize::try_from(schema - 1).unwrap_or(0));
        for statement in migrations.flat_map(|statements| statements.iter()) {
            sqlx::query(dialect.table(statement)).execute(&mut *transaction).await.map_err(&failed)?;
        }
        let brought = "UPDATE registry SET schema_version = $1 WHERE id = 1";
        sqlx::query(brought).bind(SCHEMA).execute(&mut *transaction).await.map_err(&failed)?;
        self.commit(transaction, &failed).await
    }

    /// Which schema the tables have, once no other process writes. Those of the first are made where there are none.
    async fn schema_of(
        &self,
        transaction: &mut Transaction<'_, Any>,
        tables: Tables,
    ) -> Result<i64, RegistryError> {
        let failed = self.failed("make its tables");
        let dialect = Dialect::of(transaction);
        let there = dialect.tables(transaction).await.map_err(&failed)?;
        if there.iter().any(|table| table == "registry") {
            let row = sqlx::query("SELECT schema_version FROM registry WHERE id = 1");
            let row = row.fetch_one(&mut **transaction).await.map_err(&failed)?;
            let schema = number(&row, "schema_version").map_err(|error| self.in_database(error))?;
            if schema > SCHEMA {
                let url = self.database().url();
                return Err(RegistryError::Newer { url, found: schema, known: SCHEMA });
            }
            return Ok(schema);
        }
        if tables == Tables::Expect {
            return Err(self.database().damaged("it holds no registry"));
        }
        for table in TABLES {
            sqlx::query(dialect.table(table)).execute(&mut **transaction).await.map_err(&failed)?;
        }
        let first = "INSERT INTO registry (id, schema_version, generation) VALUES (1, 1, 0)";
        sqlx::query(first).execute(&mut **transaction).await.map_err(&failed)?;
        Ok(1)
    }
}

/// The path of a `sqlite://` address.
fn path(url: &str) -> Result<PathBuf, RegistryError> {
    let path = url.strip_prefix("sqlite://").filter(|path| !path.is_empty());
    let reason =
        || "write it as sqlite://PATH or as postgres://USER@HOST:PORT/DATABASE?schema=NAME".to_owned();
    let path = path.ok_or_else(|| RegistryError::Address { url: url.to_owned(), reason: reason() })?;
    Ok(Path::new(path).to_owned())
}
