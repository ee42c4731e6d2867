//! What a log says of the files that were loaded into it, kept as application transactions in the
//! same commits as their rows. A file is known by its name below its source's folder.

use std::collections::BTreeSet;

use offline::{Log, Marker};

use crate::error::MaterializerError;
use crate::source_files::SourceFile;

/// That a first load has ended.
pub(crate) const FIRST_LOAD: &str = "first-load";
/// How many numbers were given to files.
pub(crate) const NUMBERS: &str = "files";
/// The version of a Delta source up to which all was loaded.
pub(crate) const TABLE_VERSION: &str = "source-version";
/// The version of a Delta source whose files the first load began with.
pub(crate) const FIRST_VERSION: &str = "source-first-version";

/// The counters that each load moves: who decides something by the history that is there depends on them.
pub(crate) const HISTORY: [&str; 2] = [NUMBERS, FIRST_LOAD];

/// A file that has a number: loaded before, wholly or in part, or about to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LoadedFile {
    /// The number in the positions of its rows.
    pub(crate) number: u32,
    /// What it held, as [`crate::source_content::Content`] says; none where nothing of it was committed.
    pub(crate) content: Option<i64>,
    /// Whether all of its rows were loaded.
    pub(crate) complete: bool,
}

pub(crate) async fn file(log: &Log, file: &SourceFile) -> Result<Option<LoadedFile>, MaterializerError> {
    let Some(number) = log.marker(&format!("file:{}", file.name)).await? else { return Ok(None) };
    let content = log.marker(&format!("content:{}", file.name)).await?;
    let complete = log.marker(&format!("complete:{number}")).await?.is_some();
    Ok(Some(LoadedFile { number: number as u32, content, complete }))
}

/// Whether rows were committed under a number. A load of a new content that was cut off before has given its file the
/// number, and the content that is noted is still that of the number before.
pub(crate) async fn is_begun(log: &Log, number: u32) -> Result<bool, MaterializerError> {
    Ok(log.marker(&started(number)).await?.is_some())
}

/// The numbers of those of these files that have one.
pub(crate) async fn numbers_of(log: &Log, names: &BTreeSet<String>) -> Result<Vec<u32>, MaterializerError> {
    let mut numbers = Vec::new();
    for name in names {
        numbers.extend(log.marker(&format!("file:{name}")).await?.map(|number| number as u32));
    }
    Ok(numbers)
}

/// Whether a commit of these markers and no rows would change nothing.
pub(crate) async fn stands_at(log: &Log, markers: &[Marker]) -> Result<bool, MaterializerError> {
    for marker in markers {
        if log.marker(&marker.app).await? != Some(marker.version) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a whole load of the view has ended before.
pub(crate) async fn has_first_load(log: &Log) -> Result<bool, MaterializerError> {
    Ok(log.marker(FIRST_LOAD).await?.is_some())
}

/// What the last commit of a whole load says.
pub(crate) fn first_load_marker() -> Marker {
    Marker { app: FIRST_LOAD.to_owned(), version: 1 }
}

/// How many numbers were given to files so far.
pub(crate) async fn numbers(log: &Log) -> Result<u32, MaterializerError> {
    Ok(log.marker(NUMBERS).await?.unwrap_or(0) as u32)
}

/// How far a Delta source was loaded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct TableVersions {
    /// The version up to which all was loaded; none where the first load is not at its end.
    pub(crate) whole: Option<u64>,
    /// The version whose files the first load began with, in whatever version they are gone.
    pub(crate) first: Option<u64>,
}

/// How far the log's Delta source was loaded.
pub(crate) async fn table_versions(log: &Log) -> Result<TableVersions, MaterializerError> {
    let version = |marker: Option<i64>| marker.map(|version| version as u64);
    let whole = version(log.marker(TABLE_VERSION).await?);
    Ok(TableVersions { whole, first: version(log.marker(FIRST_VERSION).await?) })
}

/// What the first commit says of a Delta source at this version.
pub(crate) fn first_version_marker(version: u64) -> Marker {
    Marker { app: FIRST_VERSION.to_owned(), version: version as i64 }
}

/// What a commit says once all is loaded up to this version of a Delta source.
pub(crate) fn table_version_marker(version: u64) -> Marker {
    Marker { app: TABLE_VERSION.to_owned(), version: version as i64 }
}

/// The marker of the moment against which a file's rows were judged as too far ahead.
pub(crate) fn started(number: u32) -> String {
    format!("started:{number}")
}

/// How many numbers were given to files once this many were.
pub(crate) fn numbers_marker(numbers: u32) -> Marker {
    Marker { app: NUMBERS.to_owned(), version: i64::from(numbers) }
}

/// That a file has a number: said before anything is written elsewhere under it.
pub(crate) fn numbered(file: &SourceFile, number: u32) -> Marker {
    Marker { app: format!("file:{}", file.name), version: i64::from(number) }
}

/// What the file with a number held when rows of it were refused: said beside these rows.
pub(crate) fn refused_content(number: u32) -> String {
    format!("content:{number}")
}

/// What a commit says of a file when its first rows are loaded.
pub(crate) fn begun(file: &SourceFile, number: u32, content: i64, started_at: i64) -> Vec<Marker> {
    vec![
        numbered(file, number),
        Marker { app: format!("content:{}", file.name), version: content },
        Marker { app: started(number), version: started_at },
    ]
}

/// What a commit says of a file when its last rows are loaded.
pub(crate) fn completed(number: u32) -> Marker {
    Marker { app: format!("complete:{number}"), version: 1 }
}
