//! A Delta table as a source: the files that its commits added since the version that was loaded last.
//!
//! Commits that change no data (OPTIMIZE) are passed over: their rows were loaded under the positions that they
//! had. A commit that removes rows is refused, since the log only grows. A first load that is in parts, or was
//! interrupted, goes on with the files that it began with. Files that are gone since (VACUUM) are read from those
//! into which they were rewritten, without the rows that the log has.
//!
//! Files are numbered in the order of the commits that added them, and of one commit by path, so that of rows of one event
//! time the later commit's is the latest, however the table is loaded. Of files whose commit is gone from the log, as their
//! checkpoint has them, only the path is known; these come first.
//!
//! Versions say what is loaded only of the table of which they are. So the log records the table's id, and another
//! table under the path is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use deltalake_core::kernel::{Action, Metadata};
use deltalake_core::logstore::get_actions;
use deltalake_core::{DeltaTable, DeltaTableError};
use feature::{Field, Source, VersionId};
use futures::future::{BoxFuture, FutureExt};
use sha2::{Digest, Sha256};
use url::Url;

use super::batch_source::{BatchSource, RowReader};
use super::delta_rewrites::{Rewrites, Rewritten};
use super::parquet::ParquetReader;
use super::source_file::{SourceFile, SourceFiles, TableVersions};
use crate::error::MaterializerError;
use crate::markers::first_63_bits;

/// The longest name of a file that a message shows.
const LONGEST_NAME_CHARS: usize = 200;

/// A source whose history is a Delta table.
pub(crate) struct DeltaSource {
    pub(crate) source: Source,
    /// The table's folder.
    pub(crate) path: PathBuf,
}

impl BatchSource for DeltaSource {
    fn files<'a>(
        &'a self,
        view: &'a VersionId,
        loaded: TableVersions,
    ) -> BoxFuture<'a, Result<SourceFiles, MaterializerError>> {
        find(&self.path, view, loaded).boxed()
    }

    fn open(
        &self,
        columns: &[Field],
        file: &SourceFile,
        max_rows: Option<usize>,
    ) -> Result<Box<dyn RowReader>, MaterializerError> {
        Ok(Box::new(ParquetReader::open(&self.source, columns, file, max_rows)?))
    }
}

pub(crate) async fn find(
    path: &Path,
    view: &VersionId,
    loaded: TableVersions,
) -> Result<SourceFiles, MaterializerError> {
    let failed = |error: DeltaTableError| MaterializerError::file(path, error);
    let absolute = std::path::absolute(path).map_err(|error| MaterializerError::file(path, error))?;
    let url = Url::from_directory_path(&absolute)
        .map_err(|()| MaterializerError::file(path, "it is not an absolute path"))?;
    let table = offline::source_table(url).await?;
    let snapshot = table.snapshot().map_err(failed)?;
    let configuration = snapshot.metadata().configuration();
    if configuration.get("delta.columnMapping.mode").is_some_and(|mode| mode != "none") {
        return Err(MaterializerError::file(
            path,
            "tables with column mapping are not read: rewrite it without",
        ));
    }
    let version = snapshot.version();
    let table_id = id_of(snapshot.metadata());
    if loaded.id.is_some_and(|id| id != table_id) && !was_the_table(&table, loaded).await {
        return Err(MaterializerError::OtherTable { view: view.clone(), path: path.display().to_string() });
    }
    let columns: BTreeSet<String> = snapshot.schema().fields().map(|field| field.name().clone()).collect();
    let mut files = Vec::new();
    let add = |name: String, partition: Vec<(String, Option<String>)>| SourceFile {
        path: absolute.join(&name),
        name,
        partition,
        table_columns: columns.clone(),
        replaces: BTreeSet::new(),
    };
    let mut commits = BTreeMap::new();
    if loaded.whole.is_none() {
        let mut first = table.clone();
        if let Some(version) = loaded.first {
            first.load_version(version).await.map_err(failed)?;
        }
        commits = commits_of_files(&table, loaded.first.unwrap_or(version)).await.map_err(failed)?;
        for file in first.snapshot().map_err(failed)?.log_data().iter() {
            if file.deletion_vector_descriptor().is_some() {
                return Err(deletion_vector(path, &file.path()));
            }
            let partition = file.partition_values_map().into_iter().collect();
            files.push(add(file.path().into_owned(), partition));
        }
    }
    let since = loaded.whole.or(loaded.first).unwrap_or(version);
    if since > version {
        return Err(MaterializerError::file(
            path,
            format!(
                "its log ends with version {version}, and version {since} was loaded of it: restore its `_delta_log`, or if the table was written again, define {}@{} and backfill that",
                view.name,
                view.version + 1
            ),
        ));
    }
    for version in since + 1..=version {
        let entry = table.log_store().read_commit_entry(version).await.map_err(failed)?;
        let Some(bytes) = entry else {
            return Err(MaterializerError::file(
                path,
                format!(
                    "its log no longer has version {version}, which is not loaded yet: define a new version of the view and backfill that"
                ),
            ));
        };
        for action in get_actions(version, &bytes).map_err(failed)? {
            match action {
                Action::Add(file) if file.data_change && file.deletion_vector.is_some() => {
                    return Err(deletion_vector(path, &file.path));
                }
                Action::Add(file) if file.data_change => {
                    commits.insert(file.path.clone(), version);
                    files.push(add(file.path, file.partition_values.into_iter().collect()));
                }
                Action::Remove(file) if file.data_change => {
                    return Err(MaterializerError::RowsRemoved {
                        view: view.clone(),
                        path: path.display().to_string(),
                        version,
                    });
                }
                _ => {}
            }
        }
    }
    refuse_outside(path, &files)?;
    if files.iter().any(|file| !file.path.exists()) {
        files = replace_missing(path, &table, version, files, &add).await?;
        refuse_outside(path, &files)?;
    }
    // Of two rows that happened at once the later commit's is the latest one, however many commits a load brings.
    let commit = |file: &SourceFile| {
        let names = file.replaces.iter().chain([&file.name]);
        names.filter_map(|name| commits.get(name)).min().copied()
    };
    files.sort_by(|one, other| (commit(one), one).cmp(&(commit(other), other)));
    Ok(SourceFiles { files, unread: Vec::new(), table_version: Some(version), table_id: Some(table_id) })
}

