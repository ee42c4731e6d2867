//! One Delta table at one snapshot: opened, refreshed and created; its files and its counters.

use std::fs::OpenOptions;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake_core::kernel::transaction::CommitProperties;
use deltalake_core::kernel::{Add, StructType};
use deltalake_core::{DeltaTable, DeltaTableBuilder, DeltaTableError, ObjectStore, Path, TableProperty};
use url::Url;

use crate::blocking::blocking;
use crate::damage::Damaged;
use crate::error::OfflineError;
use crate::log::commit_list;
use crate::log::storage::{Storage, TableLocation, commit_name, commit_sum, durable};

/// The length of a file by what a commit says. One that cannot be is no length that a file has, so that the file is
/// refused when it is opened.
pub(crate) fn length(bytes: i64) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// A Delta table at one snapshot.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    name: String,
    location: TableLocation,
    schema: SchemaRef,
    pub(crate) partition: Option<&'static str>,
    pub(crate) delta: DeltaTable,
    storage: Storage,
    /// The hash of the definition whose rows these are; `None` for tables of no view.
    definition: Option<String>,
}

/// The counter of a log: the first version of which no vacuum removed a file.
pub const WHOLE_FROM: &str = "whole-from";

/// The file in the folder of a log that its readers lock.
pub(crate) const READ_LOCK: &str = "_read.lock";

