//! Files that no version of a log needs any more: which they are, and their removal.
//!
//! What is needed is decided from the commits alone: the file of the current version, of versions that were current a while
//! ago, of versions that training sets were built from, and of rows that others have not taken yet. Before a file goes, a
//! commit says from which version on the log is whole ([`WHOLE_FROM`]). That commit is a conflict of all that add files:
//! what no commit named may be gone. Commits stay, since counters, streams and forgetting go by them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::UNIX_EPOCH;

use deltalake_core::Path as TablePath;
use deltalake_core::kernel::Action;
use deltalake_core::logstore::get_actions;
use feature::Micros;
use serde::Serialize;

use crate::blocking::blocking;
use crate::damage::Damaged;
use crate::error::OfflineError;
use crate::fault_injection::BatchPoint;
use crate::log::check::parquet_files;
use crate::log::commit_list::{self, Listed};
use crate::log::leftovers;
use crate::log::statistics::StatisticsTable;
use crate::log::storage::{Storage, version_of};
use crate::log::table::{Marker, Table, WHOLE_FROM};
use crate::log::view_log::Log;

/// How often the commit that begins a vacuum is tried, while others commit.
const TRIES: usize = 100;

/// Which versions of a log keep their files.
#[derive(Clone, Debug)]
pub struct KeptVersions {
    /// Those that were current at this moment or later. What no commit named by then goes, too.
    pub current_since: Micros,
    /// These, as training sets were built from them.
    pub versions: BTreeSet<u64>,
    /// Files with rows that were added after this version: somebody takes them yet.
    pub rows_after: Option<u64>,
}

/// What a vacuum removes.
#[derive(Clone, Debug, Default)]
pub struct Vacuumable {
    /// Files that commits name, by their paths in the table.
    named: Vec<(String, u64)>,
    /// Files that no commit names.
    leftovers: Vec<(String, u64)>,
    checkpoints: Vec<(String, u64)>,
    /// Replaced files that are kept, and their size.
    kept: (u64, u64),
    /// The version at which this was decided, and from which on all are whole afterwards.
    version: u64,
    whole_from: u64,
}

/// What a vacuum removed, or would.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Vacuumed {
    /// Files of rows that only older versions had.
    pub files: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// Files that no commit names: of writers that were killed, or whose commit was a conflict.
    pub leftovers: u64,
    /// Bytes of these.
    pub leftover_bytes: u64,
    /// Checkpoints of older versions, which are read from commits instead.
    pub checkpoints: u64,
    /// Bytes of these.
    pub checkpoint_bytes: u64,
    /// Files of rows that only older versions have, and that are kept.
    pub kept_files: u64,
    /// Bytes of these.
    pub kept_bytes: u64,
    /// The first version that is whole.
    pub whole_from: u64,
}

impl Vacuumable {
    /// Whether nothing goes.
    pub fn is_empty(&self) -> bool {
        self.named.is_empty() && self.leftovers.is_empty() && self.checkpoints.is_empty()
    }

    /// Whether files go from which somebody could read which rows commits have added.
    pub fn has_files(&self) -> bool {
        !self.named.is_empty()
    }

    /// How much that is.
    pub fn summary(&self) -> Vacuumed {
        let sum = |of: &[(String, u64)]| (of.len() as u64, of.iter().map(|(_, bytes)| bytes).sum());
        let ((files, bytes), (leftovers, leftover_bytes), (checkpoints, checkpoint_bytes)) =
            (sum(&self.named), sum(&self.leftovers), sum(&self.checkpoints));
        let ((kept_files, kept_bytes), whole_from) = (self.kept, self.whole_from);
        Vacuumed {
            files,
            bytes,
            leftovers,
            leftover_bytes,
            checkpoints,
            checkpoint_bytes,
            kept_files,
            kept_bytes,
            whole_from,
        }
    }
}

impl Log {
    /// The first version of which no vacuum removed a file, as this snapshot says.
    pub async fn whole_from(&self) -> Result<u64, OfflineError> {
        self.table().whole_from().await
    }

    /// The versions that are to be kept decide what goes of this snapshot and older ones.
    pub async fn vacuumable(&self, kept: &KeptVersions) -> Result<Vacuumable, OfflineError> {
        self.table().vacuumable(kept).await
    }

    /// Removes what goes.
    pub async fn vacuum(&mut self, going: &Vacuumable) -> Result<Vacuumed, OfflineError> {
        self.table_mut().vacuum(going).await
    }
}

