//! A file of rows that was opened once: every read of it, and its hash, goes through the same handle, so that all of
//! them see the same bytes even if another file takes its name meanwhile.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use feature::hexadecimal;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use crate::error::OfflineError;
use crate::training_set::hashing::digest_of;

/// An open file. Clones share the handle, and each reader has an offset of its own.
#[derive(Clone, Debug)]
pub(crate) struct OpenedFile {
    path: Arc<PathBuf>,
    file: Arc<File>,
    length: u64,
}

impl OpenedFile {
    pub(crate) fn open(path: &Path) -> Result<Self, OfflineError> {
        let failed = |error: io::Error| OfflineError::file("read", path, error);
        let file = files::open(path).map_err(failed)?;
        let about = file.metadata().map_err(failed)?;
        if about.is_dir() {
            return Err(failed(io::ErrorKind::IsADirectory.into()));
        }
        Ok(Self { path: Arc::new(path.to_owned()), file: Arc::new(file), length: about.len() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// How many bytes it had when it was opened.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// A reader from an offset on.
    pub(crate) fn reader(&self, offset: u64) -> OpenedReader {
        OpenedReader { file: self.clone(), offset }
    }

    /// All bytes.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>, OfflineError> {
        let mut bytes = Vec::new();
        let read = self.reader(0).read_to_end(&mut bytes);
        read.map_err(|error| OfflineError::file("read", &self.path, error))?;
        Ok(bytes)
    }

    /// The SHA-256 of the file's bytes, in hexadecimal.
    pub(crate) fn sha256(&self) -> Result<String, OfflineError> {
        let digest = digest_of(self.reader(0));
        digest
            .map(|digest| hexadecimal(&digest))
            .map_err(|error| OfflineError::file("read", &self.path, error))
    }
}

/// The SHA-256 of a file's bytes, in hexadecimal. Blocks while the file is read.
pub fn file_sha256(path: &Path) -> Result<String, OfflineError> {
    OpenedFile::open(path)?.sha256()
}

/// Reads an [`OpenedFile`] from its own offset on.
pub(crate) struct OpenedReader {
    file: OpenedFile,
    offset: u64,
}

impl Read for OpenedReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.file.read_at(into, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

impl Seek for OpenedReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let offset = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(by) => self.file.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.offset.checked_add_signed(by),
        };
        self.offset = offset.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.offset)
    }
}

impl Length for OpenedFile {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for OpenedFile {
    type T = io::BufReader<OpenedReader>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(io::BufReader::new(self.reader(start)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        // A crafted length would take memory before it fails.
        if start.checked_add(length as u64).is_none_or(|end| end > self.length) {
            return Err(ParquetError::EOF(format!("{length} bytes at {start} lie beyond its end")));
        }
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, start)?;
        Ok(bytes.into())
    }
}

impl fmt::Display for OpenedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_opened_stays_the_same_when_another_file_takes_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spine.csv");
        std::fs::write(&path, "a\n1\n").unwrap();
        let opened = OpenedFile::open(&path).unwrap();
        let before = file_sha256(&path).unwrap();
        let other = folder.path().join("other");
        std::fs::write(&other, "b\n2\n").unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert_eq!(opened.bytes().unwrap(), b"a\n1\n");
        assert_eq!(opened.sha256().unwrap(), before);
        assert_ne!(file_sha256(&path).unwrap(), before);
    }

    #[test]
    fn readers_of_one_file_have_an_offset_each() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "0123456789").unwrap();
        let opened = OpenedFile::open(file.path()).unwrap();
        let (mut first, mut second) = (opened.reader(0), opened.reader(0));
        second.seek(SeekFrom::End(-2)).unwrap();
        let read = |reader: &mut OpenedReader| {
            let mut two = [0; 2];
            reader.read_exact(&mut two).unwrap();
            two
        };
        assert_eq!((read(&mut first), read(&mut second)), (*b"01", *b"89"));
        assert_eq!(read(&mut first), *b"23");
        assert_eq!(opened.get_bytes(4, 3).unwrap(), "456");
    }
}
