//! What a source's file holds, as one number, and whether it is still the file of which that was taken.
//!
//! Reading every loaded file again before every load would cost as much as the first load. So a fingerprint of the
//! file's identity, size and times is recorded beside the hash, and a file that still has it is not read. Whatever
//! writes into a file, also in place and keeping its size, changes its times; the change time cannot be set back.
//! A change within the resolution of those times would not show, so of a file that was changed less than two
//! seconds before it was hashed no fingerprint is recorded, and it is hashed again the next time.
//!
//! What a compressed file holds is its text: compressing a file, in another way or not any more, makes it no other one.
//! Logs of before have the hash of its compressed bytes, and it is still the file that they name.

use std::fs;
use std::os::unix::fs::MetadataExt;

use feature::Micros;
use sha2::{Digest, Sha256};

use super::file_text;
use super::source_file::SourceFile;
use crate::error::MaterializerError;
use crate::markers::first_63_bits;

/// A file that was changed more recently than this may change again without showing it in its times.
const SETTLED_AFTER_US: i64 = 2_000_000;

/// What the log records of a loaded file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RecordedContent {
    pub(crate) hash: i64,
    /// `None` if the file had been changed too recently when it was hashed.
    pub(crate) fingerprint: Option<i64>,
}

/// The content of a file, and which file it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FileContent {
    /// The first 63 bits of the SHA-256 of its bytes, without their compression.
    pub(crate) hash: i64,
    /// The same of its bytes as they are stored.
    stored: i64,
    /// A fingerprint of its identity, size and times; `None` if it was changed too recently.
    pub(crate) fingerprint: Option<i64>,
    /// Whether it was read to know that.
    pub(crate) is_read: bool,
    identity: FileIdentity,
}

/// What differs if a file was replaced or written to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct FileIdentity {
    device: u64,
    inode: u64,
    bytes: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileContent {
    /// The content of a file at this moment, of which the log records this. Blocks: reads the file, unless it has
    /// the recorded fingerprint.
    pub(crate) fn of(
        file: &SourceFile,
        recorded: Option<RecordedContent>,
        now: Micros,
    ) -> Result<Self, MaterializerError> {
        // Taken first: a write while the bytes are read makes it another file.
        let identity = FileIdentity::of(file)?;
        let fingerprint = identity.fingerprint(now);
        let unchanged =
            recorded.filter(|recorded| recorded.fingerprint.is_some() && recorded.fingerprint == fingerprint);
        let (hash, stored, is_read) = match unchanged {
            Some(recorded) => (recorded.hash, recorded.hash, false),
            None => {
                let (hash, stored) = hashes(file)?;
                (hash, stored, true)
            }
        };
        Ok(Self { hash, stored, fingerprint, is_read, identity })
    }

    /// Whether this content was recorded as this hash.
    pub(crate) fn is(self, recorded: i64) -> bool {
        recorded == self.hash || recorded == self.stored
    }

    /// Whether the file is still the one whose content this is. If so, the rows that were read from it meanwhile
    /// are of this content.
    pub(crate) fn is_still_of(self, file: &SourceFile) -> Result<bool, MaterializerError> {
        Ok(FileIdentity::of(file)? == self.identity)
    }
}

