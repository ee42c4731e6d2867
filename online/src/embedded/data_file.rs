//! The store's file before LMDB maps it: LMDB ends the process where a page that it was promised is not there,
//! or holds what it does not expect.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::contents::{Contents, contents};
use super::page::Meta;
use super::walk::{Fault, Leaves, Walk};
use crate::error::OnlineError;

const DATA: &str = "data.mdb";
const LOCK: &str = "lock.mdb";

/// Bytes of a meta page that are read.
const META_BYTES: usize = 152;
/// Of a store up to this size, in bytes, every page is read when a process opens it; of a larger one all but
/// the leaves of its rows.
pub(super) const READ_WHOLE_BYTES: u64 = 256 << 20;

/// The file in a store's folder.
pub(super) fn data_file(folder: &Path) -> PathBuf {
    folder.join(DATA)
}

/// The file of readers and writers in a store's folder.
pub(super) fn lock_file(folder: &Path) -> PathBuf {
    folder.join(LOCK)
}

/// A whole copy of the data file, on its way to replace it.
pub(super) fn whole_file(folder: &Path) -> PathBuf {
    folder.join("data.mdb.whole")
}

/// The data file that such a copy replaces.
pub(super) fn replaced_file(folder: &Path) -> PathBuf {
    folder.join("data.mdb.replaced")
}

pub(super) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A file, whatever its name becomes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct FileId(u64, u64);

impl FileId {
    /// Of the file at a path; none where there is none.
    pub(super) fn at(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().map(|metadata| Self(metadata.dev(), metadata.ino()))
    }

    pub(super) fn of(file: &File) -> io::Result<Self> {
        file.metadata().map(|metadata| Self(metadata.dev(), metadata.ino()))
    }
}

/// A store's file that is not what was written.
pub(super) fn damaged(file: &Path, what: impl Into<String>) -> OnlineError {
    OnlineError::DamagedFile { file: file.to_owned(), what: what.into() }
}

/// The two meta pages, and that the file has the pages of the newer one.
fn metas(file: &File) -> Result<[Meta; 2], Fault> {
    let flawed = |flaw: &str| Fault::Damaged(flaw.to_owned());
    if file.metadata()?.len() == 0 {
        return Err(flawed("it is empty"));
    }
    let read = |number: u64, at: u64| {
        let mut page = [0; META_BYTES];
        file.read_exact_at(&mut page, at).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => flawed("it ends within its first pages"),
            _ => Fault::Io(error),
        })?;
        Meta::read(&page, number).map_err(flawed)
    };
    let first = read(0, 0)?;
    let second = read(1, first.free.pad.into())?;
    if first.free.pad != second.free.pad {
        return Err(flawed("its first pages differ in the size of pages"));
    }
    Ok([first, second])
}

/// Checks what LMDB reads of the file when it opens it.
pub(super) fn check_head(path: &Path) -> Result<(), OnlineError> {
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let check = || {
        let newest = metas(&file)?.into_iter().max_by_key(|meta| meta.state);
        newest.map_or(Ok(()), |meta| Walk::new(&file, &meta).map(|_| ()))
    };
    check().map_err(|fault| refusal(path, fault))
}

/// Reads the state of this number. Whoever calls it keeps that state from being written over. None where the
/// state is not there any more, or not yet.
pub(super) fn read_state(
    path: &Path,
    file: &File,
    state: u64,
    leaves: Option<Leaves>,
) -> Result<Option<Contents>, OnlineError> {
    let read = || {
        let Some(meta) = metas(file)?.into_iter().find(|meta| meta.state == state) else { return Ok(None) };
        let bytes = meta.last_page.saturating_mul(meta.free.pad.into());
        let leaves =
            leaves.unwrap_or(if bytes <= READ_WHOLE_BYTES { Leaves::All } else { Leaves::AllButRows });
        contents(&mut Walk::new(file, &meta)?, &meta, leaves).map(Some)
    };
    read().map_err(|fault| refusal(path, fault))
}

fn refusal(path: &Path, fault: Fault) -> OnlineError {
    match fault {
        Fault::Io(error) => unreadable(path, &error),
        Fault::Damaged(what) => damaged(path, what),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> OnlineError {
    let reason = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "this user may not read and write its files: give it the rights to them".to_owned()
        }
        _ => error.to_string(),
    };
    OnlineError::Unusable { path: path.to_owned(), reason }
}
