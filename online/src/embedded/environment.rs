//! The store's files, opened: one environment of LMDB and its tables.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use heed::types::Bytes;
use heed::{CommitOrAbort, Database, EnvFlags, EnvOpenOptions, WithoutTls};

use super::contents::{
    ABOUT, CHANGES, Contents, DROPPED, FORMAT_KEY, REBUILDING, ROWS, SEALED, STATE, VIEWS,
};
use super::data_file::{FileId, damaged, data_file, read_state};
use super::failed::{Failed, of_heed, of_io};
use super::lock_blocks;
use super::records::Records;
use super::seal::sealed;
use super::walk::Leaves;
use super::writing::{Turns, Writing};
use crate::error::OnlineError;

/// The format of the tables below; the rows have a version of their own.
pub(super) const FORMAT: u32 = SEALED;

/// The largest store, in bytes of address space; halved where the system grants less. Files grow as
/// they are written, whatever this is.
const MAP_BYTES: usize = 1 << 40;
/// The least address space that is worth a store, in bytes.
const LEAST_MAP_BYTES: usize = 1 << 26;
/// Transactions of all processes that may read at once.
const MAX_READERS: u32 = 1024;
/// How long an opening waits for the last user in this process to close the store.
const CLOSING: Duration = Duration::from_secs(10);
/// How often a state is looked for that others write over meanwhile.
const LOOKS: usize = 1000;

/// Its readers have slots for as long as their transactions last. Slots of threads would be given up when a thread
/// ends, in memory that is gone where the store is closed at that moment.
pub(super) type Env = heed::Env<WithoutTls>;

pub(super) type Table = Database<'static, Bytes, Bytes>;

/// The store's files, opened.
#[derive(Debug)]
pub(super) struct Environment {
    pub(super) env: Env,
    turns: Turns,
    pub(super) path: PathBuf,
    /// Which file it is, whatever lies at its path by now.
    file: FileId,
    /// `format`, `next_view`, `state` and `rebuilding`, little-endian; all but the first sealed.
    pub(super) about: Table,
    /// `name@version` to its record.
    pub(super) views: Table,
    /// View number and entity key to packed row and seal.
    pub(super) rows: Table,
    /// Numbers of dropped views whose rows are still to be removed.
    pub(super) dropped: Table,
    /// The last changes: a number, big-endian, to what changed.
    pub(super) changes: Table,
    /// The records of views that were read lately.
    pub(super) records: Records,
    /// Where rows were lost when it was opened.
    lost: HashMap<u32, u32>,
    /// Whether it was still to be filled again from the log when it was opened: of files that are open, it never
    /// is again.
    pub(super) was_rebuilding: bool,
}

impl Environment {
    /// The tables of an environment, made where there are none yet.
    pub(super) fn with_tables(env: Env, path: &Path) -> Result<Self, OnlineError> {
        let failed = |error| of_heed(path, error);
        let file = env.try_clone_inner_file().map_err(failed)?;
        let file = FileId::of(&file).map_err(|error| of_io(path, error))?;
        let tables = match existing_tables(&env).map_err(failed)? {
            Some(tables) => tables,
            // The first format had no table of changes.
            None => new_tables(&env, false).map_err(failed)?,
        };
        let [about, views, rows, dropped, changes] = tables;
        Ok(Self {
            env,
            turns: Turns::of(path),
            path: path.to_owned(),
            file,
            about,
            views,
            rows,
            dropped,
            changes,
            records: Records::default(),
            lost: HashMap::new(),
            was_rebuilding: false,
        })
    }

    /// Notes what is required of the contents that it had when it was opened.
    pub(super) fn note(&mut self, contents: Contents) {
        self.lost = contents.lost.into_iter().collect();
        self.was_rebuilding = contents.is_rebuilding;
    }

    /// Whether rows of this view were lost, so that who is not found may have been there.
    pub(super) fn has_lost(&self, number: u32, recounts: u32) -> bool {
        self.lost.get(&number) == Some(&recounts)
    }

    /// Whether the files at its path are not these any more.
    pub(super) fn is_replaced(&self) -> bool {
        FileId::at(&data_file(&self.path)).is_some_and(|file| file != self.file)
    }

