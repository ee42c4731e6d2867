//! The topics on disk that a server appends to: one writer for each, from its first push on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use feature::VersionId;
use materializer::{PushError, PushWriter, Pushed, read_up_to};
use server::{Appending, PushSource, Sink, SinkError, Taken};

use super::streams::Board;
use crate::clock;
use crate::project::Project;

/// Where rows are pushed.
pub struct Topics {
    project: Project,
    board: Arc<Board>,
    /// By topic: there are no more than registered sources have.
    writers: Mutex<HashMap<String, Arc<PushWriter>>>,
}

impl Topics {
    /// The topics of a project; the board says which streams have stopped.
    pub fn new(project: &Project, board: Arc<Board>) -> Self {
        Self { project: project.clone(), board, writers: Mutex::default() }
    }

    fn writer(&self, topic: &str) -> Result<Arc<PushWriter>, SinkError> {
        let mut writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = writers.get(topic) {
            return Ok(writer.clone());
        }
        let folder =
            self.project.topic_on_disk(topic).map_err(|error| SinkError::Damaged(error.to_string()))?;
        let folder = folder.ok_or_else(|| SinkError::NotTaken("topics do not lie on disk".to_owned()))?;
        let writer = Arc::new(PushWriter::start(&folder, clock::now).map_err(said)?);
        writers.insert(topic.to_owned(), writer.clone());
        Ok(writer)
    }
}

impl Sink for Topics {
    fn append<'a>(&'a self, source: &'a PushSource, rows: Vec<Vec<u8>>) -> Appending<'a> {
        Box::pin(async move {
            let writer = self.writer(&source.topic)?;
            let rows = rows.into_iter().map(|value| Pushed { key: None, value: Some(value) }).collect();
            let appended = writer.append(rows).await.map_err(said)?;
            Ok(Taken { first_offset: appended.offsets.start, synced_nanos: appended.synced_nanos })
        })
    }

    fn progress(&self, source: &PushSource, view: &VersionId) -> u64 {
        let folder = self.project.topic_on_disk(&source.topic).ok().flatten();
        folder.map_or(0, |folder| read_up_to(&folder, &self.project.group_on_disk(view)))
    }

    fn stopped(&self, view: &VersionId) -> Option<String> {
        self.board.failure(view)
    }
}

fn said(error: PushError) -> SinkError {
    let text = error.to_string();
    match error {
        PushError::Full { .. } => SinkError::Full(text),
        PushError::Taken { .. } | PushError::Busy { .. } | PushError::Disk { .. } => {
            SinkError::NotTaken(text)
        }
        PushError::TooLong { .. } => SinkError::TooLong(text),
        PushError::Damaged { .. } => SinkError::Damaged(text),
    }
}
