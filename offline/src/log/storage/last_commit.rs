//! The version of the last commit, beside the commits: without it nobody could tell a log that lost its last
//! commits from one that never had them.
//!
//! It is written after the commit and never before, so it names no commit that was not made. It may name an older
//! one: after a crash between both, after another program's commit, or where it was lost or is damaged.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// The last commit of a log that was noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LastCommit {
    pub(crate) version: u64,
    /// The checksum of all its bytes.
    pub(crate) crc32: u32,
    /// The checksum of these two.
    check: u32,
}

impl LastCommit {
    /// Its name: before those of the commits in order, so that what copies a folder in order copies it first.
    pub(crate) const NAME: &str = ".last_commit";

    pub(crate) fn new(version: u64, crc32: u32) -> Self {
        Self { version, crc32, check: check(version, crc32) }
    }

    /// What is noted in the folder of the commits; `None` if nothing is that can be believed.
    pub(crate) fn read(folder: &Path) -> io::Result<Option<Self>> {
        let bytes = match fs::read(folder.join(Self::NAME)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let stored: Option<Self> = serde_json::from_slice(&bytes).ok();
        Ok(stored.filter(|stored| stored.check == check(stored.version, stored.crc32)))
    }

    /// Whether something is there that cannot be believed.
    pub(crate) fn is_damaged(folder: &Path) -> io::Result<bool> {
        Ok(folder.join(Self::NAME).exists() && Self::read(folder)?.is_none())
    }

    /// Notes this commit, unless a later one is noted already. A note that a power cut takes is missed by nobody.
    pub(crate) fn write(&self, folder: &Path, staged: &Path) -> io::Result<()> {
        if Self::read(folder)?.is_some_and(|noted| noted.version >= self.version) {
            return Ok(());
        }
        let text = serde_json::to_vec(self)?;
        let written = fs::write(staged, text).and_then(|()| fs::rename(staged, folder.join(Self::NAME)));
        written.inspect_err(|_| {
            // The error that is given says more than one of this would.
            let _ = fs::remove_file(staged);
        })
    }
}

fn check(version: u64, crc32: u32) -> u32 {
    let mut hash = crc32fast::Hasher::new();
    hash.update(&version.to_le_bytes());
    hash.update(&crc32.to_le_bytes());
    hash.finalize()
}