impl StatisticsTable {
    /// As of a log: nothing reads older versions of statistics but what began to before.
    pub async fn vacuumable(&self, current_since: Micros) -> Result<Vacuumable, OfflineError> {
        let kept = KeptVersions { current_since, versions: BTreeSet::new(), rows_after: None };
        self.table().vacuumable(&kept).await
    }

    /// Removes what goes.
    pub async fn vacuum(&mut self, going: &Vacuumable) -> Result<Vacuumed, OfflineError> {
        self.table_mut().vacuum(going).await
    }
}

impl Table {
    async fn whole_from(&self) -> Result<u64, OfflineError> {
        let version = self.marker(WHOLE_FROM).await?;
        Ok(version.and_then(|version| u64::try_from(version).ok()).unwrap_or(0))
    }

    async fn vacuumable(&self, kept: &KeptVersions) -> Result<Vacuumable, OfflineError> {
        let Some(version) = self.version() else { return Ok(Vacuumable::default()) };
        let (folder, storage, kept) = (self.folder()?, self.checked_storage().clone(), kept.clone());
        let before = self.whole_from().await?;
        blocking(move || {
            let history = History::read(&folder, &storage, version)?;
            let mut going = history.decide(&kept, before);
            going.leftovers = leftovers_in(&folder, &history, kept.current_since)?;
            going.checkpoints = checkpoints_in(&folder, &history, &kept)?;
            Ok(going)
        })
        .await
    }

    async fn vacuum(&mut self, going: &Vacuumable) -> Result<Vacuumed, OfflineError> {
        let mut going = going.clone();
        if !(going.named.is_empty() && going.leftovers.is_empty()) {
            let committed = self.begin_vacuum(going.whole_from).await?;
            // What was named since is none of those that no commit names.
            for version in going.version + 1..=committed {
                for action in self.actions(version).await? {
                    let Action::Add(add) = action else { continue };
                    let named = TablePath::parse(&add.path).map(|path| path.to_string()).unwrap_or(add.path);
                    going.leftovers.retain(|(path, _)| *path != named);
                }
            }
            BatchPoint::VacuumNoted.pass();
        }
        let folder = self.folder()?;
        let removed = going.clone();
        blocking(move || {
            for (path, _) in going.named.iter().chain(&going.leftovers).chain(&going.checkpoints) {
                remove(&folder.join(path))?;
                BatchPoint::FileVacuumed.pass();
            }
            Ok::<_, OfflineError>(())
        })
        .await?;
        Ok(removed.summary())
    }

    /// Says from which version on the table is whole. Gives the version that says so.
    async fn begin_vacuum(&mut self, whole_from: u64) -> Result<u64, OfflineError> {
        for left in (0..TRIES).rev() {
            self.refresh().await?;
            let whole_from = whole_from.max(self.whole_from().await?);
            let marker = Marker { app: WHOLE_FROM.to_owned(), version: whole_from as i64 };
            match self.appender().await?.commit(&[marker], &[]).await {
                Err(OfflineError::Conflict { .. }) if left > 0 => {}
                committed => return Ok(committed?.version),
            }
        }
        Err(self.conflict("other vacuums kept beginning"))
    }
}

fn remove(path: &Path) -> Result<(), OfflineError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(OfflineError::file("remove", path, error))
        }
        _ => Ok(()),
    }
}

/// What commits say of a file of rows.
#[derive(Clone, Copy, Debug)]
struct Life {
    bytes: u64,
    added: u64,
    /// Whether the commit that added it added rows, and did not only lay them out again.
    adds_rows: bool,
    /// The version that had it no more, and since when.
    removed: Option<(u64, Micros)>,
}

/// The files of all versions.
#[derive(Debug, Default)]
struct History {
    files: BTreeMap<String, Life>,
    /// By when each version was committed, whatever clocks said.
    times: Vec<Micros>,
}

impl History {
    fn read(folder: &Path, storage: &Storage, newest: u64) -> Result<Self, OfflineError> {
        let mut history = Self::default();
        for version in 0..=newest {
            let path = commit_list::commit(folder, version);
            let (bytes, _) =
                storage.commit(&path, version).map_err(|error| OfflineError::of_file(&path, error))?;
            let unknown =
                |error: &dyn std::fmt::Display| Damaged::new(&path, format!("it is no commit: {error}"));
            let actions = get_actions(version, &bytes.into()).map_err(|error| unknown(&error))?;
            history.add(version, actions).map_err(|error| unknown(&error))?;
        }
        Ok(history)
    }

