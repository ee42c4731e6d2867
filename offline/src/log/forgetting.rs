//! Rows taken out of the files of a table for good: out of those that it has now, those that only older versions read, and
//! those that no commit names.
//!
//! The log only grows, and a version of it is read again years later. So a forgotten entity is taken out of every version:
//! a file that holds rows of it is written again under its own name and in its own length, without them
//! ([`rewritten_file`]), and commits lose what they say of the least and greatest values of such files
//! ([`rewritten_commits`]). Names, lengths, versions, counters and positions stay, so readers and writers of any version go
//! on. Each step replaces one file at once; done again after it was cut off, what is left is done.

mod matcher;
mod rewritten_commits;
mod rewritten_file;
mod searched_table;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::datatypes::{DataType, TimestampMicrosecondType};
use deltalake_core::checkpoints::create_checkpoint;
use feature::{Micros, Position, VersionId, View};

use crate::blocking::blocking;
use crate::error::OfflineError;
use crate::fault_injection::BatchPoint;
use crate::log::check::{folders, parquet_files};
use crate::log::columns::{EVENT_TIME, PROVENANCE, log_schema};
use crate::log::forgotten::Forgotten;
use crate::log::leftovers;
use crate::log::rows::positions;
use crate::log::store::{OfflineStore, TABLES};
use crate::log::table::Table;
pub use matcher::ForgetRows;
use matcher::{Matcher, OfLog, OfTexts, OfValues};
use rewritten_file::SearchedFile;
pub use searched_table::SearchedTable;

/// What is refused where the tables lie in a bucket: copies of files there may be on any machine.
pub(crate) const FORGETS: &str = "this build forgets no entity";

impl OfflineStore {
    /// Takes the rows of forgotten entities out of all files of a view's log, or counts them.
    pub async fn forget_rows(
        &self,
        view: &Arc<View>,
        forget: ForgetRows,
    ) -> Result<SearchedTable, OfflineError> {
        let (texts, removes) = (forget.texts.clone(), forget.removes);
        let matcher = OfLog { view: view.clone(), forget };
        let searched = self.search("log", &view.id, matcher, texts, removes).await?;
        if searched.checkpoints_removed > 0 {
            let log = self.log(view).await?;
            renew_checkpoint(log.table()).await?;
        }
        Ok(searched)
    }

    /// The positions of the rows of forgotten entities in all files of a view's log.
    pub async fn forgotten_positions(
        &self,
        view: &Arc<View>,
        list: Arc<Forgotten>,
    ) -> Result<HashSet<Position>, OfflineError> {
        self.only_in_folder(FORGETS)?;
        let folder = self.table(&view.id, "log")?.folder()?;
        let forget = ForgetRows { list, derived: Arc::default(), texts: Vec::new(), removes: false };
        let (view, matcher) = (view.clone(), OfLog { view: view.clone(), forget });
        blocking(move || {
            let mut found = HashSet::new();
            for path in parquet_files(&folder)? {
                for (batch, is_one) in SearchedFile::open(&path)?.matching(&matcher)? {
                    let positions = positions(&view, &batch)?;
                    found.extend(
                        positions
                            .into_iter()
                            .zip(&is_one)
                            .filter_map(|(position, is_one)| (is_one == Some(true)).then_some(position)),
                    );
                }
            }
            Ok(found)
        })
        .await
    }

    /// How many rows of a view's log have all of these texts as values, in their keys or only elsewhere.
    pub async fn rows_with_values(
        &self,
        view: &Arc<View>,
        texts: Vec<String>,
        in_keys: bool,
    ) -> Result<u64, OfflineError> {
        self.only_in_folder(FORGETS)?;
        let folder = self.table(&view.id, "log")?.folder()?;
        let is_key = |name: &str| view.keys.iter().any(|key| key.name.as_str() == name);
        let is_text = |field: &&Arc<arrow::datatypes::Field>| {
            *field.data_type() == DataType::Utf8
                && field.name() != PROVENANCE
                && (in_keys || !is_key(field.name()))
        };
        let schema = log_schema(view);
        let columns = schema.fields().iter().filter(is_text).map(|field| field.name().clone()).collect();
        let matcher = OfValues { columns, texts };
        blocking(move || {
            let mut rows = 0;
            for path in parquet_files(&folder)? {
                let matching = SearchedFile::open(&path)?.matching(&matcher)?;
                rows += matching.iter().map(|(_, is_one)| is_one.true_count() as u64).sum::<u64>();
            }
            Ok(rows)
        })
        .await
    }

