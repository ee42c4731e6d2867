//! The blocks of LMDB's lock file. LMDB makes it as one hole and writes to it as to memory: where the disk is full, the
//! system has no page for what is written, and writers would not keep each other out. So its blocks are there before
//! LMDB opens it.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::data_file::lock_file;

/// Bytes of what LMDB keeps for a reader, and of what it keeps beside the readers, in which one has its slot.
const READER_BYTES: u64 = 64;
const TABLE_BYTES: u64 = 192;
/// The unit of what the system says a file takes up.
const BLOCK_BYTES: u64 = 512;

/// Gives the lock file of a store its blocks. A file that is there keeps its length. A file that cannot be
/// written, and a file system that allocates nothing ahead, are left to LMDB.
pub(super) fn allocate(folder: &Path, readers: u32) -> io::Result<()> {
    let path = lock_file(folder);
    let about = path.metadata();
    if about.as_ref().is_ok_and(|about| about.len() > 0 && about.blocks() * BLOCK_BYTES >= about.len()) {
        return Ok(());
    }
    let Ok(file) = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path) else {
        return Ok(());
    };
    let whole = u64::from(readers - 1) * READER_BYTES + TABLE_BYTES;
    let length = file.metadata().map(|about| about.len()).ok().filter(|length| *length > 0);
    allocate_blocks(&file, length.unwrap_or(whole))
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "the standard library does not allocate blocks ahead")]
fn allocate_blocks(file: &std::fs::File, length: u64) -> io::Result<()> {
    use std::os::fd::AsRawFd;

    let length = libc::off_t::try_from(length).map_err(io::Error::other)?;
    // SAFETY: the descriptor is open for as long as the file is borrowed, and no memory is handed over.
    if unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, length) } == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => Err(error),
        _ => Ok(()),
    }
}

#[cfg(not(target_os = "linux"))]
fn allocate_blocks(_: &std::fs::File, _: u64) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::opening;
    use super::*;

    #[test]
    fn the_lock_file_of_a_store_has_all_its_blocks_also_where_it_had_holes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock.mdb");
        let has_holes = || {
            let about = path.metadata().unwrap();
            about.blocks() * BLOCK_BYTES < about.len()
        };
        drop(opening::open(folder.path()).unwrap());
        assert!(!has_holes());
        let length = path.metadata().unwrap().len();
        fs::File::create(&path).unwrap().set_len(length).unwrap();
        assert!(has_holes());
        let store = opening::open(folder.path()).unwrap();
        assert!(!has_holes());
        assert_eq!(path.metadata().unwrap().len(), length);
        drop(store);
    }
}
