//! A topic on the local disk, for projects without a broker: rows are pushed into it, and are durable
//! before that is acknowledged; streams follow it by the same protocol as a topic of Kafka. It has one
//! partition.
//!
//! A folder holds segments, named by their first offset, each a header and frames; `end`, the offset up
//! to which all is synced; `lock`, held by whoever appends; and for each group a file with the offset that
//! its log is at, which is locked by its reader. docs/push-log.md describes it byte by byte.

mod feed;
mod frame;
mod number;
mod segment;
#[cfg(test)]
mod tests;
mod writer;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use feature::Micros;
use thiserror::Error;

pub use feed::PushFeed;
use frame::Frame;
use number::Number;
use segment::{Acknowledged, Segment, segments};
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
    /// Stop: a file that is no part of a topic, or of a newer version. It is left as it is.
    #[error(
        "`{path}` is damaged or of a newer version of twinstore: {why}; nothing was changed in it: restore it from a copy, and push again then"
    )]
    Damaged {
        /// The file.
        path: String,
        /// What does not hold.
        why: String,
    },
    /// Stop: the file `end` of a topic says nothing. Its rows are safe, and the next push writes it again.
    #[error("`{path}` {why}: push a row, which writes the file again from the segments beside it")]
    End {
        /// The file.
        path: String,
        /// What is wrong with it.
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
    /// its end is cut off: it was never acknowledged. All that not every group has read is read through, and
    /// damage in it is refused: more rows would only wait behind it.
    pub fn open(folder: &Path) -> Result<Self, PushError> {
        fs::create_dir_all(folder.join("groups")).map_err(PushError::disk(folder))?;
        let lock_path = folder.join("lock");
        let lock = file(&lock_path)?;
        if lock.try_lock().is_err() {
            return Err(PushError::Taken { path: folder.display().to_string() });
        }
        let acknowledged = acknowledged(folder)?;
        let all = segments(folder)?;
        let read = read_by_all(folder)?.unwrap_or(0);
        for (first, following) in all.iter().zip(all.iter().skip(1)) {
            if *following > read {
                segment::check(folder, *first, *following)?;
            }
        }
        let (segment, next) = match all.last() {
            Some(first) => Segment::recover(folder, *first, acknowledged)?,
            None if acknowledged.up_to > 0 => {
                let why = format!(
                    "its segments are missing, and offsets up to {} were acknowledged",
                    acknowledged.up_to
                );
                return Err(PushError::Damaged { path: folder.display().to_string(), why });
            }
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
            let (key, value) = (record.key.clone(), record.value.clone());
            let frame = Frame { offset: next, timestamp: at, key, value, begins: next == first };
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
        // Readers look no further than this. A power cut may leave an older number: the first frame of the
        // next append says as much, and where none follows soon this is synced, too.
        number::write(&self.end, self.next).map_err(PushError::disk(&self.folder))
    }

    /// Makes the note of what was acknowledged durable; for a moment in which nobody waits.
    fn sync_end(&self) -> Result<(), PushError> {
        self.end.sync_data().map_err(PushError::disk(&self.folder))
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

impl Drop for PushLog {
    fn drop(&mut self) {
        // The frames are synced: this only says once more how far.
        let _ = self.sync_end();
    }
}

/// What a check of a topic on disk found.
#[derive(Debug, Default)]
pub struct CheckedTopic {
    /// Its segments.
    pub segments: u64,
    /// What is damaged.
    pub damaged: Vec<PushError>,
}

/// Reads all of the topic in this folder, whoever appends to it meanwhile.
pub fn check_topic(folder: &Path) -> Result<CheckedTopic, PushError> {
    let mut checked = CheckedTopic::default();
    // Read first: what is appended meanwhile is not acknowledged by it.
    let acknowledged = acknowledged(folder)?;
    let all = segments(folder)?;
    checked.segments = all.len() as u64;
    let mut note = |found: Result<(), PushError>| match found {
        Ok(()) => Ok(()),
        Err(error @ (PushError::Damaged { .. } | PushError::End { .. })) => {
            checked.damaged.push(error);
            Ok(())
        }
        // A segment that every group has read may be dropped just now.
        Err(PushError::Disk { error, .. }) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    for (first, following) in all.iter().zip(all.iter().skip(1)) {
        note(segment::check(folder, *first, *following))?;
    }
    match all.last() {
        Some(newest) => note(segment::check_newest(folder, *newest, acknowledged).map(drop))?,
        None if acknowledged.up_to > 0 => {
            let up_to = acknowledged.up_to;
            let why = format!("its segments are missing, and offsets up to {up_to} were acknowledged");
            note(Err(PushError::Damaged { path: folder.display().to_string(), why }))?;
        }
        None => {}
    }
    note(end_of(folder).map(drop))?;
    Ok(checked)
}

/// The offset up to which a group's log has everything, of the topic in this folder; 0 where the group is
/// not known there. Any process may ask.
pub fn read_up_to(folder: &Path, group: &str) -> u64 {
    match number::read(&folder.join("groups").join(group)) {
        Ok(Number::Is(read)) => read,
        // It is written anew with the group's next commit.
        Ok(Number::None | Number::Damaged) | Err(_) => 0,
    }
}

/// The offset up to which every group has read; none where there is no group.
fn read_by_all(folder: &Path) -> Result<Option<u64>, PushError> {
    let read = read_by_groups(folder)?;
    // More than there is was read by nobody: the number is damaged, and nothing is dropped by it.
    let end = match number::read(&folder.join("end")).map_err(PushError::disk(folder))? {
        Number::Is(end) => end,
        Number::None | Number::Damaged => 0,
    };
    Ok(read.into_iter().map(|read| read.filter(|read| *read <= end).unwrap_or(0)).min())
}

/// What each group has read, where its file can be read.
fn read_by_groups(folder: &Path) -> Result<Vec<Option<u64>>, PushError> {
    let groups = folder.join("groups");
    let mut found = Vec::new();
    for entry in fs::read_dir(&groups).map_err(PushError::disk(&groups))? {
        let path = entry.map_err(PushError::disk(&groups))?.path();
        found.push(match number::read(&path).map_err(PushError::disk(&path))? {
            Number::None => Some(0),
            Number::Is(read) => Some(read),
            Number::Damaged => None,
        });
    }
    Ok(found)
}

/// What was acknowledged of a topic, as far as `end` or the groups say.
fn acknowledged(folder: &Path) -> Result<Acknowledged, PushError> {
    let path = folder.join("end");
    Ok(match number::read(&path).map_err(PushError::disk(&path))? {
        Number::Is(up_to) => Acknowledged { up_to, is_all: true },
        Number::None | Number::Damaged => {
            let up_to = read_by_groups(folder)?.into_iter().flatten().max().unwrap_or(0);
            Acknowledged { up_to, is_all: false }
        }
    })
}

/// The end of a topic, as its readers see it.
fn end_of(folder: &Path) -> Result<u64, PushError> {
    let path = folder.join("end");
    let lost = |why| PushError::End { path: path.display().to_string(), why };
    match number::read(&path).map_err(PushError::disk(&path))? {
        Number::Is(end) => Ok(end),
        Number::Damaged => Err(lost("does not match its checksum")),
        Number::None if !segment::has_frames(folder)? => Ok(0),
        Number::None => Err(lost("is missing")),
    }
}

fn file(path: &Path) -> Result<File, PushError> {
    let opened = File::options().read(true).write(true).create(true).truncate(false).open(path);
    opened.map_err(PushError::disk(path))
}

/// A file that was made is found after a power loss only once its folder is synced.
fn sync_folder(folder: &Path) -> Result<(), PushError> {
    File::open(folder).and_then(|opened| opened.sync_all()).map_err(PushError::disk(folder))
}
