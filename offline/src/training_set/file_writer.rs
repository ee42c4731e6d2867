//! Writes a file of rows in the format that its name says, hashing its bytes as they are written.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::writer::{DictionaryHandling, IpcWriteOptions};
use feature::hexadecimal;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use sha2::{Digest, Sha256};

use crate::error::{Cause, OfflineError};
use crate::training_set::csv_writer::CsvWriter;
use crate::training_set::dictionaries::Dictionaries;
use crate::training_set::file_format::FileFormat;
use crate::training_set::partial::Partial;
use crate::training_set::written_columns::WrittenColumns;

/// Bytes of a dictionary beyond which a column of a file goes on without one: what hardly repeats is
/// not worth the lookups.
const DICTIONARY_BYTES: usize = 128 * 1024;

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
