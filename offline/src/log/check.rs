//! Reading all files of the logs, for nothing but to find what is damaged: everything at once, and not only the
//! first.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use deltalake_core::Path as TablePath;
use deltalake_core::kernel::Action;
use deltalake_core::logstore::get_actions;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::blocking::blocking;
use crate::damage::Damaged;
use crate::error::OfflineError;
use crate::log::commit_list::{self, Listed};
use crate::log::storage::{
    COMMITS, CheckedFile, LAST_CHECKPOINT, LastCommit, Storage, TableCopy, check_length, compare_length,
};
use crate::log::store::{OfflineStore, REMOVED, TABLES};
use crate::log::view_log::Log;

/// What a check of one table found.
#[derive(Clone, Debug)]
pub struct CheckedTable {
    /// The table, as its folder says: `KIND/NAME/vN`, of a kind as `log` or `dead_letters`.
    pub table: String,
    /// Its commits.
    pub commits: u64,
    /// Its files of rows and its checkpoints.
    pub files: u64,
    /// Bytes of these files.
    pub bytes: u64,
    /// Commits and files without checksums: an earlier version or another program wrote them.
    pub without_checksums: u64,
    /// What is damaged.
    pub damaged: Vec<Damaged>,
}

impl OfflineStore {
    /// Checks all tables, whatever is registered. `deep` reads every file; else only the commits are read, and files
    /// have to be there in the length that these say.
    pub fn check(&self, deep: bool) -> Result<Vec<CheckedTable>, OfflineError> {
        let root = self.folder()?;
        if let Some(copy) = self.copy() {
            copy.tables()?.iter().try_for_each(|table| copy.below(table).pull_blocking())?;
        }
        let mut checked = Vec::new();
        for kind in TABLES {
            for folder in folders(&root.join(kind))?.iter().map(|view| folders(view)) {
                // What a removal left behind that was interrupted is no table any more.
                let tables = folder?.into_iter().filter(|table| table.extension() != Some(REMOVED.as_ref()));
                for table in tables {
                    let name = table.strip_prefix(&root).unwrap_or(&table).display().to_string();
                    let copy = self.copy().map(|copy| copy.below(&name));
                    checked.push(Check::new(name, table, deep, copy)?.run()?);
                }
            }
        }
        Ok(checked)
    }
}

impl Log {
    /// The files of this snapshot that are not there, or not in the length that their commits say. None is read.
    pub async fn lacking_files(&self) -> Result<Vec<Damaged>, OfflineError> {
        let (files, location) = (self.table().files(), self.table().location().clone());
        blocking(move || {
            let folder = location.folder()?;
            let lengths = location.copy().map(TableCopy::lengths).transpose()?;
            let mut lacking = Vec::new();
            for file in files {
                let path = folder.join(file.path.as_ref());
                let compared = match &lengths {
                    Some(lengths) => compare_length(&path, lengths.get(&path).copied(), Some(file.bytes))
                        .map_err(OfflineError::from),
                    None => {
                        check_length(&path, file.bytes).map_err(|error| OfflineError::of_file(&path, error))
                    }
                };
                match compared {
                    Ok(()) => {}
                    Err(OfflineError::Damaged(damaged)) => lacking.push(damaged),
                    Err(error) => return Err(error),
                }
            }
            Ok(lacking)
        })
        .await
    }
}

