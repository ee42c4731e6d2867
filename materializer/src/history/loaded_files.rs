//! What a log records of the files that were loaded into it, in the same commits as their rows.

use std::collections::BTreeSet;

use feature::Micros;
use offline::{DeadLetters, Log, Marker};

use super::event_range::EventRange;
use super::file_content::{FileContent, RecordedContent};
use super::source_file::{SourceFile, TableVersions};
use crate::error::MaterializerError;
use crate::markers::{self, FILE_NUMBERS, FIRST_LOAD, FIRST_TABLE_VERSION, TABLE_ID, TABLE_VERSION};

/// What is recorded of a file: the release of a quarantined file has begun, all of its rows are loaded, or it is quarantined.
const INCOMPLETE: i64 = 0;
const COMPLETE: i64 = 1;
const SET_ASIDE: i64 = 2;

/// A file that has a number: loaded before, wholly or in part, or about to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LoadedFile {
    /// The number in the positions of its rows.
    pub(crate) number: u32,
    /// What it held; `None` if nothing of it was committed.
    pub(crate) content: Option<RecordedContent>,
    /// Whether all of its rows were loaded, or it was quarantined.
    pub(crate) is_complete: bool,
    /// What is decided of it, if it was quarantined.
    pub(crate) quarantine: Option<QuarantineState>,
}

/// What is decided of a file that was quarantined.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum QuarantineState {
    /// Nothing yet: none of its rows is in the log.
    Waiting,
    /// Its rows are to be loaded, or are.
    Released,
    /// None of its rows is ever loaded.
    Dropped,
    /// Its rows of the range in which it was validated are loaded; the others are loaded as those of any file.
    ReleasedInPart,
}

impl QuarantineState {
    const fn number(self) -> i64 {
        match self {
            QuarantineState::Waiting => 1,
            QuarantineState::Released => 2,
            QuarantineState::Dropped => 3,
            QuarantineState::ReleasedInPart => 4,
        }
    }

    /// The marker of the commit with which it is decided.
    pub(crate) fn of_file(self, number: u32) -> Marker {
        markers::marker(markers::quarantined(number), self.number())
    }
}

/// What is decided of the file with this number; `None` if it was never quarantined.
pub(crate) async fn quarantine(log: &Log, number: u32) -> Result<Option<QuarantineState>, MaterializerError> {
    let key = markers::quarantined(number);
    let states = [
        QuarantineState::Waiting,
        QuarantineState::Released,
        QuarantineState::Dropped,
        QuarantineState::ReleasedInPart,
    ];
    let Some(value) = markers::read(log, &key).await? else { return Ok(None) };
    match states.into_iter().find(|state| state.number() == value) {
        Some(state) => Ok(Some(state)),
        None => Err(MaterializerError::MarkerOutOfRange { view: log.view().id.clone(), key, value }),
    }
}

/// The markers of the range of event times in which the rows of a quarantined file were validated.
pub(crate) fn validated(number: u32, range: EventRange) -> [Marker; 2] {
    [
        markers::marker(markers::quarantined_from(number), range.from.map_or(i64::MIN, Micros::get)),
        markers::marker(markers::quarantined_to(number), range.to.map_or(i64::MAX, Micros::get)),
    ]
}

/// The range of event times in which the rows of a quarantined file were validated: all where none is recorded.
pub(crate) async fn validated_range(log: &Log, number: u32) -> Result<EventRange, MaterializerError> {
    let (from, to) = (markers::quarantined_from(number), markers::quarantined_to(number));
    let moment = |key: String, value: Option<i64>, all: i64| {
        let value = value.filter(|value| *value != all);
        value.map(|value| markers::moment(&log.view().id, &key, value)).transpose()
    };
    let (first, last) = (markers::read(log, &from).await?, markers::read(log, &to).await?);
    Ok(EventRange { from: moment(from, first, i64::MIN)?, to: moment(to, last, i64::MAX)? })
}

/// The range of event times of which the rows of a file were released; `None` if nothing of it, or all of it, was.
pub(crate) async fn released_range(log: &Log, number: u32) -> Result<Option<EventRange>, MaterializerError> {
    Ok(match quarantine(log, number).await? {
        Some(QuarantineState::ReleasedInPart) => Some(validated_range(log, number).await?),
        _ => None,
    })
}

/// The marker of a file of which a load took rows in a range of event times, and validated no others.
pub(crate) fn validated_in_part(number: u32) -> Marker {
    markers::marker(markers::validated_in_part(number), 1)
}

