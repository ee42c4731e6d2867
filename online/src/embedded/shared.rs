//! One store of a process: LMDB allows an environment once in a process, so all openings of a path share it.
//! Where its files are replaced, as a rebuild of a damaged store does, all go on with those that are there.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::Instant;

use super::changes;
use super::contents::REBUILDING;
use super::data_file::{data_file, lock_file, remove_if_there, replaced_file, whole_file};
use super::environment::Environment;
use super::failed::{Failed, of_io};
use super::opening::{self, alone, create};
use super::seal::sealed;
use crate::error::OnlineError;

/// How often readers look whether the files were replaced, in milliseconds.
const LOOK_EVERY_MS: u64 = 50;

/// A store's folder, and its files as they are open now.
#[derive(Debug)]
pub(super) struct Shared {
    path: PathBuf,
    /// None where they were replaced by what cannot be opened.
    current: RwLock<Option<Arc<Environment>>>,
    opened: Instant,
    looked_ms: AtomicU64,
}

static OPEN: Mutex<Option<HashMap<PathBuf, Weak<Shared>>>> = Mutex::new(None);

impl Shared {
    /// The folder of the store.
    pub(super) fn folder(&self) -> &Path {
        &self.path
    }

    pub(super) fn open(path: &Path) -> Result<Arc<Shared>, OnlineError> {
        fs::create_dir_all(path).map_err(|error| of_io(path, error))?;
        let path = path.canonicalize().map_err(|error| of_io(path, error))?;
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        let open = open.get_or_insert_default();
        if let Some(shared) = open.get(&path).and_then(Weak::upgrade) {
            shared.newest()?;
            return Ok(shared);
        }
        let shared = Arc::new(Self {
            current: RwLock::new(Some(Arc::new(opening::open(&path)?))),
            path: path.clone(),
            opened: Instant::now(),
            looked_ms: AtomicU64::new(0),
        });
        open.retain(|_, shared| shared.strong_count() > 0);
        open.insert(path, Arc::downgrade(&shared));
        Ok(shared)
    }

    /// The files as they were a moment ago.
    pub(super) fn current(&self) -> Result<Arc<Environment>, OnlineError> {
        let now = self.opened.elapsed().as_millis() as u64;
        if now.saturating_sub(self.looked_ms.load(Ordering::Relaxed)) < LOOK_EVERY_MS
            && let Some(environment) = &*self.current.read().unwrap_or_else(PoisonError::into_inner)
        {
            return Ok(Arc::clone(environment));
        }
        self.looked_ms.store(now, Ordering::Relaxed);
        self.newest()
    }

    /// The files that are there now.
    pub(super) fn newest(&self) -> Result<Arc<Environment>, OnlineError> {
        if let Some(environment) = &*self.current.read().unwrap_or_else(PoisonError::into_inner)
            && !environment.is_replaced()
        {
            return Ok(Arc::clone(environment));
        }
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        // It is closed once those who read in it have ended.
        drop(current.take_if(|environment| environment.is_replaced()));
        match &*current {
            Some(environment) => Ok(Arc::clone(environment)),
            None => Ok(Arc::clone(current.insert(Arc::new(opening::open(&self.path)?)))),
        }
    }
}

impl Shared {
    /// Replaces the files by others into which everything that is in the tables now is written: in LMDB's own files the
    /// bytes of removed rows stay in pages that are free, and their keys in branches, where they divide others. A copy of
    /// its pages has these, too. Readers go on in the old files for a moment; writers wait, and then write to the new ones.
    pub(super) fn purge(&self) -> Result<(), OnlineError> {
        let path = &self.path;
        let failed = |error| of_io(path, error);
        let _alone = alone(path)?;
        remove_if_there(&replaced_file(path)).map_err(failed)?;
        remove_if_there(&whole_file(path)).map_err(failed)?;
        let environment = self.newest()?;
        let of_failed = |error: Failed| environment.error(error);
        // The list of changes holds keys, too.
        let mut txn = environment.write_txn().map_err(of_failed)?;
        changes::forget(&environment, &mut txn).map_err(|error| of_failed(error.into()))?;
        environment.commit(txn).map_err(of_failed)?;
        // Nobody writes until the new files are in place.
        let turn = environment.write_txn().map_err(of_failed)?;
        let new = path.join("new");
        match fs::remove_dir_all(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => fs::create_dir_all(&new).map_err(failed)?,
        }
        opening::copy(&environment, &new)?;
        let replace = || {
            File::open(data_file(&new))?.sync_all()?;
            fs::rename(data_file(&new), whole_file(path))?;
            fs::remove_dir_all(&new)?;
            File::open(path)?.sync_all()?;
            fs::rename(data_file(path), replaced_file(path))?;
            opening::name_whole(path)?;
            remove_if_there(&replaced_file(path))?;
            File::open(path)?.sync_all()
        };
        replace().map_err(failed)?;
        // LMDB opens one path once in a process: the old files are closed first.
        drop(turn);
        drop(environment);
        self.newest().map(drop)
    }
}

/// Whether this says that a store's files cannot be used as they are, and new ones can replace them.
fn is_damage(error: &OnlineError) -> bool {
    matches!(error, OnlineError::DamagedFile { .. })
}

/// In what condition a store was found, and what was done about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Condition {
    /// It can be read and written.
    Sound,
    /// The same, and it is still to be filled again from the log: whoever is not found in it is not said to be
    /// absent.
    Unfinished,
    /// It could not be used. An empty one that is unfinished has replaced it.
    Replaced {
        /// Where the damaged file lies now; none where it was missing.
        aside: Option<PathBuf>,
    },
}

/// Finds out whether a store can be used. Where it cannot, its file is put aside, under a name that ends with
/// this, and replaces it by an empty one.
pub(super) fn repair(path: &Path, suffix: &str) -> Result<(Arc<Shared>, Condition), OnlineError> {
    let usable = |shared: Arc<Shared>| {
        let environment = shared.newest()?;
        let is_rebuilding = is_rebuilding(&environment).map_err(|failed| environment.error(failed))?;
        Ok((shared, if is_rebuilding { Condition::Unfinished } else { Condition::Sound }))
    };
    match Shared::open(path) {
        Err(error) if is_damage(&error) => {}
        opened => return usable(opened?),
    }
    let failed = |error| of_io(path, error);
    let alone = alone(path)?;
    let data = data_file(path);
    if data.exists() {
        // Another process may have been faster.
        match Shared::open(path) {
            Err(error) if is_damage(&error) => {}
            opened => return usable(opened?),
        }
    }
    // Its readers and writers are those of the old file.
    let lock = lock_file(path);
    if lock.exists() {
        fs::remove_file(lock).map_err(failed)?;
    }
    let mut aside = None;
    if data.exists() {
        let to = path.join(format!("data.mdb.damaged-{suffix}"));
        fs::rename(&data, &to).map_err(failed)?;
        aside = Some(to);
    }
    create(path, true)?;
    drop(alone);
    Ok((Shared::open(path)?, Condition::Replaced { aside }))
}

/// Whether the store is still to be filled again from the log.
pub(super) fn is_rebuilding(environment: &Environment) -> Result<bool, Failed> {
    let txn = environment.env.read_txn()?;
    Ok(environment.about.get(&txn, REBUILDING)? == Some(&sealed(REBUILDING, &[])))
}

/// Notes that it is filled.
pub(super) fn end_rebuilding(environment: &Environment) -> Result<(), Failed> {
    let mut txn = environment.write_txn()?;
    if environment.about.delete(&mut txn, REBUILDING)? { environment.commit(txn) } else { Ok(()) }
}