/// The folders in a folder, in the order of their names; `None` if it is not there.
pub(crate) fn folders(folder: &Path) -> Result<Vec<PathBuf>, OfflineError> {
    let failed = |error: io::Error| OfflineError::file("read", folder, error);
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The files of rows of a table: in its folder, and in those of its partitions.
pub(crate) fn parquet_files(table: &Path) -> Result<Vec<PathBuf>, OfflineError> {
    let mut found = Vec::new();
    if !table.is_dir() {
        return Ok(found);
    }
    let partitions = folders(table)?.into_iter().filter(|folder| !folder.ends_with(COMMITS));
    for folder in partitions.chain([table.to_owned()]) {
        let failed = |error: io::Error| OfflineError::file("read", &folder, error);
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|extension| extension == "parquet") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Files of rows that commits name, and how long each is.
#[derive(Default)]
struct Named {
    live: BTreeMap<String, u64>,
    replaced: BTreeMap<String, u64>,
}

/// The check of one table.
struct Check {
    folder: PathBuf,
    deep: bool,
    storage: Storage,
    /// How long the files are that lie in a bucket.
    lengths: Option<HashMap<PathBuf, u64>>,
    found: CheckedTable,
}

impl Check {
    fn new(
        table: String,
        folder: PathBuf,
        deep: bool,
        copy: Option<TableCopy>,
    ) -> Result<Self, OfflineError> {
        let found =
            CheckedTable { table, commits: 0, files: 0, bytes: 0, without_checksums: 0, damaged: Vec::new() };
        let lengths = copy.as_ref().map(TableCopy::lengths).transpose()?;
        Ok(Self { folder, deep, storage: Storage::new(copy), lengths, found })
    }

    /// Whether a file is there: in the bucket, where there is one.
    fn has(&self, path: &Path) -> bool {
        self.lengths.as_ref().map_or_else(|| path.exists(), |lengths| lengths.contains_key(path))
    }

    fn run(mut self) -> Result<CheckedTable, OfflineError> {
        let commits = self.folder.join(COMMITS);
        let listed = Listed::of(&self.folder)?;
        let noted = commit_list::noted(&self.folder)?;
        let newest = listed.commits.last().copied();
        let missing = listed.all_missing();
        self.found.damaged.extend(missing.iter().map(|version| commit_list::gap(&self.folder, *version)));
        let mut named = Named::default();
        for version in &listed.commits {
            self.commit(*version, &mut named)?;
        }
        let end = commit_list::check_end(&self.folder, noted, newest, &self.storage);
        self.note(end)?;
        for path in &listed.checkpoint_files {
            self.parquet(path, None)?;
        }
        self.hints(&commits, &listed)?;
        // What was replaced is read by older versions; it may have been deleted since, by another program.
        let is_there = |(path, _): &(String, u64)| self.has(&self.folder.join(path));
        let replaced: Vec<_> = named.replaced.into_iter().filter(is_there).collect();
        let mut files: BTreeMap<PathBuf, Option<u64>> = BTreeMap::new();
        if self.found.commits < listed.commits.len() as u64 || !missing.is_empty() {
            // What a commit named that cannot be read is not known: files that were never committed are checked, too.
            files.extend(parquet_files(&self.folder)?.into_iter().map(|path| (path, None)));
        }
        let named = named.live.into_iter().chain(replaced);
        files.extend(named.map(|(path, bytes)| (self.folder.join(path), Some(bytes))));
        for (path, bytes) in files {
            self.parquet(&path, bytes)?;
        }
        Ok(self.found)
    }

    /// Reads a commit, and notes which files of rows it names.
    fn commit(&mut self, version: u64, files: &mut Named) -> Result<(), OfflineError> {
        let path = commit_list::commit(&self.folder, version);
        let read = self.storage.commit(&path, version).map_err(|error| OfflineError::of_file(&path, error));
        let Some((bytes, sum)) = self.note(read)? else { return Ok(()) };
        self.found.commits += 1;
        self.found.without_checksums += u64::from(!sum.is_signed);
        let actions = get_actions(version, &bytes.into());
        let unknown =
            |error: &dyn std::fmt::Display| Damaged::new(&path, format!("it is no commit: {error}"));
        let actions = actions.map_err(|error| OfflineError::from(unknown(&error)));
        for action in self.note(actions)?.unwrap_or_default() {
            let name = |path: &str| TablePath::parse(path).map(|path| path.to_string());
            match action {
                Action::Add(file) => {
                    let named = name(&file.path).map_err(|error| OfflineError::from(unknown(&error)));
                    if let Some(named) = self.note(named)? {
                        files.live.insert(named, file.size.unsigned_abs());
                    }
                }
                Action::Remove(file) => {
                    let named = name(&file.path).map_err(|error| OfflineError::from(unknown(&error)));
                    if let Some(named) = self.note(named)? {
                        files.replaced.extend(files.live.remove_entry(&named));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Checks a file of rows of this length, or a checkpoint.
    fn parquet(&mut self, path: &Path, bytes: Option<u64>) -> Result<(), OfflineError> {
        if let Some(lengths) = &self.lengths {
            let found = lengths.get(path).copied();
            let compared = compare_length(path, found, bytes.or(found)).map_err(OfflineError::from);
            if self.note(compared)?.is_none() {
                return Ok(());
            }
            if !self.deep {
                self.found.files += 1;
                self.found.bytes += found.unwrap_or_default();
                return Ok(());
            }
        }
        let checked = self.open(path, bytes).map_err(|error| OfflineError::of_file(path, error));
        let Some(file) = self.note(checked)? else { return Ok(()) };
        self.found.files += 1;
        self.found.bytes += file.length();
        if !file.has_sums() {
            self.found.without_checksums += 1;
        }
        if !self.deep {
            return Ok(());
        }
        let read = match file.has_sums() {
            true => file.check().map_err(|error| OfflineError::of_file(path, error)),
            false => decoded(path).map_err(|why| Damaged::new(path, why).into()),
        };
        self.note(read).map(drop)
    }

    fn open(&self, path: &Path, bytes: Option<u64>) -> io::Result<CheckedFile> {
        self.storage.fetch(path)?;
        if let Some(bytes) = bytes {
            check_length(path, bytes)?;
        }
        CheckedFile::open(path)
    }

    /// What only says where something is: it is passed over where it is damaged, and can be deleted.
    fn hints(&mut self, commits: &Path, listed: &Listed) -> Result<(), OfflineError> {
        let delete = |path: &Path, why: &str| {
            Damaged::new(path, why).with_help("delete it: it is only a hint, and is written again")
        };
        let failed = |error: io::Error| OfflineError::file("read", commits, error);
        let noted = commits.join(LastCommit::NAME);
        if LastCommit::is_damaged(commits).map_err(failed)? {
            self.found.damaged.push(delete(&noted, "it does not match its checksum"));
        }
        let hint = commits.join(LAST_CHECKPOINT);
        let text = match std::fs::read(&hint) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        let text: Option<serde_json::Value> = serde_json::from_slice(&text).ok();
        let version = text.and_then(|text| text.get("version")?.as_u64());
        if version.is_none_or(|version| !listed.checkpoints.contains(&version)) {
            self.found.damaged.push(delete(&hint, "it names no checkpoint that is there"));
        }
        Ok(())
    }

    /// Keeps damage for the end; whatever else went wrong ends the check.
    fn note<T>(&mut self, checked: Result<T, OfflineError>) -> Result<Option<T>, OfflineError> {
        match checked {
            Ok(done) => Ok(Some(done)),
            Err(OfflineError::Damaged(damaged)) => {
                if !self.found.damaged.contains(&damaged) {
                    self.found.damaged.push(damaged);
                }
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// Decodes all of a file that has no checksums of blocks; pages may have some of their own.
fn decoded(path: &Path) -> Result<(), String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let rows = ParquetRecordBatchReaderBuilder::try_new(file).and_then(|reader| reader.build());
    let mut rows = rows.map_err(|error| error.to_string())?;
    rows.try_for_each(|batch| batch.map(drop)).map_err(|error| error.to_string())
}