/// Whether rows of a file were not validated when others of it were loaded.
pub(crate) async fn is_validated_in_part(log: &Log, number: u32) -> Result<bool, MaterializerError> {
    Ok(markers::read(log, &markers::validated_in_part(number)).await?.is_some())
}

/// The marker of a file that a backfill reads: what it leaves is loaded by a backfill too, as rows of the past.
pub(crate) fn of_backfill(number: u32) -> Marker {
    markers::marker(markers::of_backfill(number), 1)
}

/// Whether a backfill has begun a file, or was to read it, and has not loaded all of it.
pub(crate) async fn is_left_by_backfill(log: &Log, number: u32) -> Result<bool, MaterializerError> {
    let is_of_it = markers::read(log, &markers::of_backfill(number)).await?.is_some();
    Ok(is_of_it && !is_complete(log, number).await?)
}

/// The markers with which the rows of a quarantined file begin to be loaded: as if its load had begun at the release.
pub(crate) fn released(number: u32, at: Micros) -> [Marker; 3] {
    [
        QuarantineState::Released.of_file(number),
        markers::marker(markers::file_complete(number), INCOMPLETE),
        markers::marker(markers::load_started(number), at.get()),
    ]
}

/// What the log records of a file; `None` if it has no number.
pub(crate) async fn file(log: &Log, name: &str) -> Result<Option<LoadedFile>, MaterializerError> {
    let Some(number) = markers::read_number(log, &markers::file_number(name)).await? else { return Ok(None) };
    let hash = markers::read(log, &markers::file_content(name)).await?;
    // 0 says that there was none to record.
    let fingerprint = markers::read(log, &markers::file_identity(name)).await?.filter(|value| *value != 0);
    let complete = markers::read(log, &markers::file_complete(number)).await?;
    // Most files were never quarantined, and nothing more is looked up of them.
    let quarantine = match complete {
        None | Some(COMPLETE) => None,
        Some(_) => quarantine(log, number).await?,
    };
    let is_complete = complete.is_some_and(|value| value != INCOMPLETE);
    let content = hash.map(|hash| RecordedContent { hash, fingerprint });
    Ok(Some(LoadedFile { number, content, is_complete, quarantine }))
}

/// Whether all rows of the file with this number were loaded, or it was quarantined.
pub(crate) async fn is_complete(log: &Log, number: u32) -> Result<bool, MaterializerError> {
    Ok(markers::read(log, &markers::file_complete(number)).await?.is_some_and(|value| value != INCOMPLETE))
}

/// Whether rows were committed under a number. A load of new content that was interrupted has given its file the
/// number already, and the recorded content is still that of the number before.
pub(crate) async fn is_begun(log: &Log, number: u32) -> Result<bool, MaterializerError> {
    Ok(markers::read(log, &markers::load_started(number)).await?.is_some())
}

/// When the load of a file began, as the first commit recorded it that knew of the file.
pub(crate) async fn started_at(
    log: &Log,
    dead_letters: &DeadLetters,
    number: u32,
) -> Result<Option<Micros>, MaterializerError> {
    let key = markers::load_started(number);
    let recorded = match markers::read(log, &key).await? {
        Some(recorded) => Some(recorded),
        None => dead_letters.marker(&key).await?,
    };
    recorded.map(|value| markers::moment(&log.view().id, &key, value)).transpose()
}

/// The hash of a file when rows of it were refused and none were committed.
pub(crate) async fn refused_content(
    dead_letters: &DeadLetters,
    number: u32,
) -> Result<Option<i64>, MaterializerError> {
    Ok(dead_letters.marker(&markers::refused_content(number)).await?)
}

/// The numbers of those of these files that have one.
pub(crate) async fn numbers_of(log: &Log, names: &BTreeSet<String>) -> Result<Vec<u32>, MaterializerError> {
    let mut numbers = Vec::new();
    for name in names {
        numbers.extend(markers::read_number::<u32>(log, &markers::file_number(name)).await?);
    }
    Ok(numbers)
}

/// Those of these files of which nothing is loaded, as they wait in quarantine or were dropped.
pub(crate) async fn not_loaded(log: &Log, numbers: &[u32]) -> Result<Vec<u32>, MaterializerError> {
    let mut found = Vec::new();
    for number in numbers {
        if let Some(QuarantineState::Waiting | QuarantineState::Dropped) = quarantine(log, *number).await? {
            found.push(*number);
        }
    }
    Ok(found)
}

