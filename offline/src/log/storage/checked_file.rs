//! A Parquet file of a log, of which nothing is given that does not match its checksums.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::damage::Damaged;
use crate::log::storage::block_sums::{self, BlockSums, Unreadable};

/// Bytes that are read at a time where all of a file is.
const WHOLE_BYTES: u64 = 4 << 20;

/// An open file of a log. A file that was written without checksums is read as it is.
#[derive(Debug, Clone)]
pub(crate) struct CheckedFile {
    file: Arc<File>,
    path: Arc<PathBuf>,
    length: u64,
    sums: Option<Arc<BlockSums>>,
    /// Damage that was found, by whichever clone: readers of Parquet keep only the text of an error.
    found: Arc<OnceLock<Damaged>>,
}

impl CheckedFile {
    /// Opens a file. Damage is an error that goes back to [`Damaged`].
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let sums = BlockSums::read(&file, &name, length).map_err(|error| match error {
            Unreadable::Damaged(why) => Damaged::new(path, why).into(),
            Unreadable::Failed(error) => error,
        })?;
        let (file, path) = (Arc::new(file), Arc::new(path.to_owned()));
        Ok(Self { file, path, length, sums: sums.map(Arc::new), found: Arc::default() })
    }

    /// Opens a file that has this length by what its commit says.
    pub(crate) fn of_length(path: &Path, length: u64) -> io::Result<Self> {
        check_length(path, length)?;
        Self::open(path)
    }

    /// Where it lies, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Whether what is read is checked.
    pub(crate) fn has_sums(&self) -> bool {
        self.sums.is_some()
    }

    /// Some bytes of the file.
    pub(crate) fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        let Some(sums) = &self.sums else { return block_sums::read_shared(&self.file, range) };
        if let Some(bytes) = sums.of_footer(&range) {
            return Ok(bytes);
        }
        let blocks = sums.blocks_of(&range);
        let whole = blocks.start.min(range.start)..blocks.end.max(range.end);
        let bytes = block_sums::read_shared(&self.file, whole.clone())?;
        let skipped = |at: u64| usize::try_from(at - whole.start).map_err(io::Error::other);
        if !blocks.is_empty() {
            let of_blocks = bytes.slice(skipped(blocks.start)?..skipped(blocks.end)?);
            if let Some(at) = sums.mismatch(blocks.start, &of_blocks) {
                let damaged = self.damaged(format!("its bytes from {at} on do not match their checksum"));
                return Err(self.found.get_or_init(|| damaged).clone().into());
            }
        }
        Ok(bytes.slice(skipped(range.start)?..skipped(range.end)?))
    }

    /// Reads all of it, for nothing but to check it.
    pub(crate) fn check(&self) -> io::Result<()> {
        let body = self.sums.as_ref().map_or(self.length, |sums| sums.body());
        let mut at = 0;
        while at < body {
            let end = body.min(at + WHOLE_BYTES);
            self.read(at..end)?;
            at = end;
        }
        Ok(())
    }

    /// Damage that was found while the file was read.
    pub(crate) fn found(&self) -> Option<&Damaged> {
        self.found.get()
    }

    fn damaged(&self, why: impl Into<String>) -> Damaged {
        Damaged::new(&self.path, why)
    }
}

/// Refuses a file that has not the length that its commit says.
pub(crate) fn check_length(path: &Path, length: u64) -> io::Result<()> {
    let found = match std::fs::metadata(path) {
        Ok(found) => Some(found.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    Ok(compare_length(path, found, Some(length))?)
}

/// The same of a file whose length was found otherwise; `None` is that of one that is not there.
pub(crate) fn compare_length(path: &Path, found: Option<u64>, length: Option<u64>) -> Result<(), Damaged> {
    match (found, length) {
        (Some(found), Some(length)) if found != length => {
            Err(Damaged::new(path, format!("it has {found} bytes, and its commit says {length}")))
        }
        (Some(_), _) => Ok(()),
        (None, _) => Err(Damaged::new(path, "it is missing, and a commit names it")),
    }
}
