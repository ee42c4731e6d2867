//! Writes a training set to a file: one thread writes it, another hashes what its columns hold, and neither
//! delays the stream that gives the rows.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::blocking::blocking;
use crate::error::{Cause, OfflineError};
use crate::fault_injection::BatchPoint;
use crate::training_set::content_hash::{ColumnHash, ContentHash};
use crate::training_set::file_writer::FileWriter;
use crate::training_set::manifest::Manifest;
use crate::training_set::partial::{self, Partial};
use crate::training_set::written_columns::WrittenColumns;

/// Batches that wait for each thread.
const BATCHES: usize = 2;

/// The file of a training set while it is written. Dropped, it leaves nothing behind.
pub struct TrainingSetFile {
    path: PathBuf,
    file: Background<FileWriter>,
    hash: Background<(ContentHash, WrittenColumns)>,
}

/// A training set's file that is whole and on disk, and does not have its name yet. One that is dropped leaves
/// nothing behind.
pub struct FinishedFile {
    path: PathBuf,
    partial: Partial,
    /// What it holds.
    pub content: FileContent,
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
        BatchPoint::TrainingBegun.pass();
        let written = WrittenColumns::of(path, schema)?;
        let hash = (ContentHash::new(written.schema()), written);
        Ok(Self {
            path: path.to_owned(),
            file: Background::begin(file, FileWriter::write),
            hash: Background::begin(hash, |(hash, written), batch| Ok(hash.add(&written.batch(batch)?)?)),
        })
    }

    /// Takes rows; an error of earlier ones is given by [`TrainingSetFile::finish`] alone, and ends this
    /// with `false`.
    pub async fn write(&self, batch: RecordBatch) -> bool {
        self.hash.send(batch.clone()).await && self.file.send(batch).await
    }

    /// Ends the file: all of it is on disk.
    pub async fn finish(self) -> Result<FinishedFile, OfflineError> {
        blocking(move || {
            let (columns, _) = self.hash.end()?.0.finish();
            let (sha256, partial) = self.file.end()?.close()?;
            Ok(FinishedFile { path: self.path, partial, content: FileContent { sha256, columns } })
        })
        .await
    }
}

impl FinishedFile {
    /// Gives the training set its name, and its manifest beside it. A manifest never lies beside another training
    /// set than its own, wherever the process ends.
    pub fn name(self, manifest: &Manifest) -> Result<(), OfflineError> {
        let path = Manifest::path_of(&self.path);
        let failed = |error: Cause| OfflineError::file("write", &path, error);
        let text = manifest.text().map_err(|error| failed(error.into()))?;
        let (description, mut file) = Partial::create(&path).map_err(|error| failed(error.into()))?;
        file.write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(|error| failed(error.into()))?;
        BatchPoint::TrainingWritten.pass();
        let named = partial::name_both(self.partial, description);
        named.map_err(|error| OfflineError::file("write", &self.path, error))
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
            // The thread itself reported a panic, and its result is not needed.
            let _ = thread.join();
        }
    }
}
