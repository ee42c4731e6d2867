//! A topic on the local disk, for projects without a broker: rows are pushed into it, and are durable
//! before that is acknowledged; streams follow it by the same protocol as a topic of Kafka. It has one
//! partition.
//!
//! A folder holds segments, named by their first offset, each a header and frames; `end`, the offset up
//! to which all is synced; `lock`, held by whoever appends; and for each group a file with the offset that
//! its log is at, which is locked by its reader. docs/push-log.md describes it byte by byte.

mod feed;
mod frame;
mod segment;
#[cfg(test)]
mod tests;
mod writer;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use feature::Micros;
use thiserror::Error;

pub use feed::PushFeed;
use frame::Frame;
use segment::{Segment, segments};
pub use writer::{Appended, PushWriter};

/// Bytes after which a segment is full.
const SEGMENT_BYTES: u64 = 64 << 20;
/// Bytes of all segments: beyond them nothing is taken until streams have caught up.
const MAX_BYTES: u64 = 4 << 30;
/// The longest key and value together.
const MAX_RECORD_BYTES: usize = 8 << 20;

/// Something that is pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// The record's key; a tombstone says with it whose it is.
    pub key: Option<Vec<u8>>,
    /// The record's value; none in a tombstone.
    pub value: Option<Vec<u8>>,
}

/// What can go wrong with a topic on disk.
#[derive(Debug, Error)]
pub enum PushError {
    /// Retry: another process appends just now.
    #[error("another process pushes to `{path}` just now: push again, or through that process")]
    Taken {
        /// The topic's folder.
        path: String,
    },
    /// Retry: too many push at once.
    #[error("as many push to `{path}` already as it takes on at once: push again a little later")]
    Busy {
        /// The topic's folder.
        path: String,
    },
    /// Retry later: streams are far behind.
    #[error(
        "`{path}` holds {MAX_BYTES} bytes that not all streams have read: start `twinstore stream`, or wait for it"
    )]
    Full {
        /// The topic's folder.
        path: String,
    },
    /// Tell the user: a record that is too long.
    #[error("a record of {bytes} bytes is longer than the {MAX_RECORD_BYTES} that a record may have")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// Stop: a file that is no part of a topic, or of a newer version.
    #[error("`{path}` is damaged or of a newer version of twinstore: {why}")]
    Damaged {
        /// The file.
        path: String,
        /// What does not hold.
        why: &'static str,
    },
    /// Stop: the disk failed.
    #[error("`{path}`: {error}")]
    Disk {
        /// The file or folder.
        path: String,
        /// What failed.
        error: io::Error,
    },
}

impl PushError {
    fn disk(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |error| PushError::Disk { path: path.display().to_string(), error }
    }
}

/// The end of a topic on disk, for one who appends. No other process can meanwhile.
#[derive(Debug)]
pub struct PushLog {
    folder: PathBuf,
    /// Held for as long as this lives.
    _lock: File,
    segment: Segment,
    end: File,
    next: u64,
}

impl PushLog {
    /// Opens a topic in this folder, and makes it where there is none. What a crash left half written at
    /// its end is cut off: it was never acknowledged.
    pub fn open(folder: &Path) -> Result<Self, PushError> {
        fs::create_dir_all(folder.join("groups")).map_err(PushError::disk(folder))?;
        let lock_path = folder.join("lock");
        let lock = file(&lock_path)?;
        if lock.try_lock().is_err() {
            return Err(PushError::Taken { path: folder.display().to_string() });
        }
        let newest = segments(folder)?.last().copied();
        let (segment, next) = match newest {
            Some(first) => Segment::recover(folder, first)?,
            None => (Segment::create(folder, 0)?, 0),
        };
        let end = file(&folder.join("end"))?;
        let mut log = Self { folder: folder.to_owned(), _lock: lock, segment, end, next };
        log.sync()?;
        sync_folder(folder)?;
        Ok(log)
    }

    /// Appends records and syncs them to disk; gives the offset of the first. When it returns, they are
    /// there whatever happens to this process or the machine.
    pub fn append(&mut self, records: &[Pushed], at: Micros) -> Result<u64, PushError> {
        let first = self.next;
        for record in records {
            let bytes = [&record.key, &record.value].into_iter().flatten().map(Vec::len).sum();
            if bytes > MAX_RECORD_BYTES {
                return Err(PushError::TooLong { bytes });
            }
        }
        if self.segment.bytes() >= SEGMENT_BYTES {
            self.roll()?;
        }
        let mut frames = Vec::new();
        let mut next = first;
        for record in records {
            let frame =
                Frame { offset: next, timestamp: at, key: record.key.clone(), value: record.value.clone() };
            frame.write(&mut frames);
            next += 1;
        }
        let before = self.segment.bytes();
        self.segment.append(&frames)?;
        self.next = next;
        if let Err(error) = self.sync() {
            // What a failed sync leaves may never reach the disk, and must not lie below what follows it.
            self.segment.cut(before)?;
            self.next = first;
            return Err(error);
        }
        Ok(first)
    }

    /// The offset that the next record will have.
    pub fn next(&self) -> u64 {
        self.next
    }

    fn sync(&mut self) -> Result<(), PushError> {
        self.segment.sync()?;
        // Readers look no further than this. It need not survive: it is found anew.
        write_at_start(&mut self.end, self.next).map_err(PushError::disk(&self.folder))
    }

    /// Begins a new segment, and drops those that every group has read.
    fn roll(&mut self) -> Result<(), PushError> {
        let read = read_by_all(&self.folder)?;
        let all = segments(&self.folder)?;
        for (first, following) in all.iter().zip(all.iter().skip(1)) {
            if read.is_some_and(|read| *following <= read) {
                let path = segment::path(&self.folder, *first);
                fs::remove_file(&path).map_err(PushError::disk(&path))?;
            }
        }
        if segments(&self.folder)?.len() as u64 * SEGMENT_BYTES >= MAX_BYTES {
            return Err(PushError::Full { path: self.folder.display().to_string() });
        }
        self.segment = Segment::create(&self.folder, self.next)?;
        sync_folder(&self.folder)
    }
}

/// The offset up to which a group's log has everything, of the topic in this folder; 0 where the group is
/// not known there. Any process may ask.
pub fn read_up_to(folder: &Path, group: &str) -> u64 {
    let bytes = fs::read(folder.join("groups").join(group)).unwrap_or_default();
    bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// The offset up to which every group has read; none where there is no group.
fn read_by_all(folder: &Path) -> Result<Option<u64>, PushError> {
    let groups = folder.join("groups");
    let mut least = None;
    for entry in fs::read_dir(&groups).map_err(PushError::disk(&groups))? {
        let path = entry.map_err(PushError::disk(&groups))?.path();
        let bytes = fs::read(&path).map_err(PushError::disk(&path))?;
        let read = bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        least = Some(least.map_or(read, |least: u64| least.min(read)));
    }
    Ok(least)
}

fn file(path: &Path) -> Result<File, PushError> {
    let opened = File::options().read(true).write(true).create(true).truncate(false).open(path);
    opened.map_err(PushError::disk(path))
}

fn write_at_start(file: &mut File, number: u64) -> io::Result<()> {
    use std::os::unix::fs::FileExt;
    file.write_all_at(&number.to_le_bytes(), 0)?;
    file.flush()
}

/// A file that was made is found after a power loss only once its folder is synced.
fn sync_folder(folder: &Path) -> Result<(), PushError> {
    File::open(folder).and_then(|opened| opened.sync_all()).map_err(PushError::disk(folder))
}
