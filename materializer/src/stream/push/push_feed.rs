//! A topic on disk as a source. One process of a group reads it; another waits until that one is gone.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use feature::Micros;
use locks::{Holder, Wait};

use super::disk::file;
use super::number;
use super::push_error::PushError;
use super::segment::{SegmentReader, segments};
use super::topic_end::end_of;
use crate::error::FeedError;
use crate::stream::feed::{Arrival, Feed, Others};

/// How often the end of the topic is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// A reader of a topic on disk, as a member of a group.
#[derive(Debug)]
pub struct PushFeed {
    folder: PathBuf,
    /// The group's file: locked once this process is its reader.
    group: File,
    group_path: PathBuf,
    /// How long another process has been the reader. It is never given up.
    wait: Wait,
    is_reader: bool,
    /// Whether another process was the reader when it was tried last.
    is_waiting: bool,
    clock: fn() -> Micros,
    /// The next offset to read; none before it is said where to begin.
    next: Option<u64>,
    /// The end of the topic when it was looked at last.
    end: u64,
    segment: Option<SegmentReader>,
}

impl PushFeed {
    /// Joins a group of readers. The topic is made where there is none.
    pub fn join(folder: &Path, group: &str, clock: fn() -> Micros) -> Result<Self, PushError> {
        let groups = folder.join("groups");
        fs::create_dir_all(&groups).map_err(PushError::disk(&groups))?;
        let group_path = groups.join(group);
        let group = file(&group_path)?;
        let wait = Wait::begin(format!("its turn to read the topic {}", folder.display()), Duration::MAX);
        Ok(Self {
            folder: folder.to_owned(),
            group,
            group_path,
            wait,
            is_reader: false,
            is_waiting: false,
            clock,
            next: None,
            end: 0,
            segment: None,
        })
    }

    fn look(&self) -> Result<u64, PushError> {
        end_of(&self.folder)
    }

    /// The record at the next offset, which is below the end.
    fn read(&mut self, next: u64) -> Result<Arrival, PushError> {
        let mut is_new = false;
        loop {
            let segment = match &mut self.segment {
                Some(segment) => segment,
                None => {
                    is_new = true;
                    let all = segments(&self.folder)?;
                    let Some(first) = all.into_iter().rfind(|first| *first <= next) else {
                        let path = self.folder.display().to_string();
                        let why = format!("the segment with offset {next} is missing");
                        return Err(PushError::Damaged { path, why });
                    };
                    self.segment.insert(SegmentReader::open(&self.folder, first)?)
                }
            };
            match segment.next()? {
                Some(frame) if frame.offset < next => {}
                Some(frame) if frame.offset == next => {
                    self.next = Some(next + 1);
                    return Ok(Arrival::Record(frame.into_record((self.clock)())));
                }
                Some(_) => return Err(segment.damaged(format!("offset {next} is missing in it"))),
                None if is_new => {
                    let why = format!(
                        "{}, or a segment behind it is missing: the topic goes on up to offset {}",
                        segment.unreadable(next),
                        self.end
                    );
                    return Err(segment.damaged(why));
                }
                // The next segment begins here, or what was half read is whole now.
                None => self.segment = None,
            }
        }
    }
}

impl Feed for PushFeed {
    fn next(&mut self, wait: Duration) -> Result<Arrival, FeedError> {
        if !self.is_reader {
            self.is_waiting = self.group.try_lock().is_err();
            if self.is_waiting {
                drop(self.wait.look(|| Holder::of_file(&self.group_path)));
                thread::sleep(wait);
                return Ok(Arrival::Nothing);
            }
            self.is_reader = true;
            return Ok(Arrival::Assigned(vec![0]));
        }
        let began = Instant::now();
        loop {
            if self.next.is_some_and(|next| next >= self.end) {
                self.end = self.look().map_err(refused)?;
            }
            match self.next {
                Some(next) if next < self.end => return self.read(next).map_err(refused),
                _ if began.elapsed() >= wait => return Ok(Arrival::Nothing),
                _ => thread::sleep(LOOK_EVERY.min(wait)),
            }
        }
    }

    fn extent(&mut self, _: u32) -> Result<(u64, u64), FeedError> {
        let first = segments(&self.folder).map_err(refused)?.first().copied();
        Ok((first.unwrap_or(0), self.look().map_err(refused)?))
    }

    fn begin(&mut self, offsets: &[(u32, u64)]) -> Result<(), FeedError> {
        self.next = offsets.first().map(|(_, offset)| *offset);
        self.segment = None;
        Ok(())
    }

    fn others(&mut self) -> Result<Others, FeedError> {
        Ok(match self.is_waiting {
            true => Others { partitions: vec![0], reader: Holder::of_file(&self.group_path) },
            false => Others::default(),
        })
    }

    fn acknowledge(&mut self, ends: &[(u32, u64)]) {
        for (_, end) in ends {
            if let Err(error) = number::write(&self.group, *end) {
                tracing::debug!("{}: it was not noted how far it is read: {error}", self.folder.display());
            }
        }
    }
}

fn refused(error: PushError) -> FeedError {
    FeedError::Refused(error.to_string())
}
