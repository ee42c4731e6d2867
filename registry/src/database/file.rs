//! The registry's file in SQLite: made whole at once, and opened where it is one. SQLite itself takes an empty
//! file for a new database, and one whose journal was deleted for an older one.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AnyPool, AssertSqlSafe, ConnectOptions, Connection, Executor, SqliteConnection};

use super::connections::{BUSY, CONNECTIONS, pool_options};
use super::sqlite_code;
use crate::error::RegistryError;

/// How often a registry is opened again while another process opens it: SQLite turns its write-ahead log on
/// without waiting for the other.
const OPENS: u32 = 200;

/// What is done about a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Found {
    /// There is a file that can be opened.
    File,
    /// There is nothing: it is to be made.
    Nothing,
}

/// Looks at what is there before SQLite does.
pub(super) fn look(path: &Path) -> Result<Found, RegistryError> {
    let damaged = |reason: &str| RegistryError::File { file: path.to_owned(), reason: reason.to_owned() };
    match fs::metadata(path) {
        Ok(metadata) if metadata.len() == 0 => Err(damaged("it is empty")),
        Ok(_) => Ok(Found::File),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let has_journal = ["-wal", "-journal"].iter().any(|suffix| beside(path, suffix).exists());
            if has_journal {
                Err(damaged("it is missing, and its journal is there"))
            } else {
                Ok(Found::Nothing)
            }
        }
        // SQLite says more about what it cannot read.
        Err(_) => Ok(Found::File),
    }
}

pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY)
}

/// Of a file in a folder that cannot be written: SQLite makes no files beside it. Without a write-ahead log nobody writes
/// to it, and it needs no lock either.
fn read_only_options(path: &Path, has_log: bool) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(path).read_only(true).immutable(!has_log).busy_timeout(BUSY)
}

/// Opens a file that is there.
pub(super) async fn open(path: &Path, is_read_only: bool) -> Result<AnyPool, sqlx::Error> {
    let has_log = fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0);
    let (options, mode) = match (is_read_only, has_log) {
        (false, _) => (options(path), "mode=rw"),
        (true, true) => (read_only_options(path, has_log), "mode=ro"),
        (true, false) => (read_only_options(path, has_log), "mode=ro&immutable=true"),
    };
    let mut first = options.connect().await;
    for _ in 0..OPENS {
        if !first.as_ref().is_err_and(sqlite_code::is_busy) {
            break;
        }
        tokio::time::sleep(BUSY / OPENS).await;
        first = options.connect().await;
    }
    pool(first?, &url(path, mode), CONNECTIONS).await
}

/// A pool of connections to a file that a first connection has open, which has set what belongs to the file. The pool has it open
/// before the first one is closed: the last one that is closed removes the log.
async fn pool(first: SqliteConnection, url: &str, connections: u32) -> Result<AnyPool, sqlx::Error> {
    let waiting = pool_options(connections).after_connect(|connection, _| {
        // Commits are synchronous unless something else is said.
        let busy = AssertSqlSafe(format!("PRAGMA busy_timeout = {}", BUSY.as_millis()));
        Box::pin(async move { connection.execute(busy).await.map(drop) })
    });
    let pool = waiting.connect(url).await?;
    // The log is opened by the first statement.
    sqlx::query("SELECT 1 FROM sqlite_master LIMIT 1").fetch_optional(&pool).await?;
    first.close().await?;
    Ok(pool)
}

/// The URL of a file for SQLx, which takes no other options of it. No part of the path is read as one of a URL's.
fn url(path: &Path, mode: &str) -> String {
    let path: String = path.as_os_str().as_bytes().iter().map(|byte| format!("%{byte:02X}")).collect();
    format!("sqlite:{path}?{mode}")
}

/// A new file under another name, that nobody else opens.
#[derive(Debug)]
pub(super) struct NewFile {
    pub(super) pool: AnyPool,
    at: PathBuf,
}

impl NewFile {
    pub(super) async fn beside(path: &Path) -> Result<Self, sqlx::Error> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let at = beside(path, &format!(".new-{}-{number}", std::process::id()));
        let _ = fs::remove_file(&at);
        let options = options(&at).create_if_missing(true).journal_mode(SqliteJournalMode::Delete);
        let pool = pool(options.connect().await?, &url(&at, "mode=rw"), 1).await?;
        Ok(Self { pool, at })
    }

    /// Where it lies until it has its name.
    pub(super) fn path(&self) -> &Path {
        &self.at
    }

    /// Gives it its name, unless another process made one meanwhile. It is on disk, name and all, after this.
    pub(super) async fn name(self, path: &Path) -> io::Result<()> {
        self.pool.close().await;
        let named = match fs::hard_link(&self.at, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            // A file system without links: nothing better can be done than to put it there.
            Err(_) if !path.exists() => fs::rename(&self.at, path),
            linked => linked,
        };
        named?;
        match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        for left in [self.at.clone(), beside(&self.at, "-journal")] {
            let _ = fs::remove_file(left);
        }
    }
}

/// Which file lies at a path; `None` if there is none.
pub(super) fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}