    /// Takes the refused rows out whose text says that they are of a forgotten entity, or counts them.
    pub async fn forget_refused(
        &self,
        view: &VersionId,
        texts: Vec<String>,
        removes: bool,
        is_of_entity: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Result<SearchedTable, OfflineError> {
        let matcher = OfTexts { column: "row", is_of_entity };
        let searched = self.search("dead_letters", view, matcher, texts, removes).await?;
        if searched.checkpoints_removed > 0 {
            renew_checkpoint(self.dead_letters(view).await?.table()).await?;
        }
        Ok(searched)
    }

    /// Takes the examples out that are of a forgotten entity from what describes quarantined batches, or counts what
    /// describes some with them. The rest of a description stays.
    pub async fn forget_quarantined(
        &self,
        view: &VersionId,
        texts: Vec<String>,
        removes: bool,
        is_of_entity: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Result<SearchedTable, OfflineError> {
        if removes {
            self.quarantine(view).await?.describe_without(&is_of_entity).await?;
        }
        let matcher = OfTexts { column: "examples", is_of_entity };
        let searched = self.search("quarantine", view, matcher, texts, removes).await?;
        if searched.checkpoints_removed > 0 {
            renew_checkpoint(self.quarantine(view).await?.table()).await?;
        }
        Ok(searched)
    }

    /// Removes the statistics of a view: they are counted again from its log when somebody asks for them.
    pub async fn forget_statistics(&self, view: &VersionId) -> Result<bool, OfflineError> {
        self.only_in_folder(FORGETS)?;
        let folder = self.table(view, "statistics")?.folder()?;
        blocking(move || match std::fs::remove_dir_all(&folder) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(OfflineError::file("remove", &folder, error)),
        })
        .await
    }

    /// The tables of versions that are not among these: of views that are registered no more.
    pub fn tables_beside(&self, views: &[VersionId]) -> Result<Vec<String>, OfflineError> {
        self.only_in_folder(FORGETS)?;
        let root = self.folder()?;
        let known: HashSet<PathBuf> =
            views.iter().map(|view| PathBuf::from(format!("{}/v{}", view.name, view.version))).collect();
        let mut beside = Vec::new();
        for kind in TABLES {
            for view in folders(&root.join(kind))? {
                for table in folders(&view)? {
                    let name = table.strip_prefix(root.join(kind)).unwrap_or(&table).to_owned();
                    if !known.contains(&name) {
                        beside.push(format!("{kind}/{}", name.display()));
                    }
                }
            }
        }
        Ok(beside)
    }

    async fn search(
        &self,
        kind: &str,
        view: &VersionId,
        matcher: impl Matcher + 'static,
        texts: Vec<String>,
        removes: bool,
    ) -> Result<SearchedTable, OfflineError> {
        self.only_in_folder(FORGETS)?;
        let table = format!("{kind}/{}/v{}", view.name, view.version);
        let folder = self.table(view, kind)?.folder()?;
        blocking(move || search(table, &folder, &matcher, &texts, removes)).await
    }
}

fn search(
    table: String,
    folder: &Path,
    matcher: &impl Matcher,
    texts: &[String],
    removes: bool,
) -> Result<SearchedTable, OfflineError> {
    let mut found = SearchedTable { table, ..SearchedTable::default() };
    if removes {
        found.leftovers_removed = leftovers::remove(folder)?;
    }
    // Files that were written again, and how many rows they have: by their paths in the table.
    let mut rewritten: BTreeMap<String, u64> = BTreeMap::new();
    for path in parquet_files(folder)? {
        found.files += 1;
        let file = SearchedFile::open(&path)?;
        let matching = file.matching(matcher)?;
        let rows: u64 = matching.iter().map(|(_, is_one)| is_one.true_count() as u64).sum();
        found.rows += rows;
        found.newest = found.newest.max(newest(&matching));
        let name = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
        if rows > 0 && removes {
            let left = file.rewrite(matcher)?;
            rewritten.insert(name, left);
            found.files_rewritten += 1;
            BatchPoint::FileForgotten.pass();
        } else if file.is_rewritten() {
            rewritten.insert(name, file.rows());
        }
    }
    rewritten_commits::search(folder, &rewritten, texts, removes, &mut found)?;
    Ok(found)
}

/// When the newest of the rows that match happened, where they have a time.
fn newest(matching: &[(RecordBatch, BooleanArray)]) -> Option<Micros> {
    let of_batch = |(batch, is_one): &(RecordBatch, BooleanArray)| {
        let times = batch.column_by_name(EVENT_TIME)?.as_primitive_opt::<TimestampMicrosecondType>()?;
        let times = times.values().iter().zip(is_one).filter(|(_, is_one)| *is_one == Some(true));
        times.map(|(time, _)| *time).max()
    };
    matching.iter().filter_map(of_batch).max().and_then(|time| Micros::new(time).ok())
}

/// Writes a checkpoint instead of those that were removed, from commits that say nothing of a forgotten entity.
async fn renew_checkpoint(table: &Table) -> Result<(), OfflineError> {
    if table.version().is_some() {
        create_checkpoint(&table.delta, None).await.map_err(|error| table.failed(error))?;
    }
    Ok(())
}
