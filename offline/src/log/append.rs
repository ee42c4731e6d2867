//! Rows appended to a table, or written instead of files with the same rows, in one commit.
//!
//! An append reads the counters that it compares and commits on the same snapshot, so two writers of the same
//! positions cannot both win ([`crate::log::commit`] sees the same counter).

use arrow::array::RecordBatch;
use deltalake_core::kernel::{Action, Add};
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::writer::{DeltaWriter, RecordBatchWriter};
use futures::future::join_all;

use crate::blocking::{blocking, blocking_future};
use crate::error::OfflineError;
use crate::log::commit::{Committed, Intent};
use crate::log::encodings::writer_properties;
use crate::log::forgotten::{FORGOTTEN, FORGOTTEN_WHOLE};
use crate::log::partition_files::PartitionFiles;
use crate::log::table::{DataFile, Marker, Table};
use crate::threads::threads;

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

/// Files with rows that no commit names yet.
#[derive(Debug, Clone)]
pub struct Written {
    adds: Vec<Add>,
}

impl Written {
    /// The names of its files, which no other file of any table has.
    pub fn file_names(&self) -> impl Iterator<Item = &str> {
        self.adds.iter().filter_map(|add| add.path.rsplit('/').next())
    }

    /// What adds its files.
    pub(crate) fn actions(&self) -> impl Iterator<Item = Action> {
        self.adds.iter().cloned().map(Action::Add)
    }

    pub(crate) fn intent<'a>(
        &self,
        partition: Option<&str>,
        markers: &'a [Marker],
        reads: &'a [&'a str],
    ) -> Intent<'a> {
        let operation = DeltaOperation::Write {
            mode: SaveMode::Append,
            partition_by: partition.map(|column| vec![column.to_owned()]),
            predicate: None,
        };
        Intent { actions: self.actions().collect(), operation, markers, reads, reads_rows: false }
    }
}