/// Whether a commit of these markers and no rows would change nothing.
pub(crate) async fn has_all(log: &Log, markers: &[Marker]) -> Result<bool, MaterializerError> {
    for marker in markers {
        if log.marker(&marker.app).await? != Some(marker.version) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether all of a view's history was loaded, at least once: without bounds of event times, to its end.
pub async fn is_loaded_as_a_whole(log: &Log) -> Result<bool, MaterializerError> {
    has_first_load(log).await
}

/// Whether a whole load of the view has ended before.
pub(crate) async fn has_first_load(log: &Log) -> Result<bool, MaterializerError> {
    Ok(markers::read(log, FIRST_LOAD).await?.is_some())
}

/// The marker of the last commit of a whole load.
pub(crate) fn first_load() -> Marker {
    markers::marker(FIRST_LOAD, 1)
}

/// How many numbers were given to files so far.
pub(crate) async fn numbers(log: &Log) -> Result<u32, MaterializerError> {
    Ok(markers::read_number(log, FILE_NUMBERS).await?.unwrap_or(0))
}

/// The marker of how many numbers were given to files.
pub(crate) fn numbers_given(numbers: u32) -> Marker {
    markers::marker(FILE_NUMBERS, i64::from(numbers))
}

/// How far the log's Delta source was loaded.
pub(crate) async fn table_versions(log: &Log) -> Result<TableVersions, MaterializerError> {
    Ok(TableVersions {
        whole: markers::read_number(log, TABLE_VERSION).await?,
        first: markers::read_number(log, FIRST_TABLE_VERSION).await?,
        id: markers::read(log, TABLE_ID).await?,
    })
}

/// The marker of a first load's first commit: the version of a Delta source with which it begins.
pub(crate) fn first_table_version(version: u64) -> Marker {
    markers::marker(FIRST_TABLE_VERSION, version as i64)
}

/// The marker of a load's first commit: which table a Delta source is.
pub(crate) fn table_id(id: i64) -> Marker {
    markers::marker(TABLE_ID, id)
}

/// The marker of the commit with which everything up to this version of a Delta source is loaded.
pub(crate) fn table_version(version: u64) -> Marker {
    markers::marker(TABLE_VERSION, version as i64)
}

/// The marker of a file's number: recorded before anything is written elsewhere under it.
pub(crate) fn numbered(file: &SourceFile, number: u32) -> Marker {
    markers::marker(markers::file_number(&file.name), i64::from(number))
}

/// The markers of the commit with a file's first rows, beside its fingerprint.
pub(crate) fn begun(file: &SourceFile, number: u32, content: FileContent, started_at: Micros) -> [Marker; 4] {
    let rows = markers::number_of_rows(content.of_rows(file));
    [
        numbered(file, number),
        markers::marker(rows, i64::from(number)),
        markers::marker(markers::file_content(&file.name), content.hash),
        markers::marker(markers::load_started(number), started_at.get()),
    ]
}

/// The markers of a file that was loaded under another name.
pub(crate) fn renamed(file: &SourceFile, number: u32, content: FileContent) -> [Marker; 2] {
    [numbered(file, number), markers::marker(markers::file_content(&file.name), content.hash)]
}

/// The number of a file that was loaded with these rows, or dropped; `None` if there is none, or if it waits in quarantine.
pub(crate) async fn number_of_rows(
    log: &Log,
    file: &SourceFile,
    content: FileContent,
) -> Result<Option<u32>, MaterializerError> {
    for hash in content.recorded_of_rows(file) {
        let key = markers::number_of_rows(hash);
        let Some(number) = markers::read_number::<u32>(log, &key).await? else { continue };
        let waits = quarantine(log, number).await? == Some(QuarantineState::Waiting);
        return Ok((!waits).then_some(number));
    }
    Ok(None)
}

/// The marker of a file's fingerprint, so that it is not read again while it has that. It is recorded in a commit
/// that is made anyway: a load that changes nothing else commits nothing.
pub(crate) fn fingerprint(file: &SourceFile, content: FileContent) -> Marker {
    markers::marker(markers::file_identity(&file.name), content.fingerprint.unwrap_or(0))
}

/// The markers beside the refused rows of a file: of which content they are, and when its load began.
pub(crate) fn refused(number: u32, content: FileContent, started_at: Micros) -> [Marker; 2] {
    [
        markers::marker(markers::load_started(number), started_at.get()),
        markers::marker(markers::refused_content(number), content.hash),
    ]
}

/// The marker of the commit with a file's last rows.
pub(crate) fn completed(number: u32) -> Marker {
    markers::marker(markers::file_complete(number), COMPLETE)
}

/// The marker of the commit with which a file is quarantined: complete without a row of it.
pub(crate) fn set_aside(number: u32) -> Marker {
    markers::marker(markers::file_complete(number), SET_ASIDE)
}
