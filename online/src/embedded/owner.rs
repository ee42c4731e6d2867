//! Whose rows a store on disk has: a file beside them, with the words of their writer.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use super::failed::of_io;
use crate::error::OnlineError;

const FILE: &str = "owner";

/// Whose rows these are; `None` if nobody has said so.
pub(super) fn owner(folder: &Path) -> Result<Option<String>, OnlineError> {
    match fs::read_to_string(folder.join(FILE)) {
        Ok(owner) => Ok(Some(owner)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(of_io(folder, error)),
    }
}

/// Says whose rows these are: the file is there whole, or not at all.
pub(super) fn set_owner(folder: &Path, owner: &str) -> Result<(), OnlineError> {
    /// Several views are written side by side.
    static WRITTEN: AtomicU64 = AtomicU64::new(0);
    let write = || {
        let count = WRITTEN.fetch_add(1, Ordering::Relaxed);
        let new = folder.join(format!("{FILE}.{}.{count}", std::process::id()));
        let mut file = File::create(&new)?;
        file.write_all(owner.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, folder.join(FILE))?;
        File::open(folder)?.sync_all()
    };
    write().map_err(|error| of_io(folder, error))
}
