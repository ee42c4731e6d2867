//! The registry's file as this process has it open. SQLite has a write-ahead log beside its file, and an index of that
//! log which all processes share. It takes them for those that it opened, wherever their paths lead by now: a process that
//! goes on with a log that was deleted, beside one that made a new log, damages the file. So before each use it is looked
//! whether all of them are still there. If not, the connections are closed, which brings what is in the log into the file,
//! and opened again; and a process that opens the file waits for others that have not noticed yet.
//!
//! All registries of a process at one path share their connections, as two of them could mix two logs.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::Duration;

use locks::{Holder, Wait};
use sqlx::AnyPool;

use super::connections::BUSY;
use super::file::{self, Found, beside};
use crate::error::RegistryError;

/// How often it is looked whether another process has noticed.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A file that is open.
#[derive(Debug)]
pub(super) struct OpenFile {
    path: PathBuf,
    is_read_only: bool,
    opened: tokio::sync::Mutex<Option<Opened>>,
}

/// Its connections, and the files that they have open.
#[derive(Debug)]
struct Opened {
    pool: AnyPool,
    files: Files,
}

/// The file, its log, and the log's index; each `None` if it is not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Files([Option<(u64, u64)>; 3]);

impl Files {
    fn at(path: &Path) -> Self {
        // An index is never empty: one that is was emptied by somebody else.
        let index = beside(path, "-shm");
        let has_index = fs::metadata(&index).is_ok_and(|index| index.len() > 0);
        let index = if has_index { file::identity(&index) } else { None };
        Self([file::identity(path), file::identity(&beside(path, "-wal")), index])
    }
}

impl OpenFile {
    /// The file at a path, as this process has it open already, or is about to.
    pub(super) fn at(path: &Path, is_read_only: bool) -> Arc<Self> {
        static OPEN: LazyLock<Mutex<HashMap<PathBuf, Weak<OpenFile>>>> = LazyLock::new(Mutex::default);
        let key = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = open.get(&key).and_then(Weak::upgrade) {
            return file;
        }
        open.retain(|_, file| file.strong_count() > 0);
        let file = Arc::new(Self::closed(path, is_read_only));
        open.insert(key, Arc::downgrade(&file));
        file
    }

    /// A file that nobody else opens.
    pub(super) fn of_new(path: &Path, pool: AnyPool) -> Arc<Self> {
        let opened = Some(Opened { pool, files: Files::at(path) }).into();
        Arc::new(Self { opened, ..Self::closed(path, false) })
    }

    fn closed(path: &Path, is_read_only: bool) -> Self {
        Self { path: path.to_owned(), is_read_only, opened: None.into() }
    }

    /// Its connections, to the files that are there now. Whoever has one of them does not ask for more.
    pub(super) async fn pool(
        &self,
        failed: impl Fn(sqlx::Error) -> RegistryError,
    ) -> Result<AnyPool, RegistryError> {
        let mut opened = self.opened.lock().await;
        if let Some(Opened { pool, files }) = &*opened {
            if !pool.is_closed() && *files == Files::at(&self.path) {
                return Ok(pool.clone());
            }
            if !pool.is_closed() {
                tracing::warn!(
                    "{}, its write-ahead log or the index of that was removed or replaced: the registry is opened again",
                    self.path.display()
                );
            }
            // Of several connections one may be used until its user is done.
            let closed = tokio::time::timeout(BUSY, pool.close()).await;
            closed.map_err(|_| failed(sqlx::Error::PoolTimedOut))?;
        }
        if file::look(&self.path)? == Found::Nothing {
            return Err(RegistryError::Gone { file: self.path.clone() });
        }
        if !self.is_read_only {
            others(&self.path).await?;
        }
        let pool = file::open(&self.path, self.is_read_only).await.map_err(&failed)?;
        *opened = Some(Opened { pool: pool.clone(), files: Files::at(&self.path) });
        Ok(pool)
    }

    /// Whether the files that are open are still there.
    pub(super) async fn is_there(&self) -> bool {
        let opened = self.opened.lock().await;
        opened.as_ref().is_some_and(|opened| opened.files == Files::at(&self.path))
    }
}

/// Waits for another process that has the file, its log or the log's index open, and not the others that are there.
async fn others(path: &Path) -> Result<(), RegistryError> {
    let what =
        format!("the write-ahead log of {}, which was removed or replaced while it was open", path.display());
    let mut wait = Wait::begin(what, BUSY);
    while let Some(other) = other(path) {
        wait.look(|| Some(Holder::of_process(other)))?;
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// A process that has only some of the files open. Each has the file and the index locked for as long as it has them
/// open.
fn other(path: &Path) -> Option<u32> {
    let index = beside(path, "-shm");
    let [of_file, of_index]: [BTreeSet<u32>; 2] = [Holder::all_of_file(path), Holder::all_of_file(&index)];
    let all = || of_file.union(&of_index).copied();
    let apart = all().find(|process| of_file.contains(process) != of_index.contains(process));
    let without_log = || all().next().filter(|_| !beside(path, "-wal").exists());
    apart.or_else(without_log)
}
