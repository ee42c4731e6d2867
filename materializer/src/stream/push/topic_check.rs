//! A whole topic read through for damage, whoever appends to it meanwhile.

use std::io;
use std::path::Path;

use super::push_error::PushError;
use super::segment::{self, segments};
use super::topic_end::{acknowledged, end_of};

/// What a check of a topic on disk found.
#[derive(Debug, Default)]
pub struct CheckedTopic {
    /// Its segments.
    pub segments: u64,
    /// What is damaged.
    pub damaged: Vec<PushError>,
}

/// Whether nothing in this folder says that anything was ever appended to the topic.
pub fn is_empty_topic(folder: &Path) -> Result<bool, PushError> {
    if !folder.is_dir() {
        return Ok(true);
    }
    let has_groups = folder.join("groups").is_dir();
    Ok(segments(folder)?.is_empty() && (!has_groups || acknowledged(folder)?.up_to == 0))
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
        // A segment that every group has read may be dropped just now; one whose link is there is not.
        Err(PushError::Disk { path, error, .. }) if error.kind() == io::ErrorKind::NotFound => {
            if std::fs::symlink_metadata(&path).is_ok() {
                let why = "it is missing: its link leads to a file that is not there".to_owned();
                checked.damaged.push(PushError::Damaged { path, why });
            }
            Ok(())
        }
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