/// The versions that added the files of a table, as far as its commits up to a version are still there.
async fn commits_of_files(table: &DeltaTable, last: u64) -> Result<BTreeMap<String, u64>, DeltaTableError> {
    let mut commits = BTreeMap::new();
    // The oldest commits of a long log are removed: what lies before them is not looked for.
    for version in (0..=last).rev() {
        let Some(bytes) = table.log_store().read_commit_entry(version).await? else { break };
        for action in get_actions(version, &bytes)? {
            if let Action::Add(file) = action {
                commits.entry(file.path).or_insert(version);
            }
        }
    }
    Ok(commits)
}

/// Refuses a table whose log names a file elsewhere: whoever writes the log does not decide what else is read.
fn refuse_outside(path: &Path, files: &[SourceFile]) -> Result<(), MaterializerError> {
    match files.iter().find(|file| !is_inside(&file.name)) {
        None => Ok(()),
        Some(file) => {
            let why = format!(
                "its log names the file `{}`, which lies outside of its folder, and only files of a table's own folder \
                 are read: copy the table with its files",
                feature::excerpt(&file.name, LONGEST_NAME_CHARS)
            );
            Err(MaterializerError::file(path, why))
        }
    }
}

/// Whether a path of a table's log stays in the table's folder.
fn is_inside(name: &str) -> bool {
    let stays = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    !name.contains("://") && !name.is_empty() && Path::new(name).components().all(stays)
}

/// The first 63 bits of the hash of a table's id.
fn id_of(metadata: &Metadata) -> i64 {
    first_63_bits(&Sha256::digest(metadata.id()).into())
}

/// Whether the table had the recorded id at the version that was loaded: some writers give it another one when they
/// change its schema. `false` if its log no longer says so.
async fn was_the_table(table: &DeltaTable, loaded: TableVersions) -> bool {
    let Some(version) = loaded.whole.or(loaded.first) else { return false };
    let mut then = table.clone();
    let is_there = then.load_version(version).await.is_ok();
    is_there && then.snapshot().is_ok_and(|then| Some(id_of(then.metadata())) == loaded.id)
}

/// The files that hold the rows of these, of which some are gone because they were rewritten into others.
async fn replace_missing(
    path: &Path,
    table: &DeltaTable,
    version: u64,
    files: Vec<SourceFile>,
    add: &impl Fn(String, Vec<(String, Option<String>)>) -> SourceFile,
) -> Result<Vec<SourceFile>, MaterializerError> {
    let rewrites = Rewrites::read(table, version).await;
    let rewrites = rewrites.map_err(|error| MaterializerError::file(path, error))?;
    let wanted: BTreeSet<String> = files.iter().map(|file| file.name.clone()).collect();
    let is_there = |name: &str| add(name.to_owned(), Vec::new()).path.exists();
    let (plain, rewritten) = rewrites.now(&wanted, is_there).map_err(|gone| {
        let why = format!(
            "its file `{gone}`, whose rows are not loaded yet, is gone, and its log does not say into which it was rewritten: restore it, or define a new version of the view and backfill that"
        );
        MaterializerError::file(path, why)
    })?;
    let plain = files.into_iter().filter(|file| plain.contains(&file.name));
    let rewritten = rewritten
        .into_iter()
        .map(|Rewritten { name, partition, replaces }| SourceFile { replaces, ..add(name, partition) });
    Ok(plain.chain(rewritten).collect())
}

fn deletion_vector(path: &Path, file: &str) -> MaterializerError {
    MaterializerError::file(
        path,
        format!("`{file}` has a deletion vector, which is not read: purge the table first"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_that_stay_in_the_folder_are_files_of_the_table() {
        for inside in
            ["part-0.parquet", "day=3/a.parquet", "./a.parquet", "a..b/c...parquet", "day=%2F/a.parquet"]
        {
            assert!(is_inside(inside), "{inside}");
        }
        for outside in [
            "",
            "/etc/passwd",
            "../a.parquet",
            "day=3/../../a.parquet",
            "day=3/..",
            "file:///etc/passwd",
            "s3://bucket/a.parquet",
        ] {
            assert!(!is_inside(outside), "{outside}");
        }
    }
}
