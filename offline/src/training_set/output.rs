//! Writes a training set, or any rows, to a file in the format that its name says, hashing its bytes as they are written.
//! Of a training set one thread writes the file, another hashes what its columns hold, and neither delays the stream that
//! gives the rows.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::writer::{DictionaryHandling, IpcWriteOptions};
use feature::hexadecimal;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::blocking::blocking;
use crate::error::{Cause, OfflineError};
use crate::fault_injection::BatchPoint;
use crate::training_set::content_hash::{ColumnHash, ContentHash};
use crate::training_set::csv_writer::CsvWriter;
use crate::training_set::dictionaries::Dictionaries;
use crate::training_set::file_format::FileFormat;
use crate::training_set::manifest::Manifest;
use crate::training_set::partial::{self, Partial};
use crate::training_set::stream::TrainingSetStream;
use crate::training_set::written_columns::WrittenColumns;

/// Batches that wait for each thread.
const BATCHES: usize = 2;

/// Bytes of a dictionary beyond which a column of a file goes on without one: what hardly repeats is
/// not worth the lookups.
const DICTIONARY_BYTES: usize = 128 * 1024;

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

impl FinishedFile {
    /// Writes the rows of a training set into a file of the format that its name says, while they are made. Gives its
    /// first batch back, too, where that is to be kept.
    pub async fn write(
        path: &Path,
        rows: &mut TrainingSetStream,
        keeps_first: bool,
    ) -> Result<(Self, Option<RecordBatch>), OfflineError> {
        let file = TrainingSetFile::create(path, rows.schema())?;
        let mut first = None;
        while let Some(batch) = rows.next().await? {
            if keeps_first && first.is_none() {
                first = Some(batch.clone());
            }
            if !file.write(batch).await {
                break;
            }
        }
        Ok((file.finish().await?, first))
    }

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

/// The file of a training set while it is written. Dropped, it leaves nothing behind.
struct TrainingSetFile {
    path: PathBuf,
    file: Background<FileWriter>,
    hash: Background<(ContentHash, WrittenColumns)>,
}

impl TrainingSetFile {
    /// Begins a file of the format that its name says.
    fn create(path: &Path, schema: &SchemaRef) -> Result<Self, OfflineError> {
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
    async fn write(&self, batch: RecordBatch) -> bool {
        self.hash.send(batch.clone()).await && self.file.send(batch).await
    }

    /// Ends the file: all of it is on disk.
    async fn finish(self) -> Result<FinishedFile, OfflineError> {
        blocking(move || {
            let (columns, _) = self.hash.end()?.0.finish();
            let (sha256, partial) = self.file.end()?.close()?;
            Ok(FinishedFile { path: self.path, partial, content: FileContent { sha256, columns } })
        })
        .await
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

/// A file while it is written: it takes its name when it is finished. One that is dropped before leaves
/// nothing behind, and an older file of that name as it was.
pub struct FileWriter {
    path: PathBuf,
    partial: Partial,
    written: WrittenColumns,
    writer: Option<Writer>,
}

enum Writer {
    Parquet(Box<ArrowWriter<Hashed>>),
    Csv(Box<CsvWriter<Hashed>>),
    Arrow(Box<arrow::ipc::writer::FileWriter<BufWriter<Hashed>>>, Dictionaries),
}

/// A file whose bytes are hashed on their way.
struct Hashed {
    file: File,
    hash: Sha256,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl FileWriter {
    /// Begins a file of the format that its name says; refuses by name the columns that it cannot hold.
    pub fn create(path: &Path, schema: &SchemaRef) -> Result<Self, OfflineError> {
        let failed = |error: Cause| OfflineError::file("write", path, error);
        let format = FileFormat::of(path)?;
        let written = WrittenColumns::of(path, schema)?;
        let schema = written.schema().clone();
        let (partial, file) = Partial::create(path).map_err(|error| failed(error.into()))?;
        let file = Hashed { file, hash: Sha256::new() };
        let mut begun = Self { path: path.to_owned(), partial, written, writer: None };
        begun.writer = Some(match format {
            FileFormat::Parquet => {
                let level = ZstdLevel::try_new(1).unwrap_or_default();
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(level))
                    .set_dictionary_page_size_limit(DICTIONARY_BYTES)
                    .build();
                let writer = ArrowWriter::try_new(file, schema.clone(), Some(properties));
                Writer::Parquet(Box::new(writer.map_err(|error| failed(error.into()))?))
            }
            FileFormat::Csv => {
                let writer = CsvWriter::begin(file, &schema).map_err(|error| failed(error.into()))?;
                Writer::Csv(Box::new(writer))
            }
            FileFormat::Arrow => {
                let options = IpcWriteOptions::default().with_dictionary_handling(DictionaryHandling::Delta);
                let file = BufWriter::new(file);
                let writer = arrow::ipc::writer::FileWriter::try_new_with_options(file, &schema, options);
                Writer::Arrow(
                    Box::new(writer.map_err(|error| failed(error.into()))?),
                    Dictionaries::default(),
                )
            }
        });
        Ok(begun)
    }

    /// Writes rows.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), OfflineError> {
        let failed = |why: String| OfflineError::file("write", &self.path, why);
        let batch = &self.written.batch(batch).map_err(|error| failed(error.to_string()))?;
        let written = match &mut self.writer {
            Some(Writer::Parquet(writer)) => writer.write(batch).map_err(|error| error.to_string()),
            Some(Writer::Csv(writer)) => writer.write(batch),
            Some(Writer::Arrow(writer, dictionaries)) => dictionaries
                .unify(batch)
                .and_then(|batch| writer.write(&batch).map_err(|error| error.to_string())),
            None => Ok(()),
        };
        written.map_err(failed)
    }

    /// Ends the file: all of it is on disk when it takes its name. Gives the SHA-256 of its bytes, in
    /// hexadecimal.
    pub fn finish(self) -> Result<String, OfflineError> {
        let path = self.path.clone();
        let (sha256, partial) = self.close()?;
        partial.name().map_err(|error| OfflineError::file("write", &path, error))?;
        Ok(sha256)
    }

    /// Ends the file without giving it its name yet: all of it is on disk.
    pub(crate) fn close(mut self) -> Result<(String, Partial), OfflineError> {
        let failed = |error: Cause| OfflineError::file("write", &self.path, error);
        let Some(writer) = self.writer.take() else { return Err(OfflineError::Cancelled) };
        let hashed = match writer {
            Writer::Parquet(writer) => writer.into_inner().map_err(|error| failed(error.into()))?,
            Writer::Csv(writer) => writer.into_inner(),
            Writer::Arrow(mut writer, _) => {
                writer.finish().map_err(|error| failed(error.into()))?;
                let buffered = writer.into_inner().map_err(|error| failed(error.into()))?;
                buffered.into_inner().map_err(|error| failed(error.into_error().into()))?
            }
        };
        hashed.file.sync_all().map_err(|error| failed(error.into()))?;
        Ok((hexadecimal(&hashed.hash.finalize()), self.partial))
    }
}

/// Writes a batch as a whole file or not at all.
pub fn write_file(path: &Path, batch: &RecordBatch) -> Result<(), OfflineError> {
    let mut writer = FileWriter::create(path, &batch.schema())?;
    writer.write(batch)?;
    writer.finish().map(drop)
}
