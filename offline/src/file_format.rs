//! The files that training data comes in and goes out in, chosen by their names.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::error::OfflineError;

/// A format of files of rows and columns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileFormat {
    /// Apache Parquet: `.parquet`, `.pq`
    Parquet,
    /// Comma-separated values with a header: `.csv`
    Csv,
    /// Arrow IPC files: `.arrow`, `.ipc`, `.feather`
    Arrow,
}

impl FileFormat {
    /// The format that the file's name says.
    pub fn of(path: &Path) -> Result<Self, OfflineError> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("parquet" | "pq") => Ok(Self::Parquet),
            Some("csv") => Ok(Self::Csv),
            Some("arrow" | "ipc" | "feather") => Ok(Self::Arrow),
            _ => Err(OfflineError::file("tell the format of", path, "name it .parquet, .csv or .arrow")),
        }
    }
}

/// Writes a batch as a whole file or not at all: a failed write leaves nothing behind, and an
/// older file of that name as it was.
pub fn write_file(path: &Path, batch: &RecordBatch) -> Result<(), OfflineError> {
    let format = FileFormat::of(path)?;
    let partial = partial_name(path);
    let written = write_partial(&partial, format, batch)
        .and_then(|()| std::fs::rename(&partial, path).map_err(|error| error.to_string()));
    written.map_err(|why| {
        // The write has failed already: a partial file that cannot be removed changes nothing.
        let _ = std::fs::remove_file(&partial);
        OfflineError::file("write", path, why)
    })
}

fn partial_name(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.partial", std::process::id()))
}

fn write_partial(path: &Path, format: FileFormat, batch: &RecordBatch) -> Result<(), String> {
    let file = File::create(path).map_err(|error| error.to_string())?;
    let kept = file.try_clone().map_err(|error| error.to_string())?;
    match format {
        FileFormat::Parquet => write_parquet(file, batch).map_err(|error| error.to_string())?,
        FileFormat::Csv => arrow::csv::Writer::new(file).write(batch).map_err(|error| error.to_string())?,
        FileFormat::Arrow => {
            let mut writer = arrow::ipc::writer::FileWriter::try_new_buffered(file, &batch.schema())
                .map_err(|error| error.to_string())?;
            writer.write(batch).and_then(|()| writer.finish()).map_err(|error| error.to_string())?;
        }
    }
    kept.sync_all().map_err(|error| error.to_string())
}

fn write_parquet(file: File, batch: &RecordBatch) -> Result<(), parquet::errors::ParquetError> {
    let level = ZstdLevel::try_new(1)?;
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties))?;
    writer.write(batch)?;
    writer.close()?;
    Ok(())
}
