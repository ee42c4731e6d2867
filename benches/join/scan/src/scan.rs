//! Decodes columns of all Parquet files of a folder: threads take the next file until none is left.

use std::fs::File;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;

/// Rows of one batch, as in a scan of the log.
const BATCH_ROWS: usize = 8192;

/// How many rows the files have, known once all of these columns are decoded.
pub fn rows_decoded(folder: &Path, columns: &[String], threads: usize) -> Result<usize, ParquetError> {
    let mut files = Vec::new();
    find(folder, &mut files)?;
    let next = AtomicUsize::new(0);
    let take_files = || {
        let mut rows = 0;
        while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            rows += decode(file, columns)?;
        }
        Ok(rows)
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(take_files)).collect();
        let gone = |_| Err(ParquetError::General("a thread of the scan panicked".to_owned()));
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(gone)).sum()
    })
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), ParquetError> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "parquet") {
            files.push(path);
        }
    }
    Ok(())
}

fn decode(file: &Path, columns: &[String]) -> Result<usize, ParquetError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(file)?)?;
    let schema = builder.parquet_schema();
    if let Some(column) = columns.iter().find(|column| !schema.columns().iter().any(|c| c.name() == *column))
    {
        return Err(ParquetError::General(format!("{} has no column `{column}`", file.display())));
    }
    let mask = ProjectionMask::columns(schema, columns.iter().map(String::as_str));
    let mut rows = 0;
    for batch in builder.with_projection(mask).with_batch_size(BATCH_ROWS).build()? {
        rows += black_box(batch?).num_rows();
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, RecordBatch};
    use parquet::arrow::ArrowWriter;

    use super::*;

    fn write(path: &Path, rows: i64) {
        let column = Arc::new(Int64Array::from_iter_values(0..rows));
        let batch = RecordBatch::try_from_iter([("a", column as _)]).unwrap();
        let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    }

    #[test]
    fn every_file_is_read_once_whatever_the_number_of_threads() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("day")).unwrap();
        write(&folder.path().join("one.parquet"), 10_000);
        write(&folder.path().join("day/two.parquet"), 5);
        for threads in [1, 2, 8] {
            assert_eq!(rows_decoded(folder.path(), &["a".to_owned()], threads).unwrap(), 10_005);
        }
    }

    #[test]
    fn a_column_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("one.parquet"), 1);
        let error = rows_decoded(folder.path(), &["b".to_owned()], 1).unwrap_err();
        assert!(error.to_string().contains("has no column `b`"), "{error}");
    }
}