    /// Adds the next version.
    fn add(&mut self, version: u64, actions: Vec<Action>) -> Result<(), String> {
        let parsed = |path: &str| TablePath::parse(path).map_err(|error| error.to_string());
        let time = actions.iter().find_map(|action| match action {
            Action::CommitInfo(info) => Micros::new(info.timestamp?.checked_mul(1000)?).ok(),
            _ => None,
        });
        // What a commit removed is kept if it does not say when it was made.
        let time = time.unwrap_or(Micros::MAX);
        self.times.push(time.max(self.times.last().copied().unwrap_or(Micros::MIN)));
        for action in actions {
            match action {
                Action::Add(add) => {
                    let (bytes, adds_rows) = (add.size.unsigned_abs(), add.data_change);
                    let life = Life { bytes, added: version, adds_rows, removed: None };
                    self.files.insert(parsed(&add.path)?.to_string(), life);
                }
                Action::Remove(removed) => {
                    if let Some(life) = self.files.get_mut(parsed(&removed.path)?.as_ref()) {
                        life.removed = Some((version, time));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn decide(&self, kept: &KeptVersions, whole_before: u64) -> Vacuumable {
        let version = (self.times.len() as u64).saturating_sub(1);
        let mut going = Vacuumable { version, whole_from: whole_before, ..Vacuumable::default() };
        for (path, life) in &self.files {
            let Some((removed, _)) = life.removed else { continue };
            if kept.needs(life) {
                going.kept.0 += 1;
                going.kept.1 += life.bytes;
            } else {
                going.named.push((path.clone(), life.bytes));
                going.whole_from = going.whole_from.max(removed);
            }
        }
        going
    }

    /// The version that was current at a moment, or the first.
    fn current_at(&self, moment: Micros) -> u64 {
        (self.times.partition_point(|time| *time <= moment) as u64).saturating_sub(1)
    }
}

impl KeptVersions {
    fn needs(&self, life: &Life) -> bool {
        let Some((removed, at)) = life.removed else { return true };
        at >= self.current_since
            || self.versions.range(life.added..removed).next().is_some()
            || (life.adds_rows && self.rows_after.is_some_and(|version| life.added > version))
    }
}

/// Files of rows that no commit names, and were written before a moment; and those that processes which are gone left half
/// written.
fn leftovers_in(
    folder: &Path,
    history: &History,
    before: Micros,
) -> Result<Vec<(String, u64)>, OfflineError> {
    let mut found = Vec::new();
    for path in parquet_files(folder)? {
        let name = name_of(folder, &path);
        if !history.files.contains_key(&name)
            && let Some((bytes, written)) = about(&path)?
            && written < before
        {
            found.push((name, bytes));
        }
    }
    for path in leftovers::find(folder)? {
        found.extend(about(&path)?.map(|(bytes, _)| (name_of(folder, &path), bytes)));
    }
    Ok(found)
}

/// Checkpoints of versions before those that are kept, but for the newest of them, and the one from which each kept version
/// is read.
fn checkpoints_in(
    folder: &Path,
    history: &History,
    kept: &KeptVersions,
) -> Result<Vec<(String, u64)>, OfflineError> {
    let listed = Listed::of(folder)?;
    let oldest = history.current_at(kept.current_since);
    let read_from = |version: u64| listed.checkpoints.range(..=version).next_back().copied();
    let needed: BTreeSet<u64> = kept.versions.iter().copied().chain([oldest]).filter_map(read_from).collect();
    let mut found = Vec::new();
    for path in &listed.checkpoint_files {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let version = name.split_once('.').and_then(|(version, _)| version_of(version));
        if version.is_some_and(|version| version < oldest && !needed.contains(&version)) {
            found.extend(about(path)?.map(|(bytes, _)| (name_of(folder, path), bytes)));
        }
    }
    Ok(found)
}

fn name_of(folder: &Path, path: &Path) -> String {
    path.strip_prefix(folder).unwrap_or(path).display().to_string()
}

/// The size of a file, and when it was written; `None` if it is not there any more.
fn about(path: &Path) -> Result<Option<(u64, Micros)>, OfflineError> {
    let failed = |error: std::io::Error| OfflineError::file("read", path, error);
    let about = match path.metadata() {
        Ok(about) => about,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let written = about.modified().map_err(failed)?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let written = i64::try_from(written.as_micros()).ok().and_then(|written| Micros::new(written).ok());
    Ok(Some((about.len(), written.unwrap_or(Micros::MAX))))
}

#[cfg(test)]
mod tests;
