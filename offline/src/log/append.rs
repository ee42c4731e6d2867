//! Rows appended to a table, or written instead of files with the same rows, in one commit. They are written by partition, each
//! partition's into a file of its own, by several threads: no more files are open than there are threads, however many
//! partitions the rows have.
//!
//! An append reads the counters that it compares and commits on the same snapshot, so two writers of the same
//! positions cannot both win ([`crate::log::commit`] sees the same counter).

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::{cast, interleave_record_batch};
use arrow::datatypes::{DataType, Int64Type};
use arrow::error::ArrowError;
use deltalake_core::DeltaTableError;
use deltalake_core::kernel::{Action, Add};
use deltalake_core::protocol::DeltaOperation;
use deltalake_core::writer::{DeltaWriter, RecordBatchWriter};
use futures::future::join_all;

use crate::blocking::{blocking, blocking_future};
use crate::error::OfflineError;
use crate::log::commit::{Committed, Intent, Written};
use crate::log::encodings::writer_properties;
use crate::log::forgotten::{FORGOTTEN, FORGOTTEN_WHOLE};
use crate::log::table::{DataFile, Marker, Table};
use crate::log::view_log::Log;
use crate::threads::threads;

/// Runs of rows shorter than this, on average, are gathered before they are encoded.
const SHORT_RUN: usize = 256;

impl Log {
    /// Begins an append of batches of the log's schema to this snapshot.
    pub async fn appender(&mut self) -> Result<Appender<'_>, OfflineError> {
        self.table.appender().await
    }

    /// Begins to write batches of the log's schema into files that a later commit names.
    pub async fn rows_writer(&mut self) -> Result<RowsWriter, OfflineError> {
        self.table.rows_writer().await
    }
}

impl Table {
    /// Begins an append to this snapshot.
    pub(crate) async fn appender(&mut self) -> Result<Appender<'_>, OfflineError> {
        let rows = self.rows_writer().await?;
        Ok(Appender { table: self, rows })
    }

    /// Begins to write rows that are committed later.
    pub(crate) async fn rows_writer(&mut self) -> Result<RowsWriter, OfflineError> {
        if self.version().is_none() {
            self.create().await?;
        }
        Ok(RowsWriter { table: self.clone(), batches: Vec::new(), adds: Vec::new() })
    }

    /// Replaces files with one batch that has the same rows. The commit says that no data changed. A conflict
    /// where another replaced one of the files: its rows would be there twice.
    pub(crate) async fn replace(
        &mut self,
        files: &[DataFile],
        rows: RecordBatch,
    ) -> Result<u64, OfflineError> {
        let mut writer = self.writer()?;
        let written = blocking_future(move || async move {
            writer.write(rows).await?;
            writer.flush().await
        });
        let written = written.await.map_err(|error| self.failed(error))?;
        let written = self.synced(written).await?;
        let adds = written.len();
        let snapshot = self.delta.snapshot().map_err(|error| self.failed(error))?;
        let logged = snapshot.log_data();
        let replaced =
            logged.iter().filter(|entry| files.iter().any(|file| file.path == entry.object_store_path()));
        let mut actions: Vec<Action> =
            replaced.map(|file| Action::Remove(file.remove_action(false))).collect();
        actions.extend(written.into_iter().map(|add| Action::Add(Add { data_change: false, ..add })));
        if actions.len() != files.len() + adds {
            return Err(self.conflict("another compaction replaced some of the same files"));
        }
        let operation = DeltaOperation::Optimize { predicate: None, target_size: 0 };
        // Files that were read before an entity was taken out of them bring it back.
        let reads = &[FORGOTTEN, FORGOTTEN_WHOLE];
        let intent = Intent { actions, operation, markers: &[], reads, reads_rows: false };
        Ok(self.commit(&intent).await?.version)
    }

    fn writer(&self) -> Result<RecordBatchWriter, OfflineError> {
        let writer = RecordBatchWriter::for_table(&self.delta).map_err(|error| self.failed(error))?;
        Ok(writer.with_writer_properties(writer_properties(self.schema())))
    }
}

/// Rows that are being appended to a table. Nothing of them is visible before the commit, and an appender that is dropped
/// leaves the table as it was.
pub struct Appender<'a> {
    table: &'a mut Table,
    rows: RowsWriter,
}

impl Appender<'_> {
    /// As [`RowsWriter::write`].
    pub fn write(&mut self, batch: RecordBatch) {
        self.rows.write(batch);
    }

    /// As [`RowsWriter::flush`].
    pub async fn flush(&mut self) -> Result<(), OfflineError> {
        self.rows.flush().await
    }

    /// Commits what was written and moves the counters, all in one commit decided on the snapshot that the
    /// append began on; a conflict where another writer moved one of them since, or one of the counters that
    /// were read besides. Gives the new version, which the table then stands at.
    pub async fn commit(self, markers: &[Marker], reads: &[&str]) -> Result<Committed, OfflineError> {
        let Self { table, rows } = self;
        let written = rows.finish().await?;
        table.commit(&written.intent(table.partition, markers, reads)).await
    }

    /// Ends the writing, and leaves the commit for later.
    pub async fn finish(self) -> Result<Written, OfflineError> {
        self.rows.finish().await
    }
}

/// Rows on their way into files of a table that no commit names yet. One that is dropped leaves the table as it was.
pub struct RowsWriter {
    table: Table,
    /// Rows that are in no file yet.
    batches: Vec<RecordBatch>,
    adds: Vec<Add>,
}

impl RowsWriter {
    /// Takes a batch of the table's schema.
    pub fn write(&mut self, batch: RecordBatch) {
        self.batches.push(batch);
    }

    /// Writes the rows that are in no file yet, a file for each partition, on several threads: they take no memory any
    /// more.
    pub async fn flush(&mut self) -> Result<(), OfflineError> {
        let (table, batches) = (&self.table, std::mem::take(&mut self.batches));
        let partition = table.partition;
        let files = blocking(move || Ok::<_, OfflineError>(PartitionFiles::new(batches, partition)?)).await?;
        let threads = threads().min(files.len());
        let threads = (0..threads).map(|_| {
            let (delta, properties) = (table.delta.clone(), writer_properties(table.schema()));
            files.clone().write(move || {
                Ok(RecordBatchWriter::for_table(&delta)?.with_writer_properties(properties.clone()))
            })
        });
        for written in join_all(threads).await {
            self.adds.extend(written.map_err(|error| self.table.failed(error))?);
        }
        Ok(())
    }

    /// Writes all rows and leaves the commit for later.
    pub async fn finish(mut self) -> Result<Written, OfflineError> {
        self.flush().await?;
        Ok(Written { adds: self.table.synced(self.adds).await? })
    }
}

/// Consecutive rows of a batch that belong to one partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Run {
    batch: usize,
    start: usize,
    rows: usize,
}

/// Batches, and which of their rows are still to be written.
#[derive(Debug)]
struct PartitionFiles {
    batches: Vec<RecordBatch>,
    /// The rows of each partition that no thread has taken.
    partitions: Mutex<VecDeque<Vec<Run>>>,
}

impl PartitionFiles {
    /// All rows of these batches, by the values of a column of days or whole numbers where one is named.
    fn new(batches: Vec<RecordBatch>, column: Option<&str>) -> Result<Arc<Self>, ArrowError> {
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
    fn len(&self) -> usize {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Writes partitions until none is left, on a thread of its own. Gives the files.
    async fn write(
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
