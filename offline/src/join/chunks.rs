//! A file of which the column chunks that one pass needs were read beforehand, each run of neighbours
//! at once: pages then come out of memory without another copy.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

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
    path: PathBuf,
    bytes: u64,
    held: Vec<(u64, Bytes)>,
}

impl Chunks {
    /// A file of which nothing is held.
    pub(crate) fn new(path: &Path) -> io::Result<Self> {
        let bytes = std::fs::metadata(path)?.len();
        Ok(Self { path: path.to_owned(), bytes, held: Vec::new() })
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
        let mut file = File::open(&self.path)?;
        let mut held = Vec::with_capacity(runs.len());
        for run in runs.iter().filter(|run| run.end <= self.bytes && run.end - run.start <= RUN_BYTES) {
            held.push((run.start, read(&mut file, run.start, run.end - run.start)?));
        }
        Ok(Self { path: self.path.clone(), bytes: self.bytes, held })
    }

    /// What is held from `start` to the end of its run.
    fn held_from(&self, start: u64) -> Option<Bytes> {
        self.held.iter().find_map(|(at, bytes)| {
            let skipped = usize::try_from(start.checked_sub(*at)?).ok()?;
            (skipped < bytes.len()).then(|| bytes.slice(skipped..))
        })
    }
}

fn read(file: &mut File, start: u64, length: u64) -> io::Result<Bytes> {
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.take(length).read_to_end(&mut bytes)?;
    match bytes.len() as u64 == length {
        true => Ok(bytes.into()),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.bytes
    }
}

/// Bytes that are held, or the file from some place on.
pub(crate) enum Source {
    Held(Reader<Bytes>),
    File(io::BufReader<File>),
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
        match self.held_from(start) {
            Some(bytes) => Ok(Source::Held(bytes.reader())),
            None => {
                let mut file = File::open(&self.path)?;
                file.seek(SeekFrom::Start(start))?;
                Ok(Source::File(io::BufReader::new(file)))
            }
        }
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        match self.held_from(start) {
            Some(bytes) if length <= bytes.len() => Ok(bytes.slice(..length)),
            Some(_) => Err(ParquetError::EOF(format!("{length} bytes at {start} reach beyond their column"))),
            None => Ok(read(&mut File::open(&self.path)?, start, length as u64)?),
        }
    }
}
