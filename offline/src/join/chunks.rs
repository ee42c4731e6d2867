//! A file of which the column chunks that one pass needs were read beforehand, each run of neighbours
//! at once: pages then come out of memory without another copy.

use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;

use bytes::{Buf, Bytes, buf::Reader};
use parquet::arrow::ProjectionMask;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{ChunkReader, Length};

use crate::damage::Damaged;
use crate::log::storage::CheckedFile;

/// Runs of chunks longer than this are read page by page instead: they would only take memory.
const RUN_BYTES: u64 = 8 << 20;
/// Bytes that are read at a time where pages are read one by one.
const PAGES_BYTES: u64 = 64 << 10;

/// A file of a log, and some of its bytes.
#[derive(Debug)]
pub(crate) struct Chunks {
    file: CheckedFile,
    read: Vec<(u64, Bytes)>,
}

impl Chunks {
    /// A file of which nothing was read yet.
    pub(crate) fn new(file: CheckedFile) -> Self {
        Self { file, read: Vec::new() }
    }

    /// Where the file lies, for messages.
    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }

    /// The same file with the chunks of these columns of a row group.
    pub(crate) fn with_chunks(&self, group: &RowGroupMetaData, columns: &ProjectionMask) -> io::Result<Self> {
        let chunks = group.columns().iter().enumerate().filter(|(leaf, _)| columns.leaf_included(*leaf));
        let mut ranges: Vec<Range<u64>> = chunks
            .map(|(_, chunk)| {
                let (start, length) = chunk.byte_range();
                start..start.saturating_add(length)
            })
            .collect();
        ranges.sort_unstable_by_key(|range| range.start);
        let mut runs: Vec<Range<u64>> = Vec::new();
        for range in ranges {
            match runs.last_mut() {
                Some(run) if run.end == range.start => run.end = range.end,
                _ => runs.push(range),
            }
        }
        let mut read = Vec::with_capacity(runs.len());
        for run in runs.into_iter().filter(|run| run.end <= self.len() && run.end - run.start <= RUN_BYTES) {
            read.push((run.start, self.file.read(run)?));
        }
        Ok(Self { read, file: self.file.clone() })
    }

    /// Damage that was found while the file was read.
    pub(crate) fn damaged(&self) -> Option<&Damaged> {
        self.file.found()
    }

    /// What was read from `start` to the end of its run.
    fn read_from(&self, start: u64) -> Option<Bytes> {
        self.read.iter().find_map(|(at, bytes)| {
            let skipped = usize::try_from(start.checked_sub(*at)?).ok()?;
            (skipped < bytes.len()).then(|| bytes.slice(skipped..))
        })
    }
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.file.length()
    }
}

/// A file from some offset on.
pub(crate) struct FileFrom {
    file: CheckedFile,
    read: Reader<Bytes>,
    /// Where what was not read yet begins.
    at: u64,
}

impl Read for FileFrom {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let end = self.file.length().min(self.at + PAGES_BYTES);
        if !self.read.get_ref().has_remaining() && self.at < end {
            self.read = self.file.read(self.at..end)?.reader();
            self.at = end;
        }
        self.read.read(into)
    }
}

/// Bytes in memory, or the file from some offset on.
pub(crate) enum Source {
    Memory(Reader<Bytes>),
    File(FileFrom),
}

impl Read for Source {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Source::Memory(bytes) => bytes.read(into),
            Source::File(file) => file.read(into),
        }
    }
}

impl ChunkReader for Chunks {
    type T = Source;

    fn get_read(&self, start: u64) -> Result<Source> {
        Ok(match self.read_from(start) {
            Some(bytes) => Source::Memory(bytes.reader()),
            None => {
                let read = Bytes::new().reader();
                Source::File(FileFrom { file: self.file.clone(), read, at: start })
            }
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        match self.read_from(start) {
            Some(bytes) if length <= bytes.len() => Ok(bytes.slice(..length)),
            Some(_) => Err(ParquetError::EOF(format!("{length} bytes at {start} reach beyond their column"))),
            None => Ok(self.file.read(start..start.saturating_add(length as u64))?),
        }
    }
}
