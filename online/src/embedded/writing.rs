//! One writer at a time. LMDB waits for the writer of another process without a word and without end, so whoever
//! writes first locks a file, by which the others know it: they say for whom they wait, and give up after a bound.

use std::fs::{File, OpenOptions};
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use heed::{Env, RwTxn, WithoutTls};

use super::failed::Failed;
use crate::error::OnlineError;

/// How long a writer waits for another one: longer than any transaction takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whose turn it is to write.
#[derive(Debug)]
pub(super) struct Turns {
    path: PathBuf,
    /// `None` where the folder takes no file: then LMDB alone keeps writers apart.
    file: Mutex<Option<File>>,
}

/// A transaction that writes. Other processes know this one as the writer while it lasts.
pub(super) struct Writing<'e> {
    // It ends before the turn does: fields are dropped in this order.
    txn: RwTxn<'e>,
    _turn: Turn<'e>,
}

struct Turn<'e>(MutexGuard<'e, Option<File>>);

impl Turns {
    pub(super) fn of(folder: &Path) -> Self {
        let path = folder.join("writing.lock");
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path).ok();
        Self { path, file: Mutex::new(file) }
    }

    /// Begins a transaction that writes. Where another process writes, it is waited for, and named.
    pub(super) fn begin<'e>(&'e self, env: &'e Env<WithoutTls>) -> Result<Writing<'e>, Failed> {
        let turn = Turn(self.file.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(file) = turn.0.as_ref() {
            self.wait_for(file)?;
        }
        Ok(Writing { txn: env.write_txn()?, _turn: turn })
    }

    fn wait_for(&self, file: &File) -> Result<(), Failed> {
        let location = || self.path.parent().unwrap_or(&self.path).display().to_string();
        let what = || format!("its turn to write to the online store {}", location());
        locks::lock(file, &self.path, what, PATIENCE).map_err(|locked| {
            OnlineError::Unavailable { location: location(), reason: locked.to_string() }.into()
        })
    }
}

impl Writing<'_> {
    pub(super) fn commit(self) -> heed::Result<()> {
        // The turn ends with this function, after the transaction.
        let Self { txn, _turn } = self;
        txn.commit()
    }
}

impl<'e> Deref for Writing<'e> {
    type Target = RwTxn<'e>;

    fn deref(&self) -> &RwTxn<'e> {
        &self.txn
    }
}

impl<'e> DerefMut for Writing<'e> {
    fn deref_mut(&mut self) -> &mut RwTxn<'e> {
        &mut self.txn
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(file) = self.0.as_ref() {
            // A file that cannot be unlocked is unlocked when it is closed.
            drop(file.unlock());
        }
    }
}
