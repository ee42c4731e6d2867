//! A Parquet file of a table without some of its rows, under the same name and in the same length.
//!
//! Commits say how long a file is, and readers refuse one that is not. So what is shorter is filled up with zeros between
//! the pages and the checksums, where no reader of Parquet looks. Fewer rows can take more bytes, where rows were regular and
//! have gaps now: then the file goes without the statistics of its pages, and is packed harder step by step.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::{filter_record_batch, not};
use arrow::datatypes::SchemaRef;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::matcher::Matcher;
use crate::error::OfflineError;
use crate::log::encodings::writer_properties;
use crate::log::storage::{CheckedFile, block_sums, durable};

/// What the footer of a file says that was written again.
const REWRITTEN: &str = "twinstore.rewritten";
/// Rows that are decoded at a time.
const BATCH_ROWS: usize = 65_536;
/// The level of compression of a file that is longer otherwise.
const HARDEST: i32 = 22;
/// The bytes of a page where a file is to have few.
const PAGE_BYTES: usize = 64 << 20;
/// How many lengths of a footer are tried: checksums of blocks make a file grow in steps of five bytes at most.
const FOOTERS: usize = 6;

/// A file that is searched.
pub(super) struct SearchedFile {
    path: PathBuf,
    file: CheckedFile,
    rows: u64,
    is_rewritten: bool,
}

impl SearchedFile {
    pub(super) fn open(path: &Path) -> Result<Self, OfflineError> {
        let file = CheckedFile::open(path).map_err(|error| OfflineError::of_file(path, error))?;
        let builder = reader(path)?;
        let about = builder.metadata().file_metadata();
        let is_mark = |pair: &KeyValue| pair.key == REWRITTEN;
        let is_rewritten = about.key_value_metadata().is_some_and(|pairs| pairs.iter().any(is_mark));
        let rows = u64::try_from(about.num_rows()).unwrap_or(0);
        Ok(Self { path: path.to_owned(), file, rows, is_rewritten })
    }

    /// How many rows it has.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Whether rows were taken out of it before.
    pub(super) fn is_rewritten(&self) -> bool {
        self.is_rewritten
    }

    /// The batches with a row that matches, of the columns that the matcher looks at, and which rows do.
    pub(super) fn matching(
        &self,
        matcher: &impl Matcher,
    ) -> Result<Vec<(RecordBatch, BooleanArray)>, OfflineError> {
        let builder = reader(&self.path)?;
        let columns = matcher.columns();
        let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().map(String::as_str));
        let mut found = Vec::new();
        for batch in self.built(builder.with_projection(mask))? {
            let batch = batch?;
            let is_one = matcher.matches(&batch)?;
            if is_one.true_count() > 0 {
                found.push((batch, is_one));
            }
        }
        Ok(found)
    }

    /// Writes the file again without the rows that match; gives how many it has then.
    pub(super) fn rewrite(&self, matcher: &impl Matcher) -> Result<u64, OfflineError> {
        // What is written again is what was written: damage stays visible.
        self.file.check().map_err(|error| OfflineError::of_file(&self.path, error))?;
        let builder = reader(&self.path)?;
        let schema = builder.schema().clone();
        let mut kept = Vec::new();
        for batch in self.built(builder)? {
            let batch = batch?;
            let is_kept = not(&matcher.matches(&batch)?)?;
            kept.push(filter_record_batch(&batch, &is_kept)?);
        }
        let rows = kept.iter().map(|batch| batch.num_rows() as u64).sum();
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let fitting = tries(&schema).into_iter().find_map(|packing| {
            let written = written(&schema, &kept, packing);
            let fitted = written
                .map(|bytes| block_sums::of_length(&bytes, &name, self.file.length(), self.file.has_sums()));
            fitted.transpose()
        });
        let bytes = fitting.ok_or_else(|| OfflineError::Corrupt {
            what: format!("`{}`, and all that its rows can be packed into,", self.path.display()),
            why: "fewer rows take more bytes".to_owned(),
        })??;
        replace(&self.path, &bytes)?;
        Ok(rows)
    }

    fn built(
        &self,
        builder: ParquetRecordBatchReaderBuilder<File>,
    ) -> Result<ParquetRecordBatchReader, OfflineError> {
        builder.with_batch_size(BATCH_ROWS).build().map_err(|error| unreadable(&self.path, error))
    }
}

/// Writes a file over one of this name, at once: a reader that has the old one open goes on with it.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), OfflineError> {
    let mut staged = path.as_os_str().to_owned();
    staged.push(format!("#{}000000", std::process::id()));
    let staged = PathBuf::from(staged);
    let write = || {
        let mut file = File::create(&staged)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&staged, path)?;
        path.parent().map_or(Ok(()), durable::sync_folder)
    };
    write().map_err(|error| OfflineError::file("write", path, error))
}

fn reader(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>, OfflineError> {
    let file = File::open(path).map_err(|error| OfflineError::file("read", path, error))?;
    ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| unreadable(path, error))
}

fn unreadable(path: &Path, error: ParquetError) -> OfflineError {
    OfflineError::file("read", path, error)
}

/// How a file may be written.
struct Packing {
    properties: WriterProperties,
    /// Whether it goes without the types that its columns have in memory: every reader of a log knows them.
    is_bare: bool,
}

/// The ways to write the file, each shorter than those before, with footers of several lengths.
fn tries(schema: &SchemaRef) -> Vec<Packing> {
    let usual = || writer_properties(schema).into_builder();
    let bare = || usual().set_offset_index_disabled(true).set_statistics_enabled(EnabledStatistics::None);
    let hardest = Compression::ZSTD(ZstdLevel::try_new(HARDEST).unwrap_or_default());
    let hard = || bare().set_compression(hardest);
    // Also those columns that are packed to their bits, and are not compressed else.
    let whole = || {
        let columns = schema.fields().iter().map(|field| ColumnPath::from(field.name().as_str()));
        columns.fold(hard(), |properties, column| properties.set_column_compression(column, hardest))
    };
    let few_pages = || whole().set_data_page_row_count_limit(usize::MAX).set_data_page_size_limit(PAGE_BYTES);
    [(usual(), false), (bare(), false), (hard(), false), (whole(), false), (few_pages(), true)]
        .into_iter()
        .flat_map(|(builder, is_bare)| {
            (0..FOOTERS).map(move |spaces| {
                let mark = KeyValue::new(REWRITTEN.to_owned(), format!("1{}", " ".repeat(spaces)));
                let properties = builder.clone().set_key_value_metadata(Some(vec![mark])).build();
                Packing { properties, is_bare }
            })
        })
        .collect()
}

fn written(
    schema: &SchemaRef,
    batches: &[RecordBatch],
    Packing { properties, is_bare }: Packing,
) -> Result<Vec<u8>, OfflineError> {
    let failed = |error: ParquetError| OfflineError::Arrow(error.into());
    let mut bytes = Vec::new();
    let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(is_bare);
    let writer = ArrowWriter::try_new_with_options(&mut bytes, schema.clone(), options);
    let mut writer = writer.map_err(failed)?;
    batches.iter().try_for_each(|batch| writer.write(batch)).map_err(failed)?;
    writer.close().map_err(failed)?;
    Ok(bytes)
}
