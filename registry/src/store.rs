//! The registry in SQLite: opened and read whole, and what all changes of it share.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use feature::Micros;
use serde::Serialize;
use sqlx::sqlite::SqlitePool;
use sqlx::{Sqlite, Transaction};

use crate::audit::{self, Record};
use crate::body::DefinitionId;
use crate::digest::{self, Part};
use crate::error::RegistryError;
use crate::file::{self, Found, NewFile};
use crate::first_use::{self, FirstUse, as_text};
use crate::lifecycle;
use crate::open_file::OpenFile;
use crate::reach::Reach;
use crate::registered::{Listed, Registered};
use crate::rollout;
use crate::schema::{MIGRATIONS, SCHEMA, TABLES, WITH_DIGESTS};
use crate::service_shown::ServiceShown;
use crate::stored::{damaged, definition, number};

/// Where definitions are kept. It is a handle: clones share its connections.
#[derive(Clone, Debug)]
pub struct Registry {
    url: String,
    path: PathBuf,
    /// As this process has it open.
    file: Arc<OpenFile>,
    actor: Arc<str>,
    /// The file as it was opened: one that replaces it is another registry.
    opened: Option<(u64, u64)>,
    /// Whether its folder cannot be written.
    is_read_only: bool,
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
    /// Opens the registry at a `sqlite://` address, and makes it where there is none. A relative
    /// path is taken from the working folder.
    pub async fn open(url: &str) -> Result<Registry, RegistryError> {
        let address = |reason: String| RegistryError::Address { url: url.to_owned(), reason };
        let path = url
            .strip_prefix("sqlite://")
            .filter(|path| !path.is_empty())
            .ok_or_else(|| address("write it as sqlite://PATH".to_owned()))?;
        let path = PathBuf::from(path);
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent)
                .map_err(|error| address(format!("its folder cannot be made: {error}")))?;
        }
        Registry::open_file(url, path).await
    }

    /// Whether its folder cannot be written, as on what is mounted for reading alone: nothing is recorded in it.
    pub fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    /// The same registry, whose changes are recorded as this one's.
    #[must_use]
    pub fn with_actor(self, actor: &str) -> Registry {
        let actor = if actor.is_empty() { NOBODY } else { actor };
        Registry { actor: actor.into(), ..self }
    }

    async fn open_file(url: &str, path: PathBuf) -> Result<Registry, RegistryError> {
        let opening = |error| RegistryError::of_sqlite(url, &path, "open", error);
        if file::look(&path)? == Found::Nothing {
            let new = NewFile::beside(&path).await.map_err(opening)?;
            let created = Registry {
                url: url.to_owned(),
                path: path.clone(),
                file: OpenFile::of_new(new.path(), new.pool.clone()),
                actor: NOBODY.into(),
                opened: None,
                is_read_only: false,
            };
            created.make_tables(true).await?;
            let reason = |error| RegistryError::Address {
                url: url.to_owned(),
                reason: format!("its file cannot be made: {error}"),
            };
            new.name(&path).await.map_err(reason)?;
        }
        let is_read_only = files::is_read_only(path.parent().unwrap_or(&path));
        let file = OpenFile::at(&path, is_read_only);
        file.pool(opening).await?;
        let opened = file::identity(&path);
        let url = url.to_owned();
        let registry = Registry { url, path: path.clone(), file, actor: NOBODY.into(), opened, is_read_only };
        registry.make_tables(false).await?;
        Ok(registry)
    }

    /// Makes the tables of a new registry, and brings those of an older one on.
    async fn make_tables(&self, is_new: bool) -> Result<(), RegistryError> {
        let failed = self.failed("make its tables");
        // Readers do not wait for a writer.
        let current = sqlx::query("SELECT 1 FROM registry WHERE id = 1 AND schema_version = $1");
        if matches!(current.bind(SCHEMA).fetch_optional(&self.pool().await?).await, Ok(Some(_))) {
            return Ok(());
        }
        let mut transaction = self.begin_writing("make its tables").await?;
        let there = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'registry'";
        let there = sqlx::query(there).fetch_optional(&mut *transaction).await.map_err(&failed)?;
        let mut schema = 1;
        if there.is_some() {
            let row = sqlx::query("SELECT schema_version FROM registry WHERE id = 1");
            let row = row.fetch_one(&mut *transaction).await.map_err(&failed)?;
            schema = number(&row, "schema_version").map_err(|error| self.in_file(error))?;
            if schema > SCHEMA {
                return Err(RegistryError::Newer { url: self.url.clone(), found: schema, known: SCHEMA });
            }
        } else if !is_new {
            return Err(self.damaged_file("it holds no registry"));
        } else {
            for table in TABLES {
                sqlx::query(table).execute(&mut *transaction).await.map_err(&failed)?;
            }
            let first = "INSERT INTO registry (id, schema_version, generation) VALUES (1, 1, 0)";
            sqlx::query(first).execute(&mut *transaction).await.map_err(&failed)?;
        }
        if schema == SCHEMA {
            return Ok(());
        }
        if schema >= WITH_DIGESTS {
            // Damage that is there never becomes what was written.
            self.check(&mut transaction, Part::Registered).await?;
            self.check(&mut transaction, Part::Revisions).await?;
        }
        for statements in MIGRATIONS.iter().skip(usize::try_from(schema - 1).unwrap_or(0)) {
            for statement in statements.iter() {
                sqlx::query(*statement).execute(&mut *transaction).await.map_err(&failed)?;
            }
        }
        let brought = "UPDATE registry SET schema_version = $1 WHERE id = 1";
        sqlx::query(brought).bind(SCHEMA).execute(&mut *transaction).await.map_err(&failed)?;
        self.commit(transaction, &failed).await
    }

    /// Reads all of the registry; gives what SQLite finds damaged in it.
    pub async fn integrity(&self) -> Result<Vec<String>, RegistryError> {
        let found: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check")
            .fetch_all(&self.pool().await?)
            .await
            .map_err(self.failed("be checked"))?;
        self.registered().await?;
        self.check_revisions().await?;
        self.check_parities().await?;
        self.check_runs().await?;
        self.check_backfills().await?;
        let mut transaction = self.pool().await?.begin().await.map_err(self.failed("be read"))?;
        let audit = audit::read(&mut transaction).await.map_err(self.failed("be read"))?;
        Ok(found.into_iter().filter(|line| line != "ok").chain(audit.damaged).collect())
    }

    /// How many applies changed the registry: a reader that follows it reads again when it moves.
    pub async fn generation(&self) -> Result<u64, RegistryError> {
        // An opened file is read on after it was removed or replaced.
        if file::identity(&self.path) != self.opened {
            return Err(RegistryError::Gone { file: self.path.clone() });
        }
        // Of one that was emptied, what was read before is still answered from memory.
        file::look(&self.path)?;
        let row = sqlx::query("SELECT generation FROM registry WHERE id = 1");
        number(&row.fetch_one(&self.pool().await?).await.map_err(self.failed("be read"))?, "generation")
            .map_err(|error| self.in_file(error))
    }

    /// Everything that is registered, at one generation; refused where it is not what was written.
    pub async fn registered(&self) -> Result<Registered, RegistryError> {
        self.read_registered().await.map_err(|error| self.in_file(error))
    }

    async fn read_registered(&self) -> Result<Registered, RegistryError> {
        let failed = self.failed("be read");
        let mut transaction = self.pool().await?.begin().await.map_err(&failed)?;
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
        let mut transaction = self.pool().await?.begin().await.map_err(self.failed("be read"))?;
        self.check(&mut transaction, Part::Revisions).await
    }

    async fn revisions(&self, id: &DefinitionId) -> Result<Vec<Revision>, RegistryError> {
        let rows = sqlx::query(
            "SELECT revision, generation, applied_at, source_text, source_file FROM revisions
             WHERE kind = $1 AND name = $2 AND version = $3 ORDER BY revision",
        );
        let rows = rows.bind(id.kind.name()).bind(id.name.as_str()).bind(i64::from(id.version.unwrap_or(0)));
        let rows = rows.fetch_all(&self.pool().await?).await.map_err(self.failed("be read"))?;
        let revision = |row: &sqlx::sqlite::SqliteRow| {
            use sqlx::Row;
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
        rows.iter().map(revision).collect::<Result<_, _>>().map_err(|error| self.in_file(error))
    }

    /// Refuses what is not what was written.
    pub(crate) async fn check(
        &self,
        transaction: &mut Transaction<'_, Sqlite>,
        part: Part,
    ) -> Result<(), RegistryError> {
        if digest::holds(transaction, part).await.map_err(self.failed("be read"))? {
            return Ok(());
        }
        Err(self.damaged_file(match part {
            Part::Registered => "it holds other definitions than were registered",
            Part::Revisions => "it holds other revisions than were registered",
        }))
    }

    /// Records changes in the transaction that makes them. Refused where the end of the log is not what was written.
    pub(crate) async fn record(
        &self,
        transaction: &mut Transaction<'_, Sqlite>,
        records: Vec<Record>,
        at: Micros,
        failed: &impl Fn(sqlx::Error) -> RegistryError,
    ) -> Result<(), RegistryError> {
        match records.is_empty()
            || audit::append(transaction, records, &self.actor, at).await.map_err(failed)?
        {
            true => Ok(()),
            false => Err(self.damaged_file("the end of its audit log is not what was written")),
        }
    }

    /// Commits what was written with the checksum of all that is there then, and brings it from the journal
    /// into the file: whoever loses the journal loses nothing.
    pub(crate) async fn commit(
        &self,
        mut transaction: Transaction<'_, Sqlite>,
        failed: &impl Fn(sqlx::Error) -> RegistryError,
    ) -> Result<(), RegistryError> {
        digest::keep(&mut transaction).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        if !self.file.is_there().await {
            return Err(RegistryError::Replaced { file: self.path.clone() });
        }
        // It is committed, whether a reader lets the journal be emptied now or the next writer does so.
        let _ = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&self.pool().await?).await;
        Ok(())
    }

    /// Who changes it.
    pub(crate) fn actor(&self) -> &str {
        &self.actor
    }

    /// The file as it was opened.
    pub(crate) fn opened(&self) -> Option<(u64, u64)> {
        self.opened
    }

    /// Its file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Its connections, to the files that are there now. Who has begun a transaction goes on with that.
    pub(crate) async fn pool(&self) -> Result<SqlitePool, RegistryError> {
        self.file.pool(self.failed("be opened")).await
    }

    pub(crate) fn failed(&self, action: &'static str) -> impl Fn(sqlx::Error) -> RegistryError {
        let (url, path) = (self.url.clone(), self.path.clone());
        move |source| RegistryError::of_sqlite(&url, &path, action, source)
    }

    fn damaged_file(&self, reason: &str) -> RegistryError {
        RegistryError::File { file: self.path.clone(), reason: reason.to_owned() }
    }

    /// Names the file that something damaged lies in.
    pub(crate) fn in_file(&self, error: RegistryError) -> RegistryError {
        match error {
            RegistryError::Damaged { what, reason } => {
                self.damaged_file(&format!("the {what} in it cannot be read: {reason}"))
            }
            error => error,
        }
    }
}

pub(crate) async fn generation(transaction: &mut Transaction<'_, Sqlite>) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("SELECT generation FROM registry WHERE id = 1").fetch_one(&mut **transaction).await
}

/// Moves the registry to its next generation, so that its followers read it again, and keeps what was done.
pub(crate) async fn advance(
    transaction: &mut Transaction<'_, Sqlite>,
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
