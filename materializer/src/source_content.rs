//! What a source's file holds, as one number, and whether it still is the file of which that was taken.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;

use sha2::{Digest, Sha256};

use crate::error::MaterializerError;
use crate::source_files::SourceFile;

/// The content of a file, and which file it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Content {
    /// The first 63 bits of the SHA-256 of its bytes.
    pub(crate) hash: i64,
    identity: Identity,
}

/// What is another where a file was replaced or written to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Identity {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Content {
    /// Reads a file's content.
    pub(crate) fn of(file: &SourceFile) -> Result<Self, MaterializerError> {
        let failed = |error: std::io::Error| MaterializerError::file(&file.path, error);
        // Taken first: what is written while the bytes are read makes it another file.
        let identity = identity(file)?;
        let mut opened = File::open(&file.path).map_err(failed)?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 1 << 20];
        loop {
            let read = opened.read(&mut buffer).map_err(failed)?;
            if read == 0 {
                break;
            }
            hash.update(buffer.get(..read).unwrap_or_default());
        }
        let digest = hash.finalize();
        let first = digest.first_chunk::<8>().copied().unwrap_or_default();
        Ok(Self { hash: (u64::from_be_bytes(first) >> 1) as i64, identity })
    }

    /// Whether the file is the one whose content this is: then so are the rows that were read from it meanwhile.
    pub(crate) fn is_still_of(self, file: &SourceFile) -> Result<bool, MaterializerError> {
        Ok(identity(file)? == self.identity)
    }
}

fn identity(file: &SourceFile) -> Result<Identity, MaterializerError> {
    let found = fs::metadata(&file.path).map_err(|error| MaterializerError::file(&file.path, error))?;
    Ok(Identity {
        device: found.dev(),
        inode: found.ino(),
        bytes: found.len(),
        modified: (found.mtime(), found.mtime_nsec()),
        changed: (found.ctime(), found.ctime_nsec()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_replaced_or_written_to_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        let file = SourceFile {
            name: "a.parquet".to_owned(),
            path: path.clone(),
            partition: Vec::new(),
            table_columns: Default::default(),
            replaces: Default::default(),
        };
        fs::write(&path, b"one").unwrap();
        let one = Content::of(&file).unwrap();
        assert!(one.is_still_of(&file).unwrap());
        let beside = folder.path().join("b");
        fs::write(&beside, b"two").unwrap();
        fs::rename(&beside, &path).unwrap();
        assert!(!one.is_still_of(&file).unwrap());
        let two = Content::of(&file).unwrap();
        assert_ne!(one.hash, two.hash);
        // Also where the old bytes are back: what was read meanwhile is not known.
        fs::write(&path, b"longer").unwrap();
        assert!(!two.is_still_of(&file).unwrap());
        fs::remove_file(&path).unwrap();
        assert!(two.is_still_of(&file).is_err());
    }
}