/// The property of a table that holds the hash of its view's definition.
const DEFINITION: &str = "twinstore.definition";

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
    /// The table at a location, which need not exist yet, at its newest snapshot or an older one. `definition` is the
    /// hash of the definition whose rows are meant: a table that has rows of another one is refused.
    pub(crate) async fn open(
        name: String,
        location: TableLocation,
        schema: SchemaRef,
        partition: Option<&'static str>,
        version: Option<u64>,
        definition: Option<String>,
    ) -> Result<Self, OfflineError> {
        let storage = Storage::new(location.copy().cloned());
        if let (Some(copy), Some(_)) = (location.copy(), version) {
            copy.pull().await?;
        }
        let delta =
            built(location.folder_url()?, &storage).map_err(|error| OfflineError::of_table(&name, error))?;
        let mut table = Self { name, location, schema, partition, delta, storage, definition };
        match version {
            Some(version) => {
                let loaded = table.delta.load_version(version).await;
                loaded.map_err(|error| table.unreadable(error, Some(version)))?;
                table.check_definition()?;
            }
            None => table.refresh().await?,
        }
        Ok(table)
    }

    /// Refuses the rows of another definition. A table of an older release does not say of which its rows are.
    fn check_definition(&self) -> Result<(), OfflineError> {
        let Ok(snapshot) = self.delta.snapshot() else { return Ok(()) };
        let (own, noted) = (self.definition.as_ref(), snapshot.metadata().configuration().get(DEFINITION));
        match (own, noted) {
            (Some(own), Some(noted)) if own != noted => {
                Err(OfflineError::OtherDefinition { view: self.name.clone(), folder: self.folder()? })
            }
            _ => Ok(()),
        }
    }

    /// The snapshot's version; none where the table does not exist yet.
    pub(crate) fn version(&self) -> Option<u64> {
        self.delta.version()
    }

    /// Brings the snapshot up to the newest version.
    pub(crate) async fn refresh(&mut self) -> Result<(), OfflineError> {
        if let Some(copy) = self.location.copy() {
            copy.pull().await?;
        }
        // Read before the commits are: one that is noted there is there.
        let folder = self.folder()?;
        let noted = commit_list::noted(&folder)?;
        if self.version().is_some() {
            self.delta.update_state().await.map_err(|error| self.unreadable(error, None))?;
        } else if exists(&self.delta).await.map_err(|error| self.failed(error))? {
            self.delta.load().await.map_err(|error| self.unreadable(error, None))?;
        }
        commit_list::check_end(&folder, noted, self.version(), &self.storage)?;
        self.check_definition()
    }

    /// The checksum of all bytes of a commit, of one that was written again of those before; `None` where it is gone.
    pub(crate) async fn commit_checksum(&self, version: u64) -> Result<Option<u32>, OfflineError> {
        if let Some(sum) = self.storage.commit_sum(version) {
            return Ok(Some(sum));
        }
        let entry = self.delta.log_store().read_commit_entry(version).await;
        let Some(bytes) = entry.map_err(|error| self.failed(error))? else { return Ok(None) };
        let path = commit_list::commit(&self.folder()?, version);
        match commit_sum::checked(&commit_name(version), &bytes) {
            Ok(sum) => Ok(Some(sum.whole)),
            Err(why) => Err(Damaged::new(&path, why).into()),
        }
    }

    /// Where a counter stands in this snapshot.
    pub(crate) async fn marker(&self, app: &str) -> Result<Option<i64>, OfflineError> {
        let Ok(snapshot) = self.delta.snapshot() else { return Ok(None) };
        let store = self.delta.log_store();
        snapshot.transaction_version(store.as_ref(), app).await.map_err(|error| self.failed(error))
    }

    pub(crate) async fn create(&mut self) -> Result<(), OfflineError> {
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
            .with_configuration(self.definition.iter().map(|hash| (DEFINITION, Some(hash))))
            .with_raise_if_key_not_exists(false)
            .with_commit_properties(without_retries())
            .await;
        match created {
            Ok(delta) => {
                self.delta = delta;
                if self.partition.is_some() {
                    make_read_lock(&self.folder()?);
                }
                self.sync_folders().await?;
            }
            // Another process made it first: what it committed since is not what was decided on. If none did, it is said
            // why it was not made.
            Err(error) => {
                if let Some(copy) = self.location.copy() {
                    copy.pull().await?;
                }
                if self.delta.load_version(0).await.is_err() {
                    return Err(self.failed(error));
                }
            }
        }
        match self.version() {
            Some(_) => self.check_definition(),
            None => Err(self.failed(DeltaTableError::NotATable(self.name.clone()))),
        }
    }

    /// Syncs the folders that are new with a table.
    async fn sync_folders(&self) -> Result<(), OfflineError> {
        if self.location.copy().is_some() {
            return Ok(());
        }
        let folder = self.folder()?;
        let synced = blocking(move || {
            // A table lies in `kind/view/version` of the store, whose own folder may be new, too.
            folder.ancestors().take(6).try_for_each(durable::sync_folder)
        });
        synced.await.map_err(|error| self.failed(DeltaTableError::Io { source: error }))
    }

    /// Files of rows on their way into a commit, once all of them is on disk.
    pub(crate) async fn synced(&self, adds: Vec<Add>) -> Result<Vec<Add>, OfflineError> {
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
                bytes: length(file.size()),
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

    /// Where the table lies.
    pub(crate) fn location(&self) -> &TableLocation {
        &self.location
    }

    /// The folder that the files lie in.
    pub(crate) fn folder(&self) -> Result<PathBuf, OfflineError> {
        self.location.folder()
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
                let missing = self.folder().and_then(|folder| commit_list::missing(&folder, version));
                match missing {
                    Ok(Some(damaged)) => damaged.into(),
                    Ok(None) | Err(_) => OfflineError::Table { table, source },
                }
            }
            other => other,
        }
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
        Err(error) => Err(match (storage.take_damaged(), commit_list::missing(&folder, None)?) {
            (Some(damaged), _) | (None, Some(damaged)) => damaged.into(),
            (None, None) => OfflineError::of_table(&name, error),
        }),
    }
}

/// Makes the file of a log that is new, so that readers change nothing. One who finds none makes it.
fn make_read_lock(folder: &FilePath) {
    let path = folder.join(READ_LOCK);
    if let Err(error) = OpenOptions::new().write(true).create(true).truncate(false).open(&path) {
        tracing::debug!("`{}` was not made: {error}", path.display());
    }
}

async fn exists(delta: &DeltaTable) -> Result<bool, DeltaTableError> {
    delta.verify_deltatable_existence().await
}

/// Of a commit that takes its version or fails. With retries the table format applies rules of its own: it makes the
/// creation of a table that another process has created a later version of it, and its snapshot one on which nothing was
/// decided.
pub(crate) fn without_retries() -> CommitProperties {
    CommitProperties::default().with_max_retries(0)
}
