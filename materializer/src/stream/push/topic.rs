//! The end of a topic on disk, where records are appended.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use feature::Micros;

use super::disk::{file, sync_folder};
use super::forgetting;
use super::frame::{Frame, MAX_RECORD_BYTES};
use super::number;
use super::push_error::{MAX_BYTES, PushError};
use super::segment::{self, Segment, segments};
use super::topic_end::{acknowledged, read_by_all};

/// Bytes after which a segment is full.
const SEGMENT_BYTES: u64 = 64 << 20;

/// A record that is pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// The record's key; that of a tombstone holds the join keys.
    pub key: Option<Vec<u8>>,
    /// The record's value; `None` in a tombstone.
    pub value: Option<Vec<u8>>,
}

/// A topic on disk, opened to append to it. No other process can meanwhile.
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
    /// Opens the topic in this folder, or creates it. What a crash left half written at its end is cut off: it was
    /// never acknowledged. Everything that some group has not read is read through, and damage in it is refused:
    /// more rows would only wait behind it.
    pub fn open(folder: &Path) -> Result<Self, PushError> {
        fs::create_dir_all(folder.join("groups")).map_err(PushError::disk(folder))?;
        let lock_path = folder.join("lock");
        let lock = file(&lock_path)?;
        if lock.try_lock().is_err() {
            return Err(PushError::Locked { path: folder.display().to_string() });
        }
        forgetting::finish(folder)?;
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

    /// Appends records and syncs them to disk. Returns the offset of the first. Then they survive a crash of this
    /// process or of the machine.
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
            let (begins, is_forgotten) = (next == first, false);
            let frame = Frame { offset: next, timestamp: at, key, value, begins, is_forgotten };
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
    pub(super) fn sync_end(&self) -> Result<(), PushError> {
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

#[cfg(test)]
mod topic_tests;
