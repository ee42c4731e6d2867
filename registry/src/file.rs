//! The registry's file in SQLite: made whole at once, and opened where it is one. SQLite itself takes an empty
//! file for a new database, and one whose journal was deleted for an older one.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use crate::error::{self, RegistryError, sqlite_code};

/// How long a writer waits for another one.
pub(crate) const BUSY: Duration = Duration::from_secs(10);
/// How often a registry is opened again while another process opens it: SQLite turns its write-ahead log on
/// without waiting for the other.
const OPENS: u32 = 200;
/// The most connections that a process opens to one registry.
const CONNECTIONS: u32 = 8;

/// What is done about a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Found {
    /// There is a file that can be opened.
    File,
    /// There is nothing: it is to be made.
    Nothing,
}

/// Looks at what is there before SQLite does.
pub(crate) fn look(path: &Path) -> Result<Found, RegistryError> {
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

pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
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
fn read_only_options(path: &Path) -> SqliteConnectOptions {
    let has_log = fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0);
    SqliteConnectOptions::new().filename(path).read_only(true).immutable(!has_log).busy_timeout(BUSY)
}

/// A pool whose connections stay open: the last one that is closed removes the log. For such a pool SQLx starts no
/// maintenance task: the task's count of idle connections may wrap below 0 while another task takes one, and its loop over
/// them then never ends, nor does the process.
pub(crate) fn pool_options(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new().max_connections(connections).idle_timeout(None).max_lifetime(None)
}

/// Opens a file that is there.
pub(crate) async fn open(path: &Path, is_read_only: bool) -> Result<SqlitePool, sqlx::Error> {
    let options = if is_read_only { read_only_options(path) } else { options(path) };
    let connect = || pool_options(CONNECTIONS).connect_with(options.clone());
    let mut pool = connect().await;
    for _ in 0..OPENS {
        if !pool.as_ref().is_err_and(|error| sqlite_code(error) == Some(error::BUSY)) {
            break;
        }
        tokio::time::sleep(BUSY / OPENS).await;
        pool = connect().await;
    }
    pool
}

/// A new file under another name, that nobody else opens.
#[derive(Debug)]
pub(crate) struct NewFile {
    pub(crate) pool: SqlitePool,
    at: PathBuf,
}

impl NewFile {
    pub(crate) async fn beside(path: &Path) -> Result<Self, sqlx::Error> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let at = beside(path, &format!(".new-{}-{number}", std::process::id()));
        let _ = fs::remove_file(&at);
        let options = options(&at).create_if_missing(true).journal_mode(SqliteJournalMode::Delete);
        let pool = pool_options(1).connect_with(options).await?;
        Ok(Self { pool, at })
    }

    /// Where it lies until it has its name.
    pub(crate) fn path(&self) -> &Path {
        &self.at
    }

    /// Gives it its name, unless another process made one meanwhile. It is on disk, name and all, after this.
    pub(crate) async fn name(self, path: &Path) -> io::Result<()> {
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
pub(crate) fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_pool_has_a_maintenance_task() {
        let options = pool_options(1);
        assert_eq!((options.get_idle_timeout(), options.get_max_lifetime()), (None, None));
    }
}
