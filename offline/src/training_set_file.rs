//! A training set on its way into a file: one thread writes it, another hashes what its columns hold,
//! and neither holds up whoever makes the rows.

use std::path::Path;
use std::thread::JoinHandle;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::content_hash::{ColumnHash, ContentHash};
use crate::error::OfflineError;
use crate::file_format::FileWriter;
use crate::written::Written;

/// Batches that wait for each thread.
const BATCHES: usize = 2;

/// A training set's file that is being written. One that is dropped leaves nothing behind.
pub struct TrainingSetFile {
    file: Background<FileWriter>,
    hash: Background<(ContentHash, Written)>,
}

/// What a training set's file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileContent {
    /// The SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// What each of its columns holds.
    pub columns: Vec<ColumnHash>,
}

impl TrainingSetFile {
    /// Begins a file of the format that its name says.
    pub fn create(path: &Path, schema: &SchemaRef) -> Result<Self, OfflineError> {
        let file = FileWriter::create(path, schema)?;
        let written = Written::of(path, schema)?;
        let hash = (ContentHash::new(written.schema()), written);
        Ok(Self {
            file: Background::begin(file, FileWriter::write),
            hash: Background::begin(hash, |(hash, written), batch| Ok(hash.add(&written.batch(batch)?)?)),
        })
    }

    /// Takes rows; an error of earlier ones is given by [`TrainingSetFile::finish`] alone, and ends this
    /// with `false`.
    pub async fn write(&self, batch: RecordBatch) -> bool {
        self.hash.send(batch.clone()).await && self.file.send(batch).await
    }

    /// Ends the file: all of it is on disk when it takes its name.
    pub fn finish(self) -> Result<FileContent, OfflineError> {
        let (columns, _) = self.hash.end()?.0.finish();
        let sha256 = self.file.end()?.finish()?;
        Ok(FileContent { sha256, columns })
    }
}

/// A thread that takes batches in their order, and gives back what it works on.
struct Background<T> {
    batches: Option<Sender<RecordBatch>>,
    thread: Option<JoinHandle<Result<T, OfflineError>>>,
}

impl<T: Send + 'static> Background<T> {
    fn begin(mut on: T, take: fn(&mut T, &RecordBatch) -> Result<(), OfflineError>) -> Self {
        let (sender, mut receiver): (_, Receiver<RecordBatch>) = channel(BATCHES);
        let work = move || {
            while let Some(batch) = receiver.blocking_recv() {
                take(&mut on, &batch)?;
            }
            Ok(on)
        };
        Self { batches: Some(sender), thread: Some(std::thread::spawn(work)) }
    }

    /// Whether the thread still takes batches.
    async fn send(&self, batch: RecordBatch) -> bool {
        match &self.batches {
            Some(batches) => batches.send(batch).await.is_ok(),
            None => false,
        }
    }

    fn end(mut self) -> Result<T, OfflineError> {
        self.batches = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(ended)) => ended,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Err(OfflineError::Cancelled),
        }
    }
}

impl<T> Drop for Background<T> {
    /// Waits for the thread, so that what it holds is gone when this is.
    fn drop(&mut self) {
        self.batches = None;
        if let Some(thread) = self.thread.take() {
            // A panic was told by the thread itself, and nobody asks for what it made.
            let _ = thread.join();
        }
    }
}
