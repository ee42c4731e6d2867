//! Opening the store on disk: one environment for all of a process, and what its files must be.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, EnvOpenOptions, MdbError};

use super::records::Records;
use crate::error::OnlineError;

/// The format of the tables below; the rows have a version of their own.
pub(super) const FORMAT: u32 = 2;
/// The format without a table of changes, which is added when such a store is opened.
const WITHOUT_CHANGES: u32 = 1;

/// The largest store, in bytes of address space; halved where the system grants less. Files grow as
/// they are written, whatever this is.
const MAP_BYTES: usize = 1 << 40;
/// The least address space that is worth a store, in bytes.
const LEAST_MAP_BYTES: usize = 1 << 26;
/// Threads of all processes that may ever have read.
const MAX_READERS: u32 = 1024;
/// How long an opening waits for the last user in this process to close the store.
const CLOSING: Duration = Duration::from_secs(10);

pub(super) type Table = Database<'static, Bytes, Bytes>;

/// The store's files, opened.
#[derive(Debug)]
pub(super) struct Environment {
    pub(super) env: Env,
    pub(super) path: PathBuf,
    /// `format` and `next_view`, little-endian.
    pub(super) about: Table,
    /// `name@version` to its record.
    pub(super) views: Table,
    /// View number and entity key to packed row.
    pub(super) rows: Table,
    /// Numbers of dropped views whose rows are still to be removed.
    pub(super) dropped: Table,
    /// The last changes: a number, big-endian, to what changed.
    pub(super) changes: Table,
    /// The records of views that were read lately.
    pub(super) records: Records,
}

/// LMDB allows an environment once in a process: all openings of a path share it.
static OPEN: Mutex<Option<HashMap<PathBuf, Weak<Environment>>>> = Mutex::new(None);

impl Environment {
    pub(super) fn open(path: &Path) -> Result<Arc<Environment>, OnlineError> {
        let unusable = |error: io::Error| of_io(path, error);
        fs::create_dir_all(path).map_err(unusable)?;
        let path = path.canonicalize().map_err(unusable)?;
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        let open = open.get_or_insert_default();
        if let Some(environment) = open.get(&path).and_then(Weak::upgrade) {
            return Ok(environment);
        }
        let environment = Arc::new(open_tables(open_env(&path)?, path.clone())?);
        open.retain(|_, environment| environment.strong_count() > 0);
        open.insert(path, Arc::downgrade(&environment));
        Ok(environment)
    }

    pub(super) fn error(&self, error: heed::Error) -> OnlineError {
        of_heed(&self.path, error)
    }
}

fn open_env(path: &Path) -> Result<Env, OnlineError> {
    let mut options = EnvOpenOptions::new();
    options.max_dbs(5).max_readers(MAX_READERS).map_size(MAP_BYTES);
    let mut map_bytes = MAP_BYTES;
    loop {
        match open_once(&options, path) {
            Ok(env) => {
                env.clear_stale_readers().map_err(|error| of_heed(path, error))?;
                return Ok(env);
            }
            // The last user is just closing it.
            Err(heed::Error::EnvAlreadyOpened) => {
                let closed = heed::env_closing_event(path).is_none_or(|event| event.wait_timeout(CLOSING));
                if !closed {
                    return Err(OnlineError::Unavailable {
                        place: path.display().to_string(),
                        reason: "it is open elsewhere in this process".to_owned(),
                    });
                }
            }
            Err(heed::Error::Io(error))
                if error.kind() == io::ErrorKind::OutOfMemory && map_bytes > LEAST_MAP_BYTES =>
            {
                map_bytes /= 2;
                options.map_size(map_bytes);
            }
            Err(error) => return Err(of_heed(path, error)),
        }
    }
}

#[expect(unsafe_code, reason = "a memory map is only as sound as its file")]
fn open_once(options: &EnvOpenOptions, path: &Path) -> heed::Result<Env> {
    // SAFETY: the files in the store's folder are written by LMDB alone, which locks them among
    // processes and never changes a page that a reader may see; no flag that weakens this is set; and
    // heed refuses a second environment of one path in one process.
    unsafe { options.open(path) }
}

