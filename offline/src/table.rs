//! One append-only Delta table, its rows and its application transactions in one commit.
//!
//! An append reads the transactions that it compares and commits on the same snapshot, so two
//! writers of the same positions cannot both win ([`crate::commit`] sees the same counter).

use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake_core::kernel::{Action, Add, StructType};
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::writer::{DeltaWriter, RecordBatchWriter};
use deltalake_core::{DeltaTable, DeltaTableBuilder, DeltaTableError, ObjectStore, TableProperty};
use url::Url;

use crate::commit::{Committed, Intent};
use crate::encodings::writer_properties;
use crate::error::OfflineError;

/// A Delta table at one snapshot.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    name: String,
    schema: SchemaRef,
    pub(crate) partition: Option<&'static str>,
    pub(crate) delta: DeltaTable,
}

/// A named counter that a commit moves: what Delta calls an application transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    /// Whose counter it is.
    pub app: String,
    /// Where it stands after the commit.
    pub version: i64,
}

/// A file of a snapshot.
#[derive(Debug, Clone)]
pub(crate) struct DataFile {
    pub(crate) path: deltalake_core::Path,
    pub(crate) bytes: u64,
    pub(crate) rows: Option<u64>,
    /// The value of the partition column, as the table holds it.
    pub(crate) partition: Option<String>,
}

impl Table {
    /// The table at a location, which need not exist yet, at its newest snapshot or an older one.
    pub(crate) async fn open(
        name: String,
        url: Url,
        schema: SchemaRef,
        partition: Option<&'static str>,
        version: Option<u64>,
    ) -> Result<Self, OfflineError> {
        let failed = |error| OfflineError::of_table(&name, error);
        let mut delta =
            DeltaTableBuilder::from_url(url).and_then(DeltaTableBuilder::build).map_err(failed)?;
        match version {
            Some(version) => delta.load_version(version).await.map_err(failed)?,
            None if exists(&delta).await.map_err(failed)? => delta.load().await.map_err(failed)?,
            None => {}
        }
        Ok(Self { name, schema, partition, delta })
    }

    /// The snapshot's version; none where the table does not exist yet.
    pub(crate) fn version(&self) -> Option<u64> {
        self.delta.version()
    }

    /// Brings the snapshot up to the newest version.
    pub(crate) async fn refresh(&mut self) -> Result<(), OfflineError> {
        if self.version().is_some() {
            return self.delta.update_state().await.map_err(|error| self.failed(error));
        }
        match exists(&self.delta).await.map_err(|error| self.failed(error))? {
            true => self.delta.load().await.map_err(|error| self.failed(error)),
            false => Ok(()),
        }
    }

    /// Where a counter stands in this snapshot.
    pub(crate) async fn marker(&self, app: &str) -> Result<Option<i64>, OfflineError> {
        let Ok(snapshot) = self.delta.snapshot() else { return Ok(None) };
        let store = self.delta.log_store();
        snapshot.transaction_version(store.as_ref(), app).await.map_err(|error| self.failed(error))
    }

