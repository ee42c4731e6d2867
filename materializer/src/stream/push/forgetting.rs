//! Records of a forgotten entity in a topic on disk: their keys and values become zeros where they lie, so that offsets and
//! lengths stay and the process that appends goes on.
//!
//! What is written over is noted first, in a file beside the segments that holds nothing of the records: a frame that a
//! power cut leaves half written is written again before anybody reads it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use feature::Micros;
use serde::{Deserialize, Serialize};

use super::disk::{file, sync_folder};
use super::frame::{Frame, HEAD};
use super::push_error::PushError;
use super::segment::{self, SegmentReader, segments};
use super::topic_end::read_by_all;

const NOTE: &str = "forgetting";
/// How long a stream that follows the topic is given to read what is to be written over.
const PATIENCE: Duration = if cfg!(test) { Duration::from_millis(200) } else { Duration::from_secs(10) };
const REST: Duration = Duration::from_millis(50);

/// What a search found in a topic on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SearchedTopic {
    /// Records that were searched.
    pub records: u64,
    /// Records of the entity.
    pub found: u64,
    /// Of these, records whose keys and values are zeros now.
    pub cleared: u64,
}

/// A frame that is written over.
#[derive(Debug, Serialize, Deserialize)]
struct Cleared {
    /// The first offset of its segment.
    segment: u64,
    /// Where in the segment it begins.
    at: u64,
    offset: u64,
    timestamp: i64,
    key: Option<usize>,
    value: Option<usize>,
    begins: bool,
}

impl Cleared {
    fn bytes(&self) -> Option<Vec<u8>> {
        let zeros = |length: Option<usize>| length.map(|length| vec![0; length]);
        let frame = Frame {
            offset: self.offset,
            timestamp: Micros::new(self.timestamp).ok()?,
            key: zeros(self.key),
            value: zeros(self.value),
            begins: self.begins,
            is_forgotten: true,
        };
        let mut bytes = Vec::new();
        frame.write(&mut bytes);
        Some(bytes)
    }
}

/// Clears the records that were pushed up to a moment and of which this holds, by their keys and values, or only counts
/// them. A record that some stream is still to read waits for it.
pub fn forget_pushed(
    folder: &Path,
    until: Micros,
    removes: bool,
    is_of_entity: impl Fn(Option<&[u8]>, Option<&[u8]>) -> bool,
) -> Result<SearchedTopic, PushError> {
    let mut searched = SearchedTopic::default();
    if !folder.join("groups").is_dir() {
        return Ok(searched);
    }
    finish(folder)?;
    let mut due = Vec::new();
    for first in segments(folder)? {
        let mut reader = SegmentReader::open(folder, first)?;
        let mut at = reader.at();
        while let Some(frame) = reader.next()? {
            let begins_at = std::mem::replace(&mut at, reader.at());
            searched.records += 1;
            let is_one = is_of_entity(frame.key.as_deref(), frame.value.as_deref());
            if frame.is_forgotten || frame.timestamp > until || !is_one {
                continue;
            }
            searched.found += 1;
            due.push(Cleared {
                segment: first,
                at: begins_at,
                offset: frame.offset,
                timestamp: frame.timestamp.get(),
                key: frame.key.as_ref().map(Vec::len),
                value: frame.value.as_ref().map(Vec::len),
                begins: frame.begins,
            });
        }
    }
    if removes && !due.is_empty() {
        let _readers = wait_for_readers(folder, &mut due)?;
        searched.cleared = due.len() as u64;
        note(folder, &due)?;
        finish(folder)?;
    }
    Ok(searched)
}

/// Waits until every stream that follows the topic has read these records, and keeps those that nobody reads now or later:
/// where no stream is running, all of them, and none begins before this ends.
fn wait_for_readers(folder: &Path, due: &mut Vec<Cleared>) -> Result<Vec<File>, PushError> {
    let began = Instant::now();
    loop {
        let read = read_by_all(folder)?;
        let is_read = |one: &Cleared| read.is_some_and(|read| one.offset < read);
        if due.iter().all(is_read) {
            return Ok(Vec::new());
        }
        let mut locked = Vec::new();
        let groups = folder.join("groups");
        for entry in fs::read_dir(&groups).map_err(PushError::disk(&groups))? {
            let group = file(&entry.map_err(PushError::disk(&groups))?.path())?;
            locked.push(group.try_lock().is_ok().then_some(group));
        }
        if let Some(locked) = locked.into_iter().collect::<Option<Vec<File>>>() {
            return Ok(locked);
        }
        if began.elapsed() >= PATIENCE {
            due.retain(is_read);
            return Ok(Vec::new());
        }
        thread::sleep(REST);
    }
}

