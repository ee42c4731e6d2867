//! How far a topic was acknowledged and how far its groups have read it, by its files.

use std::path::Path;
use std::time::Duration;
use std::{fs, io, thread};

use super::number::{self, Number};
use super::push_error::PushError;
use super::segment::{self, Acknowledged};

/// How often a missing end is looked for, and how long between.
const LOOKS: u32 = 20;
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The offset up to which a group's log has everything, of the topic in this folder; 0 where the group is
/// not known there. Any process may ask.
pub fn read_up_to(folder: &Path, group: &str) -> u64 {
    match number::read(&folder.join("groups").join(group)) {
        Ok(Number::Is(read)) => read,
        // It is written again with the group's next commit.
        Ok(Number::None | Number::Damaged) | Err(_) => 0,
    }
}

/// Forgets a group that reads no more of the topic in this folder, so that nothing is kept for it. One that is not known
/// there is no error.
pub fn leave_topic(folder: &Path, group: &str) -> Result<(), PushError> {
    let path = folder.join("groups").join(group);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(PushError::disk(&path)(error)),
        _ => Ok(()),
    }
}

/// The offset up to which every group has read; none where there is no group.
pub(super) fn read_by_all(folder: &Path) -> Result<Option<u64>, PushError> {
    let read = read_by_groups(folder)?;
    // More than there is was read by nobody: the number is damaged, and nothing is dropped by it.
    let end = match number::read(&folder.join("end")).map_err(PushError::disk(folder))? {
        Number::Is(end) => end,
        Number::None | Number::Damaged => 0,
    };
    Ok(read.into_iter().map(|read| read.filter(|read| *read <= end).unwrap_or(0)).min())
}

/// What each group has read, where its file can be read.
pub(super) fn read_by_groups(folder: &Path) -> Result<Vec<Option<u64>>, PushError> {
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
pub(super) fn acknowledged(folder: &Path) -> Result<Acknowledged, PushError> {
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
pub(in crate::stream) fn end_of(folder: &Path) -> Result<u64, PushError> {
    let path = folder.join("end");
    let lost = |why| PushError::End { path: path.display().to_string(), why };
    for _ in 0..LOOKS {
        match number::read(&path).map_err(PushError::disk(&path))? {
            Number::Is(end) => return Ok(end),
            Number::Damaged => return Err(lost("does not match its checksum")),
            Number::None if !segment::has_frames(folder)? => return Ok(0),
            // The first rows of a topic are there a moment before its end is.
            Number::None => thread::sleep(LOOK_AGAIN),
        }
    }
    Err(lost("is missing"))
}
