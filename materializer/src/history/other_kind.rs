//! A source that is a Delta table now and was files when its view was loaded, or the other way round. What was loaded of files is
//! known by their names, and of a table by its versions: by neither is it known which rows of the other are loaded.
//!
//! A folder that became a table where it lies is known, as long as all files that were loaded are files of the table.

use std::collections::BTreeSet;
use std::path::Path;

use feature::Batch;
use offline::{Log, OfflineStore};

use super::source_file::{SourceFiles, TableVersions};
use super::{loaded_files, locate};
use crate::blocking;
use crate::error::MaterializerError;
use crate::materializer::Target;

/// Refuses the files of a source that was of another kind when its view was loaded.
pub(super) async fn refuse(
    target: &Target,
    log: &Log,
    loaded: TableVersions,
    found: &SourceFiles,
) -> Result<(), MaterializerError> {
    if !is_bound(target, log) {
        return Ok(());
    }
    let was_table = loaded.whole.is_some() || loaded.first.is_some();
    let was = match (was_table, found.table_version.is_some()) {
        (true, false) => "a Delta table",
        (false, true) if !are_all_listed(log, found).await? => "files",
        _ => return Ok(()),
    };
    let is = match (&target.source.batch, found.table_version) {
        (Some(Batch::Files(files)), Some(_)) => format!("the Delta table `{}`", files.path),
        (Some(Batch::Files(files)), None) => format!("files in `{}`", files.path),
        (Some(Batch::Query(_)) | None, _) => "a query".to_owned(),
    };
    Err(MaterializerError::OtherKind { view: target.view.id.clone(), was, is })
}

/// Whether rows were loaded that may be loaded again. What a static source says again is a new load, whatever it lies in.
fn is_bound(target: &Target, log: &Log) -> bool {
    !target.view.is_static && target.input.is_none() && log.row_count() > 0
}

/// Whether every file that has a number is listed.
async fn are_all_listed(log: &Log, found: &SourceFiles) -> Result<bool, MaterializerError> {
    let names: BTreeSet<String> = found.files.iter().map(|file| file.name.clone()).collect();
    let listed: BTreeSet<u32> = loaded_files::numbers_of(log, &names).await?.into_iter().collect();
    Ok((0..loaded_files::numbers(log).await?).all(|number| listed.contains(&number)))
}

/// Why nothing more of a view's source can be loaded, if it was of another kind when the view was loaded. What is wrong
/// with it besides is said elsewhere.
pub async fn other_kind(
    offline: &OfflineStore,
    project: &Path,
    target: &Target,
) -> Result<Option<String>, MaterializerError> {
    let log = offline.log(&target.view).await?;
    if !is_bound(target, &log) {
        return Ok(None);
    }
    let (project, source, view) = (project.to_owned(), target.source.clone(), target.view.id.clone());
    let located = blocking::run(move || locate::batch_source(&project, &source, &view)).await?;
    let Ok(source) = located else { return Ok(None) };
    let loaded = loaded_files::table_versions(&log).await?;
    let Ok(found) = source.files(&target.view.id, TableVersions::default()).await else { return Ok(None) };
    Ok(refuse(target, &log, loaded, &found).await.err().map(|why| why.to_string()))
}
