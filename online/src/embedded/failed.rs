//! What goes wrong in the store on disk, as its callers are to know it.

use std::io;
use std::path::Path;

use heed::MdbError;

use super::data_file::{damaged, data_file};
use crate::error::OnlineError;

/// What goes wrong within one call.
#[derive(Debug)]
pub(super) enum Failed {
    Heed(heed::Error),
    Known(OnlineError),
}

impl From<heed::Error> for Failed {
    fn from(error: heed::Error) -> Self {
        Failed::Heed(error)
    }
}

impl From<OnlineError> for Failed {
    fn from(error: OnlineError) -> Self {
        Failed::Known(error)
    }
}

pub(super) fn of_heed(path: &Path, error: heed::Error) -> OnlineError {
    let path = path.to_owned();
    let reason = error.to_string();
    match error {
        heed::Error::Io(error) => of_io(&path, error),
        heed::Error::Mdb(MdbError::MapFull | MdbError::TxnFull) => OnlineError::Full { path, reason },
        heed::Error::Mdb(MdbError::ReadersFull) => {
            OnlineError::Unavailable { location: path.display().to_string(), reason }
        }
        heed::Error::Mdb(MdbError::MapResized) => OnlineError::Unusable {
            path,
            reason: "another process let it grow beyond the address space of this one; raise the limit (ulimit -v)"
                .to_owned(),
        },
        heed::Error::Mdb(
            MdbError::Invalid
            | MdbError::VersionMismatch
            | MdbError::Corrupted
            | MdbError::PageNotFound
            | MdbError::Panic
            | MdbError::Incompatible
            | MdbError::BadDbi,
        ) => damaged(&data_file(&path), reason),
        _ => OnlineError::Unusable { path, reason },
    }
}

/// What LMDB says of a write of which the system took only a part, as it does when the disk gets full.
const CUT_SHORT: i32 = 5;

pub(super) fn of_io(path: &Path, error: io::Error) -> OnlineError {
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
