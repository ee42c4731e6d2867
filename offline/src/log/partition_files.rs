//! Rows written by partition, each partition's into a file of its own, by several threads: no more files are open than there
//! are threads, however many partitions the rows have.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::{cast, interleave_record_batch};
use arrow::datatypes::{DataType, Int64Type};
use arrow::error::ArrowError;
use deltalake_core::DeltaTableError;
use deltalake_core::kernel::Add;
use deltalake_core::writer::{DeltaWriter, RecordBatchWriter};

use crate::blocking::blocking_future;

/// Runs of rows shorter than this, on average, are gathered before they are encoded.
const SHORT_RUN: usize = 256;

/// Consecutive rows of a batch that belong to one partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Run {
    batch: usize,
    start: usize,
    rows: usize,
}

/// Batches, and which of their rows are still to be written.
#[derive(Debug)]
pub(super) struct PartitionFiles {
    batches: Vec<RecordBatch>,
    /// The rows of each partition that no thread has taken.
    partitions: Mutex<VecDeque<Vec<Run>>>,
}

impl PartitionFiles {
    /// All rows of these batches, by the values of a column of days or whole numbers where one is named.
    pub(super) fn new(batches: Vec<RecordBatch>, column: Option<&str>) -> Result<Arc<Self>, ArrowError> {
        let mut partitions: BTreeMap<Option<i64>, Vec<Run>> = BTreeMap::new();
        for (batch, rows) in batches.iter().enumerate().filter(|(_, rows)| rows.num_rows() > 0) {
            let Some(values) = column.and_then(|column| rows.column_by_name(column)) else {
                partitions.entry(None).or_default().push(Run { batch, start: 0, rows: rows.num_rows() });
                continue;
            };
            let values = cast(values, &DataType::Int64)?;
            let values = values.as_primitive::<Int64Type>();
            let value = |row: usize| values.is_valid(row).then(|| values.value(row));
            let mut start = 0;
            for row in 1..=rows.num_rows() {
                if row == rows.num_rows() || value(row) != value(start) {
                    partitions.entry(value(start)).or_default().push(Run { batch, start, rows: row - start });
                    start = row;
                }
            }
        }
        Ok(Arc::new(Self { batches, partitions: Mutex::new(partitions.into_values().collect()) }))
    }

    /// How many partitions are still to be written.
    pub(super) fn len(&self) -> usize {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Writes partitions until none is left, on a thread of its own. Gives the files.
    pub(super) async fn write(
        self: Arc<Self>,
        writer: impl Fn() -> Result<RecordBatchWriter, DeltaTableError> + Send + 'static,
    ) -> Result<Vec<Add>, DeltaTableError> {
        blocking_future(move || async move {
            let mut adds = Vec::new();
            while let Some(runs) = self.next() {
                let written = self.write_file(&runs, writer()).await;
                if written.is_err() {
                    // The others end sooner.
                    self.partitions.lock().unwrap_or_else(PoisonError::into_inner).clear();
                }
                adds.extend(written?);
            }
            Ok(adds)
        })
        .await
    }

    fn next(&self) -> Option<Vec<Run>> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    async fn write_file(
        &self,
        runs: &[Run],
        writer: Result<RecordBatchWriter, DeltaTableError>,
    ) -> Result<Vec<Add>, DeltaTableError> {
        let mut writer = writer?;
        for rows in self.rows(runs)? {
            writer.write(rows).await?;
        }
        writer.flush().await
    }

    /// The rows of some runs, in their order.
    fn rows(&self, runs: &[Run]) -> Result<Vec<RecordBatch>, ArrowError> {
        let all: usize = runs.iter().map(|run| run.rows).sum();
        if all >= runs.len() * SHORT_RUN {
            let batch = |run: &Run| self.batches.get(run.batch).map(|batch| batch.slice(run.start, run.rows));
            return Ok(runs.iter().filter_map(batch).collect());
        }
        let batches: Vec<&RecordBatch> = self.batches.iter().collect();
        let rows = runs.iter().flat_map(|run| (run.start..run.start + run.rows).map(|row| (run.batch, row)));
        Ok(vec![interleave_record_batch(&batches, &rows.collect::<Vec<_>>())?])
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Date32Array, Int64Array};
    use arrow::datatypes::{Field, Schema};

    use super::*;

    fn batch(rows: &[(i32, i64)]) -> RecordBatch {
        let fields = [("day", DataType::Date32), ("number", DataType::Int64)];
        let schema = Schema::new(fields.map(|(name, ty)| Field::new(name, ty, true)).to_vec());
        let days = Date32Array::from_iter_values(rows.iter().map(|(day, _)| *day));
        let numbers = Int64Array::from_iter_values(rows.iter().map(|(_, number)| *number));
        RecordBatch::try_new(Arc::new(schema), vec![Arc::new(days), Arc::new(numbers)]).unwrap()
    }

    /// The numbers of the rows of each partition.
    fn written(files: &PartitionFiles) -> Vec<Vec<i64>> {
        let mut partitions = Vec::new();
        while let Some(runs) = files.next() {
            let numbers = |rows: &RecordBatch| rows.column(1).as_primitive::<Int64Type>().values().to_vec();
            partitions.push(files.rows(&runs).unwrap().iter().flat_map(numbers).collect());
        }
        partitions
    }

    #[test]
    fn each_partition_has_all_its_rows_in_their_order() {
        let mixed = [batch(&[(2, 0), (1, 1), (2, 2)]), batch(&[]), batch(&[(2, 3), (3, 4), (1, 5)])];
        let files = PartitionFiles::new(mixed.to_vec(), Some("day")).unwrap();
        assert_eq!(files.len(), 3);
        assert_eq!(written(&files), [vec![1, 5], vec![0, 2, 3], vec![4]]);
        let long: Vec<(i32, i64)> = (0..600).map(|number| (i32::from(number >= 300), number)).collect();
        let files = PartitionFiles::new(vec![batch(&long)], Some("day")).unwrap();
        assert_eq!(written(&files), [(0..300).collect::<Vec<_>>(), (300..600).collect()]);
    }

    #[test]
    fn rows_without_a_partition_are_one_file() {
        let files = PartitionFiles::new(vec![batch(&[(2, 0)]), batch(&[(1, 1)])], None).unwrap();
        assert_eq!(written(&files), [vec![0, 1]]);
    }
}
