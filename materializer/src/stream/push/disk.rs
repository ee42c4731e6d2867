//! Files of a topic: opened, and made durable with their folder.

use std::fs::File;
use std::path::Path;

use super::push_error::PushError;

pub(super) fn file(path: &Path) -> Result<File, PushError> {
    let opened = File::options().read(true).write(true).create(true).truncate(false).open(path);
    opened.map_err(PushError::disk(path))
}

/// A file that was made is found after a power loss only once its folder is synced.
pub(super) fn sync_folder(folder: &Path) -> Result<(), PushError> {
    File::open(folder).and_then(|opened| opened.sync_all()).map_err(PushError::disk(folder))
}