impl FileIdentity {
    fn of(file: &SourceFile) -> Result<Self, MaterializerError> {
        let found = fs::metadata(&file.path).map_err(|error| MaterializerError::file(&file.path, error))?;
        Ok(Self {
            device: found.dev(),
            inode: found.ino(),
            bytes: found.len(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }

    /// One number of all of it but the device, which may be numbered differently after a restart; `None` if the
    /// file was changed too recently.
    fn fingerprint(&self, now: Micros) -> Option<i64> {
        let (newest, _) = self.modified.max(self.changed);
        let settled = newest.checked_mul(1_000_000)?.checked_add(1_000_000 + SETTLED_AFTER_US)?;
        if now.get() < settled {
            return None;
        }
        let mut hash = Sha256::new();
        hash.update(self.inode.to_le_bytes());
        hash.update(self.bytes.to_le_bytes());
        for part in [self.modified.0, self.modified.1, self.changed.0, self.changed.1] {
            hash.update(part.to_le_bytes());
        }
        Some(first_63_bits(&hash.finalize().into()))
    }
}

impl FileContent {
    /// The first 63 bits of a hash of its bytes and of the values that the names of its folders give: of its rows.
    pub(crate) fn of_rows(&self, file: &SourceFile) -> i64 {
        Self::with_partition(self.hash, file)
    }

    /// What may be recorded of its rows: that, and the same of its bytes as they are stored.
    pub(crate) fn recorded_of_rows(&self, file: &SourceFile) -> [i64; 2] {
        [self.hash, self.stored].map(|hash| Self::with_partition(hash, file))
    }

    fn with_partition(content: i64, file: &SourceFile) -> i64 {
        if file.partition.is_empty() {
            return content;
        }
        let mut hash = Sha256::new();
        hash.update(content.to_le_bytes());
        for (name, value) in &file.partition {
            for text in [Some(name), value.as_ref()] {
                // A null is no text, and no text ends where another begins.
                hash.update([u8::from(text.is_some())]);
                hash.update((text.map_or(0, String::len) as u64).to_le_bytes());
                hash.update(text.map_or(&[][..], |text| text.as_bytes()));
            }
        }
        first_63_bits(&hash.finalize().into())
    }
}

/// The first 63 bits of the SHA-256 of a file's bytes, without their compression and as they are stored.
fn hashes(file: &SourceFile) -> Result<(i64, i64), MaterializerError> {
    let failed = |error: std::io::Error| MaterializerError::file(&file.path, error);
    let stored = files::open(&file.path).and_then(offline::digest_of).map_err(failed)?;
    let stored = first_63_bits(&stored);
    if !file_text::is_compressed(&file.path) {
        return Ok((stored, stored));
    }
    match file_text::decompressed(&file.path).and_then(offline::digest_of) {
        Ok(plain) => Ok((first_63_bits(&plain), stored)),
        Err(error) if error.raw_os_error().is_some() => Err(failed(error)),
        // It is not whole, which is refused before its first row is loaded.
        Err(_) => Ok((stored, stored)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::path::Path;
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn file(path: &Path) -> SourceFile {
        SourceFile {
            name: "a.parquet".to_owned(),
            path: path.to_owned(),
            partition: Vec::new(),
            table_columns: Default::default(),
            replaces: Default::default(),
        }
    }

    /// When a file was changed last, by the clock of its file system.
    fn changed_at(path: &Path) -> Micros {
        let (seconds, nanos) = FileIdentity::of(&file(path)).unwrap().changed;
        Micros::new(seconds * 1_000_000 + nanos / 1_000).unwrap()
    }

    /// An hour after that.
    fn later(path: &Path) -> Micros {
        changed_at(path).saturating_add("1h".parse().unwrap())
    }

    fn recorded(content: FileContent) -> Option<RecordedContent> {
        Some(RecordedContent { hash: content.hash, fingerprint: content.fingerprint })
    }

    #[test]
    fn a_file_that_was_replaced_or_written_to_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        let file = file(&path);
        fs::write(&path, b"one").unwrap();
        let one = FileContent::of(&file, None, changed_at(&path)).unwrap();
        assert!(one.is_still_of(&file).unwrap());
        let beside = folder.path().join("b");
        fs::write(&beside, b"two").unwrap();
        fs::rename(&beside, &path).unwrap();
        assert!(!one.is_still_of(&file).unwrap());
        let two = FileContent::of(&file, None, changed_at(&path)).unwrap();
        assert_ne!(one.hash, two.hash);
        // Also if the old bytes are back: what was read meanwhile is not known.
        fs::write(&path, b"longer").unwrap();
        assert!(!two.is_still_of(&file).unwrap());
        fs::remove_file(&path).unwrap();
        assert!(two.is_still_of(&file).is_err());
    }

    #[test]
    fn a_compressed_file_holds_its_text_and_is_the_one_that_was_recorded_by_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let of = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            fs::write(&path, bytes).unwrap();
            FileContent::of(&file(&path), None, changed_at(&path)).unwrap()
        };
        let text = b"k,x\n1,2\n";
        let gzip = |level| {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), level);
            std::io::Write::write_all(&mut gzip, text).unwrap();
            gzip.finish().unwrap()
        };
        let (stored, fast) = (gzip(flate2::Compression::none()), gzip(flate2::Compression::fast()));
        assert_ne!(stored, fast);
        let plain = of("a.csv", text);
        for (name, bytes) in [
            ("a.csv.gz", stored.clone()),
            ("b.CSV.GZ", fast),
            ("a.csv.zst", zstd::encode_all(&text[..], 1).unwrap()),
        ] {
            let content = of(name, &bytes);
            assert_eq!(content.hash, plain.hash, "{name}");
            // As logs of before have it.
            let recorded = first_63_bits(&Sha256::digest(&bytes).into());
            assert!(content.is(recorded) && content.is(plain.hash) && !content.is(plain.hash + 1), "{name}");
            let path = folder.path().join(name);
            assert_eq!(content.recorded_of_rows(&file(&path)), [plain.hash, recorded], "{name}");
        }
        // One that is cut holds what is stored, and other bytes are other content.
        let cut = of("c.csv.gz", &stored[..stored.len() - 3]);
        assert!(
            !cut.is(plain.hash) && cut.is(first_63_bits(&Sha256::digest(&stored[..stored.len() - 3]).into()))
        );
    }

    #[test]
    fn a_file_that_has_its_recorded_fingerprint_is_not_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        let file = file(&path);
        fs::write(&path, b"one").unwrap();
        let first = FileContent::of(&file, None, later(&path)).unwrap();
        assert!(first.is_read && first.fingerprint.is_some());
        let again = FileContent::of(&file, recorded(first), later(&path)).unwrap();
        assert_eq!((again.is_read, again.hash), (false, first.hash));
    }

    #[test]
    fn an_edit_in_place_that_keeps_size_and_modification_time_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        let file = file(&path);
        fs::write(&path, b"one").unwrap();
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        let first = FileContent::of(&file, None, later(&path)).unwrap();
        let before = FileIdentity::of(&file).unwrap().changed;
        // The change time has the resolution of the system's timer: the edit is repeated until it shows.
        while FileIdentity::of(&file).unwrap().changed == before {
            fs::write(&path, b"two").unwrap();
            File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        }
        let again = FileContent::of(&file, recorded(first), later(&path)).unwrap();
        assert!(again.is_read && again.hash != first.hash);
    }

    #[test]
    fn of_a_file_that_was_changed_less_than_two_seconds_ago_no_fingerprint_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        let file = file(&path);
        fs::write(&path, b"one").unwrap();
        let fresh = FileContent::of(&file, None, changed_at(&path)).unwrap();
        assert_eq!(fresh.fingerprint, None);
        assert!(FileContent::of(&file, recorded(fresh), changed_at(&path)).unwrap().is_read);
        // A modification time in the future may be reached again.
        let (seconds, _) = FileIdentity::of(&file).unwrap().changed;
        let future = UNIX_EPOCH + Duration::from_secs(seconds as u64 + 7_200);
        File::options().write(true).open(&path).unwrap().set_modified(future).unwrap();
        assert_eq!(FileContent::of(&file, None, later(&path)).unwrap().fingerprint, None);
    }
}
