//! Readers of a log that last: while one reads, no vacuum removes the files of its version. Versions that a vacuum keeps for
//! a while cover those that do not last. The lock ends with its process.

use std::fs::{File, OpenOptions};

use crate::error::OfflineError;
use crate::log::table::READ_LOCK;
use crate::log::view_log::Log;

/// The right to read the files of a version of a log, or to remove files of older ones.
#[derive(Debug)]
pub struct ReadLock {
    /// None where the folder takes no locks: then it is read-only, and nobody removes anything.
    _file: Option<File>,
}

impl ReadLock {
    /// Keeps vacuums away, as long as it lives. One that runs already goes on: what it removes was decided before, so it
    /// removes no file of a version that is opened after this.
    pub fn of_reader(log: &Log) -> Self {
        let file = open(log).ok().flatten().filter(|file| file.try_lock_shared().is_ok());
        Self { _file: file }
    }

    /// Keeps other vacuums away; `None` while somebody reads, or another vacuum runs.
    pub fn of_vacuum(log: &Log) -> Result<Option<Self>, OfflineError> {
        let Some(file) = open(log)? else { return Ok(None) };
        Ok(file.try_lock().is_ok().then_some(Self { _file: Some(file) }))
    }
}

fn open(log: &Log) -> Result<Option<File>, OfflineError> {
    if log.version().is_none() {
        return Ok(None);
    }
    let path = log.folder()?.join(READ_LOCK);
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    file.map(Some).map_err(|error| OfflineError::file("write", &path, error))
}
