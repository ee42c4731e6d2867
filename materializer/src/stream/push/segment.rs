//! A part of a topic on disk: a header, then frames whose offsets follow each other.
//!
//! One who opens the newest segment to append cuts off only what cannot have been acknowledged: a tail that
//! lies behind everything that `end` and the frames themselves say was synced. Whatever else does not fit is
//! damage, which is refused by file, offset and byte, and left as it is.

use std::fs::{self, File};
use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::disk::file;
use super::frame::{Frame, HEAD, MAX_RECORD_BYTES};
use super::push_error::PushError;

/// What a segment begins with: a name and the version of its format.
const HEADER: [u8; 8] = *b"twpush\x00\x02";
/// The version whose frames do not say where an append begins. It is read, and not appended to.
const HEADER_1: [u8; 8] = *b"twpush\x00\x01";
/// Bytes of a frame beside key and value, generously.
const FRAME_OVERHEAD_BYTES: usize = 64;

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

/// Whether any segment has more than a header.
pub(super) fn has_frames(folder: &Path) -> Result<bool, PushError> {
    let long = |first: &u64| fs::metadata(path(folder, *first)).is_ok_and(|m| m.len() > HEADER.len() as u64);
    Ok(segments(folder)?.iter().any(long))
}

/// What is known of how far a topic was acknowledged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Acknowledged {
    /// At least up to this offset.
    pub(super) up_to: u64,
    /// Whether nothing beyond it was, but for what a power cut took from the file `end`.
    pub(super) is_all: bool,
}

impl Segment {
    /// An empty segment.
    pub(super) fn create(folder: &Path, first: u64) -> Result<Self, PushError> {
        let path = path(folder, first);
        let mut opened = file(&path)?;
        opened.set_len(0).and_then(|()| opened.write_all(&HEADER)).map_err(PushError::disk(&path))?;
        Ok(Self { path, file: opened, bytes: HEADER.len() as u64 })
    }

