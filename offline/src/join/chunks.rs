//! A file of which the column chunks that one pass needs were read beforehand, each run of neighbours
//! at once: pages then come out of memory without another copy.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bytes::{Buf, Bytes, buf::Reader};
use parquet::arrow::ProjectionMask;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{ChunkReader, Length};

/// Runs of chunks longer than this are read page by page instead: they would only take memory.
const RUN_BYTES: u64 = 8 << 20;

/// A file of a log, and some of its bytes.
#[derive(Debug)]
pub(crate) struct Chunks {
    file: Arc<File>,
    bytes: u64,
    held: Vec<(u64, Bytes)>,
}

impl Chunks {
    /// A file of which nothing is held.
    pub(crate) fn new(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { file: Arc::new(file), bytes, held: Vec::new() })
    }

    /// The same file with the chunks of these columns of a row group.
    pub(crate) fn holding(&self, group: &RowGroupMetaData, columns: &ProjectionMask) -> io::Result<Self> {
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
        let mut held = Vec::with_capacity(runs.len());
        for run in runs.iter().filter(|run| run.end <= self.bytes && run.end - run.start <= RUN_BYTES) {
            held.push((run.start, self.read(run.start, run.end - run.start)?));
        }
        Ok(Self { file: self.file.clone(), bytes: self.bytes, held })
    }

    /// What is held from `start` to the end of its run.
    fn held_from(&self, start: u64) -> Option<Bytes> {
        self.held.iter().find_map(|(at, bytes)| {
            let skipped = usize::try_from(start.checked_sub(*at)?).ok()?;
            (skipped < bytes.len()).then(|| bytes.slice(skipped..))
        })
    }

    fn from(&self, start: u64) -> FileFrom {
        FileFrom { file: self.file.clone(), at: start }
    }

    fn read(&self, start: u64, length: u64) -> io::Result<Bytes> {
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
        self.from(start).take(length).read_to_end(&mut bytes)?;
        match bytes.len() as u64 == length {
            true => Ok(bytes.into()),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.bytes
    }
}

/// A file from some place on, whoever else reads it.
pub(crate) struct FileFrom {
    file: Arc<File>,
    at: u64,
}

impl Read for FileFrom {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(into, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// Bytes that are held, or the file from some place on.
pub(crate) enum Source {
    Held(Reader<Bytes>),
    File(BufReader<FileFrom>),
}

impl Read for Source {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Source::Held(bytes) => bytes.read(into),
            Source::File(file) => file.read(into),
        }
    }
}

impl ChunkReader for Chunks {
    type T = Source;

    fn get_read(&self, start: u64) -> Result<Source> {
        Ok(match self.held_from(start) {
            Some(bytes) => Source::Held(bytes.reader()),
            None => Source::File(BufReader::new(self.from(start))),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        match self.held_from(start) {
            Some(bytes) if length <= bytes.len() => Ok(bytes.slice(..length)),
            Some(_) => Err(ParquetError::EOF(format!("{length} bytes at {start} reach beyond their column"))),
            None => Ok(self.read(start, length as u64)?),
        }
    }
}
