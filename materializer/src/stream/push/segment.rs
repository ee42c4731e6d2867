//! A part of a topic on disk: a header, then frames whose offsets follow each other.

use std::fs::{self, File};
use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::frame::{Frame, HEAD};
use super::{MAX_RECORD_BYTES, PushError, file};

/// What a segment begins with: a name and the version of its format.
const HEADER: [u8; 8] = *b"twpush\x00\x01";
/// Bytes of a frame beside key and value, generously.
const ROOM: usize = 64;

/// The newest segment, for one who appends.
#[derive(Debug)]
pub(super) struct Segment {
    path: PathBuf,
    file: File,
    bytes: u64,
}

/// Where a segment lies: its name is its first offset, in the order of numbers.
pub(super) fn path(folder: &Path, first: u64) -> PathBuf {
    folder.join(format!("{first:020}.segment"))
}

/// The first offsets of all segments, in their order.
pub(super) fn segments(folder: &Path) -> Result<Vec<u64>, PushError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(PushError::disk(folder))? {
        let name = entry.map_err(PushError::disk(folder))?.file_name();
        let first: Option<u64> = name.to_str().and_then(|name| name.strip_suffix(".segment")?.parse().ok());
        found.extend(first);
    }
    found.sort_unstable();
    Ok(found)
}

impl Segment {
    /// An empty segment.
    pub(super) fn create(folder: &Path, first: u64) -> Result<Self, PushError> {
        let path = path(folder, first);
        let mut opened = file(&path)?;
        opened.set_len(0).and_then(|()| opened.write_all(&HEADER)).map_err(PushError::disk(&path))?;
        Ok(Self { path, file: opened, bytes: HEADER.len() as u64 })
    }

    /// A segment as it was left, without what is half written at its end; and the next offset.
    pub(super) fn recover(folder: &Path, first: u64) -> Result<(Self, u64), PushError> {
        let path = path(folder, first);
        if fs::metadata(&path).map_err(PushError::disk(&path))?.len() < HEADER.len() as u64 {
            return Ok((Self::create(folder, first)?, first));
        }
        let mut reader = SegmentReader::open(folder, first)?;
        let mut next = first;
        while let Some(frame) = reader.next()? {
            if frame.offset != next {
                return Err(reader.damaged("its offsets do not follow each other"));
            }
            next += 1;
        }
        let bytes = reader.at;
        let mut opened = file(&path)?;
        let cut = opened.set_len(bytes).and_then(|()| opened.seek(SeekFrom::End(0)));
        cut.map_err(PushError::disk(&path))?;
        Ok((Self { path, file: opened, bytes }, next))
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// All frames, or none: what a full disk took of them is cut off again.
    pub(super) fn append(&mut self, frames: &[u8]) -> Result<(), PushError> {
        let written = self.file.write_all(frames);
        if let Err(error) = written {
            self.cut(self.bytes)?;
            return Err(PushError::disk(&self.path)(error));
        }
        self.bytes += frames.len() as u64;
        Ok(())
    }

    /// Drops everything behind this many bytes.
    pub(super) fn cut(&mut self, bytes: u64) -> Result<(), PushError> {
        let cut = self.file.set_len(bytes).and_then(|()| self.file.seek(SeekFrom::End(0)));
        cut.map_err(PushError::disk(&self.path))?;
        self.bytes = bytes;
        Ok(())
    }

    pub(super) fn sync(&self) -> Result<(), PushError> {
        self.file.sync_all().map_err(PushError::disk(&self.path))
    }
}

/// A segment being read from its beginning.
#[derive(Debug)]
pub(super) struct SegmentReader {
    path: PathBuf,
    file: BufReader<File>,
    /// How many bytes were read.
    at: u64,
}

impl SegmentReader {
    pub(super) fn open(folder: &Path, first: u64) -> Result<Self, PushError> {
        let path = path(folder, first);
        let opened = File::open(&path).map_err(PushError::disk(&path))?;
        let mut reader = Self { path, file: BufReader::with_capacity(1 << 16, opened), at: 0 };
        let mut header = [0; HEADER.len()];
        reader.file.read_exact(&mut header).map_err(PushError::disk(&reader.path))?;
        if header != HEADER {
            return Err(reader.damaged("it does not begin as a segment of version 1 does"));
        }
        reader.at = HEADER.len() as u64;
        Ok(reader)
    }

    /// The next frame; none at the end, or where it is half written.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, PushError> {
        let mut head = [0; HEAD];
        if !self.fill(&mut head)? {
            return Ok(None);
        }
        let (length, sum) = Frame::head(head);
        if length > MAX_RECORD_BYTES + ROOM {
            return Ok(None);
        }
        let mut covered = vec![0; length];
        if !self.fill(&mut covered)? {
            return Ok(None);
        }
        let frame = Frame::read(&covered, sum);
        if frame.is_some() {
            self.at += (HEAD + length) as u64;
        }
        Ok(frame)
    }

    pub(super) fn damaged(&self, why: &'static str) -> PushError {
        PushError::Damaged { path: self.path.display().to_string(), why }
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<bool, PushError> {
        match self.file.read_exact(buffer) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(PushError::disk(&self.path)(error)),
        }
    }
}
