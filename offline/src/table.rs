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
use deltalake_core::{DeltaTable, DeltaTableBuilder, DeltaTableError, ObjectStore, Path, TableProperty};
use url::Url;

use crate::commit::{Committed, Intent};
use crate::encodings::writer_properties;
use crate::error::OfflineError;
use crate::log_check;
use crate::storage::{Storage, blocking, durable};

/// A Delta table at one snapshot.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    name: String,
    schema: SchemaRef,
    pub(crate) partition: Option<&'static str>,
    pub(crate) delta: DeltaTable,
    storage: Storage,
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
    pub(crate) path: Path,
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
        let storage = Storage::default();
        let delta = built(url, &storage).map_err(|error| OfflineError::of_table(&name, error))?;
        let mut table = Self { name, schema, partition, delta, storage };
        match version {
            Some(version) => {
                let loaded = table.delta.load_version(version).await;
                loaded.map_err(|error| table.unreadable(error, Some(version)))?;
            }
            None => table.refresh().await?,
        }
        Ok(table)
    }

    /// The snapshot's version; none where the table does not exist yet.
    pub(crate) fn version(&self) -> Option<u64> {
        self.delta.version()
    }

    /// Brings the snapshot up to the newest version.
    pub(crate) async fn refresh(&mut self) -> Result<(), OfflineError> {
        // Read before the commits are: one that is noted there is there.
        let folder = self.folder()?;
        let noted = log_check::noted(&folder)?;
        if self.version().is_some() {
            self.delta.update_state().await.map_err(|error| self.unreadable(error, None))?;
        } else if exists(&self.delta).await.map_err(|error| self.failed(error))? {
            self.delta.load().await.map_err(|error| self.unreadable(error, None))?;
        }
        log_check::check_end(&folder, noted, self.version(), &self.storage)
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
        let written = self.synced(written).await?;
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
            Ok(delta) => {
                self.delta = delta;
                self.sync_folders().await?;
            }
            // Another process made it first: what it committed since is not what was decided on.
            Err(_) => self.delta.load_version(0).await.map_err(|error| self.failed(error))?,
        }
        match self.version() {
            Some(_) => Ok(()),
            None => Err(self.failed(DeltaTableError::NotATable(self.name.clone()))),
        }
    }

    /// Syncs the folders that are new with a table.
    async fn sync_folders(&self) -> Result<(), OfflineError> {
        let folder = self.folder()?;
        let synced = blocking(move || {
            // A table lies in `kind/view/version` of the store, whose own folder may be new, too.
            folder.ancestors().take(6).try_for_each(durable::sync_folder)
        });
        synced.await.map_err(|error| self.failed(DeltaTableError::Io { source: error }))
    }

    /// Files of rows on their way into a commit, once all of them is on disk.
    async fn synced(&self, adds: Vec<Add>) -> Result<Vec<Add>, OfflineError> {
        let folder = self.folder()?;
        let path = |add: &Add| {
            let path = Path::parse(&add.path).map_err(|error| self.failed(error.into()))?;
            Ok::<_, OfflineError>(folder.join(path.as_ref()))
        };
        let files = adds.iter().map(path).collect::<Result<Vec<_>, _>>()?;
        let synced = self.storage.sync(files, folder.clone()).await;
        let bytes = synced.map_err(|error| self.failed(DeltaTableError::Io { source: error }))?;
        let sized = |(add, bytes): (Add, u64)| Add { size: bytes as i64, ..add };
        Ok(adds.into_iter().zip(bytes).map(sized).collect())
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

    /// The same, with what it found damaged.
    pub(crate) fn checked_storage(&self) -> &Storage {
        &self.storage
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
        match self.storage.take_damaged() {
            Some(damaged) => damaged.into(),
            None => OfflineError::of_table(&self.name, error),
        }
    }

    /// Why the commits up to a version, or all, could not be read: the file where one is missing.
    fn unreadable(&self, error: DeltaTableError, version: Option<u64>) -> OfflineError {
        match self.failed(error) {
            OfflineError::Table { table, source } => {
                let missing = self.folder().and_then(|folder| log_check::missing(&folder, version));
                match missing {
                    Ok(Some(damaged)) => damaged.into(),
                    Ok(None) | Err(_) => OfflineError::Table { table, source },
                }
            }
            other => other,
        }
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
        let adds = table.synced(adds).await?;
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

fn built(url: Url, storage: &Storage) -> Result<DeltaTable, DeltaTableError> {
    DeltaTableBuilder::from_url(url.clone())?.with_storage_backend(Arc::new(storage.clone()), url).build()
}

/// A table of another program, to read its newest snapshot and its commits. Commits that are missing, empty or cut
/// are refused by the name of their file; checksums are checked where the table is one of ours.
pub async fn source_table(url: Url) -> Result<DeltaTable, OfflineError> {
    let (name, storage) = (url.path().to_owned(), Storage::default());
    let folder = url.to_file_path();
    let folder = folder
        .map_err(|()| OfflineError::Location { url: name.clone(), why: "it is no folder".to_owned() })?;
    let mut table = built(url, &storage).map_err(|error| OfflineError::of_table(&name, error))?;
    match table.load().await {
        Ok(()) => Ok(table),
        Err(error) => Err(match (storage.take_damaged(), log_check::missing(&folder, None)?) {
            (Some(damaged), _) | (None, Some(damaged)) => damaged.into(),
            (None, None) => OfflineError::of_table(&name, error),
        }),
    }
}

async fn exists(delta: &DeltaTable) -> Result<bool, DeltaTableError> {
    delta.verify_deltatable_existence().await
}