fn open_tables(env: Env, path: PathBuf) -> Result<Environment, OnlineError> {
    let open = |env: &Env, tables: Option<[Table; 5]>| match tables {
        Some(tables) => Ok(tables),
        None => new_tables(env).map_err(|error| of_heed(&path, error)),
    };
    let existing = existing_tables(&env).map_err(|error| of_heed(&path, error))?;
    let [about, views, rows, dropped, changes] = open(&env, existing)?;
    let mut environment = Environment {
        env,
        path: path.clone(),
        about,
        views,
        rows,
        dropped,
        changes,
        records: Records::default(),
    };
    let mut format = environment.format()?;
    if format == WITHOUT_CHANGES {
        [environment.about, .., environment.changes] = open(&environment.env, None)?;
        format = environment.format()?;
    }
    if format != FORMAT {
        let what = format!("the online store at {}", environment.path.display());
        return Err(OnlineError::Newer { what, found: format, known: FORMAT });
    }
    Ok(environment)
}

const TABLES: [&str; 5] = ["about", "views", "rows", "dropped", "changes"];

/// The tables of a store that another opening made; none where they are still to be made.
fn existing_tables(env: &Env) -> heed::Result<Option<[Table; 5]>> {
    let txn = env.read_txn()?;
    let opened = env.open_databases_and_commit(txn, |opener, txn| {
        let mut tables = Vec::new();
        for name in TABLES {
            match opener.open_database::<Bytes, Bytes>(txn, Some(name))? {
                Some(table) => tables.push(table),
                None => return Ok(CommitOrAbort::Abort(())),
            }
        }
        match <[_; 5]>::try_from(tables) {
            Ok(tables) => Ok(CommitOrAbort::Commit(tables)),
            Err(_) => Ok(CommitOrAbort::Abort(())),
        }
    });
    opened.map(|opened: CommitOrAbort<[Table; 5], ()>| opened.commit())
}

fn new_tables(env: &Env) -> heed::Result<[Table; 5]> {
    let txn = env.write_txn()?;
    let made = env.create_databases_and_commit(txn, |opener, txn| {
        let [about, views, rows, dropped, changes] = TABLES;
        let tables = [
            opener.create_database::<Bytes, Bytes>(txn, Some(about))?,
            opener.create_database(txn, Some(views))?,
            opener.create_database(txn, Some(rows))?,
            opener.create_database(txn, Some(dropped))?,
            opener.create_database(txn, Some(changes))?,
        ];
        let [about, ..] = &tables;
        let format = about.get(txn, b"format")?;
        if format.is_none() || format == Some(&WITHOUT_CHANGES.to_le_bytes()) {
            about.put(txn, b"format", &FORMAT.to_le_bytes())?;
        }
        Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(tables))
    });
    made.map(CommitOrAbort::unwrap_commit)
}

impl Environment {
    pub(super) fn format(&self) -> Result<u32, OnlineError> {
        let txn = self.env.read_txn().map_err(|error| self.error(error))?;
        let bytes = self.about.get(&txn, b"format").map_err(|error| self.error(error))?;
        bytes
            .and_then(|bytes| bytes.try_into().ok())
            .map(u32::from_le_bytes)
            .filter(|format| *format > 0)
            .ok_or_else(|| OnlineError::Unusable {
                path: self.path.clone(),
                reason: "its format is not noted in it; move the folder away and sync from the log"
                    .to_owned(),
            })
    }
}

pub(super) fn of_heed(path: &Path, error: heed::Error) -> OnlineError {
    let path = path.to_owned();
    let reason = error.to_string();
    match error {
        heed::Error::Io(error) => of_io(&path, error),
        heed::Error::Mdb(MdbError::MapFull | MdbError::TxnFull) => OnlineError::Full { path, reason },
        heed::Error::Mdb(MdbError::ReadersFull) => {
            OnlineError::Unavailable { place: path.display().to_string(), reason }
        }
        heed::Error::Mdb(MdbError::MapResized) => OnlineError::Unusable {
            path,
            reason: "another process let it grow beyond the address space of this one; raise the limit (ulimit -v)"
                .to_owned(),
        },
        heed::Error::Mdb(MdbError::Invalid | MdbError::VersionMismatch) => OnlineError::Unusable {
            path,
            reason: "its files are no online store; move the folder away and sync from the log".to_owned(),
        },
        _ => OnlineError::Unusable { path, reason },
    }
}

/// What LMDB says of a write of which the system took only a part, as it does when the disk gets full.
const CUT_SHORT: i32 = 5;

fn of_io(path: &Path, error: io::Error) -> OnlineError {
    let (path, reason) = (path.to_owned(), error.to_string());
    match error.kind() {
        _ if error.raw_os_error() == Some(CUT_SHORT) => {
            let reason = "a write was cut short: the disk is full, or it fails".to_owned();
            OnlineError::Full { path, reason }
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            OnlineError::Full { path, reason }
        }
        _ => OnlineError::Unusable { path, reason },
    }
}