    /// Begins a transaction that writes, once no other process writes.
    pub(super) fn write_txn(&self) -> Result<Writing<'_>, Failed> {
        self.turns.begin(&self.env)
    }

    /// Commits what was written, with the number of the state that it makes. What went into files that
    /// were replaced meanwhile is not acknowledged.
    pub(super) fn commit(&self, mut txn: Writing<'_>) -> Result<(), Failed> {
        let state = (txn.id() as u64).to_le_bytes();
        self.about.put(&mut txn, STATE, &sealed(STATE, &state))?;
        txn.commit()?;
        if FileId::at(&data_file(&self.path)) != Some(self.file) {
            return Err(Failed::Known(OnlineError::Unavailable {
                location: self.path.display().to_string(),
                reason: "its files were replaced meanwhile".to_owned(),
            }));
        }
        Ok(())
    }

    /// Reads all of the state that is the last now.
    pub(super) fn read_whole(&self) -> Result<Contents, OnlineError> {
        read_contents(&self.env, &self.path, Some(Leaves::All))
    }

    pub(super) fn error(&self, failed: Failed) -> OnlineError {
        match failed {
            Failed::Heed(error) => of_heed(&self.path, error),
            Failed::Known(error) => error,
        }
    }
}

/// Reads the newest state, which is kept while it is read.
pub(super) fn read_contents(env: &Env, path: &Path, leaves: Option<Leaves>) -> Result<Contents, OnlineError> {
    let data = data_file(path);
    let failed = |error| of_heed(path, error);
    let file = env.try_clone_inner_file().map_err(failed)?;
    for _ in 0..LOOKS {
        let txn = env.read_txn().map_err(failed)?;
        if let Some(contents) = read_state(&data, &file, txn.id() as u64, leaves)? {
            return Ok(contents);
        }
    }
    Err(damaged(&data, "its first pages do not name the state that its readers know"))
}

pub(super) fn open_env(path: &Path) -> Result<Env, OnlineError> {
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.max_dbs(5).max_readers(MAX_READERS).map_size(MAP_BYTES);
    if files::is_read_only(path) {
        read_only(&mut options);
    }
    let mut map_bytes = MAP_BYTES;
    // Whoever closes it just now in this process allocated blocks before; and to close a file gives its locks up.
    if heed::env_closing_event(path).is_none() {
        lock_blocks::allocate(path, MAX_READERS).map_err(|error| of_io(path, error))?;
    }
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
                        location: path.display().to_string(),
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

/// Of a folder that cannot be written: no reader has a slot there, as no lock can be taken.
#[expect(unsafe_code, reason = "without a lock a writer does not see who reads")]
fn read_only(options: &mut EnvOpenOptions<WithoutTls>) {
    // SAFETY: nothing is written through this folder. Where it is another's view of files that are written elsewhere,
    // a page may be written over while it is read: pages are checked before they are used, and rows by their checksums.
    unsafe {
        options.flags(EnvFlags::READ_ONLY | EnvFlags::NO_LOCK);
    }
}

#[expect(unsafe_code, reason = "a memory map is only as sound as its file")]
fn open_once(options: &EnvOpenOptions<WithoutTls>, path: &Path) -> heed::Result<Env> {
    // SAFETY: the files in the store's folder are written by LMDB alone, which locks them among
    // processes and never changes a page that a reader may see; no flag that weakens this is set; and
    // heed refuses a second environment of one path in one process.
    unsafe { options.open(path) }
}

const TABLES: [&str; 5] = [ABOUT, VIEWS, ROWS, DROPPED, CHANGES];

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

/// Makes the tables that are missing. A store that has none yet gets the newest format.
pub(super) fn new_tables(env: &Env, is_rebuilding: bool) -> heed::Result<[Table; 5]> {
    let txn = env.write_txn()?;
    let opened = env.create_databases_and_commit(txn, |opener, txn| {
        let [about, views, rows, dropped, changes] = TABLES;
        let tables = [
            opener.create_database::<Bytes, Bytes>(txn, Some(about))?,
            opener.create_database(txn, Some(views))?,
            opener.create_database(txn, Some(rows))?,
            opener.create_database(txn, Some(dropped))?,
            opener.create_database(txn, Some(changes))?,
        ];
        let [about, ..] = &tables;
        if about.get(txn, FORMAT_KEY)?.is_none() {
            about.put(txn, FORMAT_KEY, &FORMAT.to_le_bytes())?;
            let state = (txn.id() as u64).to_le_bytes();
            about.put(txn, STATE, &sealed(STATE, &state))?;
        }
        if is_rebuilding {
            about.put(txn, REBUILDING, &sealed(REBUILDING, &[]))?;
        }
        Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(tables))
    });
    opened.map(CommitOrAbort::unwrap_commit)
}