    /// The newest segment as it was left, without a torn tail; and the next offset.
    pub(super) fn recover(
        folder: &Path,
        first: u64,
        acknowledged: Acknowledged,
    ) -> Result<(Self, u64), PushError> {
        let path = path(folder, first);
        let bytes = fs::metadata(&path).map_err(PushError::disk(&path))?.len();
        if bytes < HEADER.len() as u64 && acknowledged.up_to <= first {
            return Ok((Self::create(folder, first)?, first));
        }
        let mut reader = SegmentReader::open(folder, first)?;
        let next = reader.walk(first)?;
        reader.check_tail(next, acknowledged)?;
        if reader.version == 1 {
            // What follows says where each append begins.
            return Ok((Self::create(folder, next)?, next));
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

/// Reads a segment that another one follows: it has to be whole up to where that one begins.
pub(super) fn check(folder: &Path, first: u64, following: u64) -> Result<(), PushError> {
    let mut reader = SegmentReader::open(folder, first)?;
    let next = reader.walk(first)?;
    let rest = reader.rest()?;
    if next == following && rest.is_empty() {
        return Ok(());
    }
    Err(match rest.is_empty() {
        true => reader.damaged(format!(
            "it ends before offset {next}, and the next segment begins with offset {following}: it was cut, or a segment between them is missing"
        )),
        false => reader.damaged(reader.unreadable(next)),
    })
}

/// Reads the newest segment: it has to be whole up to what was acknowledged. Gives the offset that is next.
pub(super) fn check_newest(folder: &Path, first: u64, acknowledged: Acknowledged) -> Result<u64, PushError> {
    let path = path(folder, first);
    let bytes = fs::metadata(&path).map_err(PushError::disk(&path))?.len();
    if bytes < HEADER.len() as u64 && acknowledged.up_to <= first {
        return Ok(first);
    }
    let mut reader = SegmentReader::open(folder, first)?;
    let next = reader.walk(first)?;
    reader.check_tail(next, acknowledged)?;
    Ok(next)
}

/// A segment being read from its beginning.
#[derive(Debug)]
pub(super) struct SegmentReader {
    path: PathBuf,
    file: BufReader<File>,
    version: u8,
    /// How many bytes were read.
    at: u64,
}

impl SegmentReader {
    pub(super) fn open(folder: &Path, first: u64) -> Result<Self, PushError> {
        let path = path(folder, first);
        let opened = File::open(&path).map_err(PushError::disk(&path))?;
        let at = HEADER.len() as u64;
        let mut reader = Self { path, file: BufReader::with_capacity(1 << 16, opened), version: 2, at };
        let mut header = [0; HEADER.len()];
        if !reader.fill(&mut header)? {
            return Err(reader.damaged("it is shorter than the header of a segment"));
        }
        reader.version = match header {
            HEADER => 2,
            HEADER_1 => 1,
            _ => return Err(reader.damaged("it does not begin as a segment of version 1 or 2 does")),
        };
        Ok(reader)
    }

    /// The next frame; none at the end, or where it is half written or damaged.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, PushError> {
        let mut head = [0; HEAD];
        if !self.fill(&mut head)? {
            return Ok(None);
        }
        let (length, sum) = Frame::head(head);
        if length > MAX_RECORD_BYTES + FRAME_OVERHEAD_BYTES {
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

    /// Where the frame behind the one that was read last begins.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Reads all whole frames, of which the first has this offset; gives the offset that is next.
    fn walk(&mut self, first: u64) -> Result<u64, PushError> {
        let mut next = first;
        while let Some(frame) = self.next()? {
            if frame.offset != next {
                let found = frame.offset;
                return Err(self.damaged(format!("offset {next} is expected in it, and {found} is there")));
            }
            next += 1;
        }
        Ok(next)
    }

    /// What follows the last whole frame.
    fn rest(&mut self) -> Result<Vec<u8>, PushError> {
        let mut rest = Vec::new();
        let read = self.file.seek(SeekFrom::Start(self.at)).and_then(|_| self.file.read_to_end(&mut rest));
        read.map_err(PushError::disk(&self.path))?;
        Ok(rest)
    }

    /// Refuses a tail behind the last whole frame, unless it was certainly never acknowledged.
    fn check_tail(&mut self, next: u64, acknowledged: Acknowledged) -> Result<(), PushError> {
        let rest = self.rest()?;
        if acknowledged.up_to > next {
            let up_to = acknowledged.up_to;
            let why = match rest.is_empty() {
                true => format!("it ends before offset {next}"),
                false => self.unreadable(next),
            };
            return Err(self.damaged(format!("{why}, and offsets up to {up_to} were acknowledged")));
        }
        if rest.is_empty() {
            return Ok(());
        }
        if !acknowledged.is_all {
            let why =
                format!("{}, and the file `end` does not say what was acknowledged", self.unreadable(next));
            return Err(self.damaged(why));
        }
        // Of an append that was never synced any page may be there. A later append began after a sync, and
        // version 1 does not say where one begins.
        let is_later = |frame: &Frame| frame.offset > next && (frame.begins || self.version == 1);
        match Frame::find(rest.get(1..).unwrap_or_default(), is_later) {
            Some(later) => {
                let why =
                    format!("{}, and offset {} behind it is whole", self.unreadable(next), later.offset);
                Err(self.damaged(why))
            }
            None => Ok(()),
        }
    }

    /// Where the first frame is that cannot be read.
    pub(super) fn unreadable(&self, offset: u64) -> String {
        format!("the frame of offset {offset} at byte {} is cut or does not match its checksum", self.at)
    }

    pub(super) fn damaged(&self, why: impl Into<String>) -> PushError {
        PushError::Damaged { path: self.path.display().to_string(), why: why.into() }
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<bool, PushError> {
        match self.file.read_exact(buffer) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(PushError::disk(&self.path)(error)),
        }
    }
}