    /// Begins an append to this snapshot.
    pub(crate) async fn appender(&mut self) -> Result<Appender<'_>, OfflineError> {
        if self.version().is_none() {
            self.create().await?;
        }
        let writer = RecordBatchWriter::for_table(&self.delta)
            .map_err(|error| self.failed(error))?
            .with_writer_properties(writer_properties(&self.schema));
        Ok(Appender { table: self, writer })
    }

    /// Puts one batch in the place of the files that hold the same rows. Says that no data changed. A conflict
    /// where another replaced one of the files: its rows would be there twice.
    pub(crate) async fn replace(
        &mut self,
        files: &[DataFile],
        rows: RecordBatch,
    ) -> Result<u64, OfflineError> {
        let mut writer = RecordBatchWriter::for_table(&self.delta)
            .map_err(|error| self.failed(error))?
            .with_writer_properties(writer_properties(&self.schema));
        let written = async {
            writer.write(rows).await?;
            writer.flush().await
        };
        let written = written.await.map_err(|error| self.failed(error))?;
        let adds = written.len();
        let snapshot = self.delta.snapshot().map_err(|error| self.failed(error))?;
        let held = snapshot.log_data();
        let replaced =
            held.iter().filter(|held| files.iter().any(|file| file.path == held.object_store_path()));
        let mut actions: Vec<Action> =
            replaced.map(|file| Action::Remove(file.remove_action(false))).collect();
        actions.extend(written.into_iter().map(|add| Action::Add(Add { data_change: false, ..add })));
        if actions.len() != files.len() + adds {
            return Err(self.conflict("another compaction replaced some of the same files"));
        }
        let operation = DeltaOperation::Optimize { predicate: None, target_size: 0 };
        let intent = Intent { actions, operation, markers: &[], reads: &[], reads_rows: false };
        Ok(self.commit(&intent).await?.version)
    }

    async fn create(&mut self) -> Result<(), OfflineError> {
        let schema: StructType = self.schema.as_ref().try_into_kernel()?;
        let created = self
            .delta
            .create()
            .with_columns(schema.fields().cloned())
            .with_partition_columns(self.partition)
            // Training sets are rebuilt by time travel, so no version is cleaned away.
            .with_configuration_property(TableProperty::LogRetentionDuration, Some("interval 36500 days"))
            .with_configuration_property(TableProperty::EnableExpiredLogCleanup, Some("false"))
            .with_configuration_property(TableProperty::AppendOnly, Some("true"))
            .await;
        match created {
            Ok(delta) => self.delta = delta,
            // Another process made it first: what it committed since is not what was decided on.
            Err(_) => self.delta.load_version(0).await.map_err(|error| self.failed(error))?,
        }
        match self.version() {
            Some(_) => Ok(()),
            None => Err(self.failed(DeltaTableError::NotATable(self.name.clone()))),
        }
    }

    /// The files of this snapshot, newest path last.
    pub(crate) fn files(&self) -> Vec<DataFile> {
        let Ok(snapshot) = self.delta.snapshot() else { return Vec::new() };
        let mut files: Vec<DataFile> = snapshot
            .log_data()
            .iter()
            .map(|file| DataFile {
                path: file.object_store_path(),
                bytes: u64::try_from(file.size()).unwrap_or(0),
                rows: file.num_records().map(|rows| rows as u64),
                partition: self
                    .partition
                    .and_then(|column| file.partition_values_map().remove(column))
                    .flatten(),
            })
            .collect();
        files.sort_by(|a, b| a.path.as_ref().cmp(b.path.as_ref()));
        files
    }

    /// The storage that the paths of [`Table::files`] lie in.
    pub(crate) fn storage(&self) -> Arc<dyn ObjectStore> {
        self.delta.object_store()
    }

    /// The folder that the files lie in.
    pub(crate) fn folder(&self) -> Result<PathBuf, OfflineError> {
        let url = self.delta.table_url();
        url.to_file_path().map_err(|()| OfflineError::Location {
            url: url.to_string(),
            why: "this build reads logs from local folders".to_owned(),
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub(crate) fn failed(&self, error: DeltaTableError) -> OfflineError {
        OfflineError::of_table(&self.name, error)
    }
}

/// Rows on their way into a table. Nothing of them is visible before the commit, and an appender
/// that is dropped leaves the table as it was.
pub struct Appender<'a> {
    table: &'a mut Table,
    writer: RecordBatchWriter,
}

impl Appender<'_> {
    /// Writes a batch of the table's schema.
    pub async fn write(&mut self, batch: RecordBatch) -> Result<(), OfflineError> {
        self.writer.write(batch).await.map_err(|error| self.table.failed(error))
    }

    /// Commits what was written and moves the counters, all in one commit decided on the snapshot that the
    /// append began on; a conflict where another writer moved one of them since, or one of the counters that
    /// were read besides. Gives the new version, which the table then stands at.
    pub async fn commit(self, markers: &[Marker], reads: &[&str]) -> Result<Committed, OfflineError> {
        let (table, written) = self.close().await?;
        table.commit(&written.intent(table.partition, markers, reads)).await
    }

    /// Ends the writing, and leaves the commit for later.
    pub async fn finish(self) -> Result<Written, OfflineError> {
        Ok(self.close().await?.1)
    }
}

impl<'a> Appender<'a> {
    async fn close(mut self) -> Result<(&'a mut Table, Written), OfflineError> {
        let table = self.table;
        let adds = self.writer.flush().await.map_err(|error| table.failed(error))?;
        Ok((table, Written { adds }))
    }
}

/// Files with rows that no commit names yet.
#[derive(Debug, Clone)]
pub struct Written {
    adds: Vec<Add>,
}

impl Written {
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
        let actions = self.adds.iter().cloned().map(Action::Add).collect();
        Intent { actions, operation, markers, reads, reads_rows: false }
    }
}

async fn exists(delta: &DeltaTable) -> Result<bool, DeltaTableError> {
    delta.verify_deltatable_existence().await
}