fn note(folder: &Path, due: &[Cleared]) -> Result<(), PushError> {
    let (path, staged) = (folder.join(NOTE), folder.join(format!("{NOTE}.new")));
    let write = || {
        let mut file = File::create(&staged)?;
        file.write_all(&serde_json::to_vec(due)?)?;
        file.sync_all()?;
        fs::rename(&staged, &path)
    };
    write().map_err(PushError::disk(&path))?;
    sync_folder(folder)
}

/// Writes over what is noted, if something is.
pub(super) fn finish(folder: &Path) -> Result<(), PushError> {
    let path = folder.join(NOTE);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(PushError::disk(&path)(error)),
    };
    let damaged = || PushError::Damaged {
        path: path.display().to_string(),
        why: "it is not the note that was written".to_owned(),
    };
    let noted: Vec<Cleared> = serde_json::from_slice(&bytes).map_err(|_| damaged())?;
    for one in noted {
        let path = segment::path(folder, one.segment);
        // A segment that every group has read may be gone by now.
        let opened = match File::options().write(true).open(&path) {
            Ok(opened) => opened,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(PushError::disk(&path)(error)),
        };
        let bytes = one.bytes().ok_or_else(damaged)?;
        debug_assert!(bytes.len() > HEAD);
        let written = opened.write_all_at(&bytes, one.at).and_then(|()| opened.sync_data());
        written.map_err(PushError::disk(&path))?;
    }
    fs::remove_file(&path).map_err(PushError::disk(&path))?;
    sync_folder(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::push::{PushLog, Pushed};

    fn at(micros: i64) -> Micros {
        Micros::new(micros).unwrap()
    }

    fn row(text: &str) -> Pushed {
        Pushed { key: Some(b"k".to_vec()), value: Some(text.as_bytes().to_vec()) }
    }

    fn frames(folder: &Path) -> Vec<Frame> {
        let mut reader = SegmentReader::open(folder, 0).unwrap();
        std::iter::from_fn(|| reader.next().unwrap()).collect()
    }

    fn is_lax(_: Option<&[u8]>, value: Option<&[u8]>) -> bool {
        value.is_some_and(|value| value.windows(3).any(|bytes| bytes == b"LAX"))
    }

    #[test]
    fn records_of_the_entity_become_zeros_while_another_process_appends_behind_them() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let mut log = PushLog::open(folder).unwrap();
        log.append(&[row("a LAX"), row("b BOS")], at(1)).unwrap();
        log.append(&[row("c LAX")], at(9)).unwrap();
        let before = frames(folder);
        let found = forget_pushed(folder, at(5), false, is_lax).unwrap();
        assert_eq!(found, SearchedTopic { records: 3, found: 1, cleared: 0 });
        assert_eq!(frames(folder), before);
        let found = forget_pushed(folder, at(5), true, is_lax).unwrap();
        assert_eq!(found, SearchedTopic { records: 3, found: 1, cleared: 1 });
        log.append(&[row("d BOS")], at(10)).unwrap();
        let after = frames(folder);
        let cleared =
            Frame { key: Some(vec![0]), value: Some(vec![0; 5]), is_forgotten: true, ..before[0].clone() };
        assert_eq!(after[..3], [cleared, before[1].clone(), before[2].clone()]);
        assert_eq!(after.len(), 4);
        drop(log);
        assert_eq!(PushLog::open(folder).unwrap().next(), 4);
        assert_eq!(forget_pushed(folder, at(5), true, is_lax).unwrap().found, 0);
    }

    #[test]
    fn a_frame_that_was_left_half_written_is_whole_again_once_the_topic_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        PushLog::open(folder).unwrap().append(&[row("a LAX"), row("b BOS")], at(1)).unwrap();
        let noted = Cleared {
            segment: 0,
            at: 8,
            offset: 0,
            timestamp: 1,
            key: Some(1),
            value: Some(5),
            begins: true,
        };
        note(folder, &[noted]).unwrap();
        let path = segment::path(folder, 0);
        let mut torn = fs::read(&path).unwrap();
        torn[20..30].fill(0);
        fs::write(&path, torn).unwrap();
        assert_eq!(PushLog::open(folder).unwrap().next(), 2);
        assert!(!folder.join(NOTE).exists());
        assert!(frames(folder)[0].is_forgotten);
    }

    #[test]
    fn what_a_running_stream_is_still_to_read_is_left_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        PushLog::open(folder).unwrap().append(&[row("a LAX")], at(1)).unwrap();
        let group = file(&folder.join("groups/g")).unwrap();
        group.try_lock().unwrap();
        let found = forget_pushed(folder, at(5), true, is_lax).unwrap();
        assert_eq!((found.found, found.cleared), (1, 0));
        drop(group);
        assert_eq!(forget_pushed(folder, at(5), true, is_lax).unwrap().cleared, 1);
    }
}
