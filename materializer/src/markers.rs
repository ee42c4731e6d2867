//! Every durable transaction key that the materializer writes into a log or its dead letters, in one place.
//!
//! A key is an application transaction of Delta: it is committed together with the rows that it speaks of, and
//! read back on the next run. Stored logs hold these strings, so none of them may ever change; the test below
//! pins them. A file is known by its name below its source's folder, or by the number in its rows' positions.

use feature::{Micros, VersionId};
use offline::{FORGOTTEN, FORGOTTEN_WHOLE, Log, Marker, WHOLE_FROM};

use crate::error::MaterializerError;

/// 1 once a first load of all history has ended.
pub(crate) const FIRST_LOAD: &str = "first-load";
/// How many numbers were given to files.
pub(crate) const FILE_NUMBERS: &str = "files";
/// The version of a Delta source up to which everything was loaded.
pub(crate) const TABLE_VERSION: &str = "source-version";
/// The version of a Delta source whose files the first load began with.
pub(crate) const FIRST_TABLE_VERSION: &str = "source-first-version";
/// The first 63 bits of the hash of the id of a Delta source's table.
pub(crate) const TABLE_ID: &str = "source-table";
/// The newest turn that a load has taken.
pub(crate) const TURN_TAKEN: &str = "loads";
/// The newest turn whose rows are all online.
pub(crate) const TURN_SETTLED: &str = "loads-settled";
/// The event time from which the stream counts, in microseconds.
pub(crate) const STREAM_START: &str = "stream-from";

/// Of a derived view: the version of its input's log that a load is taking, and one; 0 once it ended.
pub(crate) const DERIVING: &str = "deriving";
/// Of a derived view: the moment up to which all rows of its input are taken, in microseconds.
pub(crate) const DERIVED_UNTIL: &str = "derived-until";
/// Of a derived view: from when on the newest row that was taken was visible, in microseconds.
pub(crate) const DERIVED_NEWEST: &str = "derived-newest";
/// Of a derived view: how many rows of its input were not visible yet when the others were taken.
pub(crate) const DERIVED_WAITING: &str = "derived-waiting";
/// The number after that of the newest file that was quarantined.
pub(crate) const QUARANTINED_UP_TO: &str = "quarantined-up-to";
/// 1 once rows were refused: the dead letters have them.
pub(crate) const REFUSED: &str = "refused";
/// The number of the newest backfill by dates that began.
pub(crate) const MIGRATION: &str = "migration";
/// The number of the newest backfill by dates of which all dates are in the log.
pub(crate) const MIGRATION_LOADED: &str = "migration-loaded";
/// The number of the newest backfill by dates that is done: everything is in the log and online.
pub(crate) const MIGRATION_WHOLE: &str = "migration-whole";
/// The number of the newest backfill by dates that was cancelled.
pub(crate) const MIGRATION_CANCELLED: &str = "migration-cancelled";
/// When the newest backfill by dates began: the limit for rows too far ahead depends on it.
pub(crate) const MIGRATION_STARTED: &str = "migration-started";
/// The delay after which its rows count as available, in microseconds; -1 if its source declares it or assumes none.
pub(crate) const MIGRATION_DELAY: &str = "migration-delay";
/// The number of rows from which that delay was measured; 0 if it is the one that the source assumes.
pub(crate) const MIGRATION_DELAY_ROWS: &str = "migration-delay-rows";
/// The version of the view from whose rows that delay was measured.
pub(crate) const MIGRATION_DELAY_OF: &str = "migration-delay-of";
/// The last event time that it is to load.
pub(crate) const MIGRATION_HISTORY_END: &str = "migration-history-end";
/// How many files it reads.
pub(crate) const MIGRATION_FILES: &str = "migration-files";
/// The version of a Delta source whose rows it loads.
pub(crate) const MIGRATION_TABLE_VERSION: &str = "migration-source-version";

/// The keys that every load moves: a decision that depends on the history in the log reads them.
pub(crate) const HISTORY_READS: [&str; 2] = [FILE_NUMBERS, FIRST_LOAD];

/// The keys on which a load is decided: if another writer moves one of them before a commit, the commit is a
/// conflict and the load is decided again.
pub(crate) const LOAD_READS: [&str; 15] = [
    FILE_NUMBERS,
    FIRST_LOAD,
    TABLE_VERSION,
    FIRST_TABLE_VERSION,
    TABLE_ID,
    TURN_TAKEN,
    TURN_SETTLED,
    STREAM_START,
    DERIVING,
    DERIVED_UNTIL,
    DERIVED_NEWEST,
    DERIVED_WAITING,
    FORGOTTEN,
    FORGOTTEN_WHOLE,
    WHOLE_FROM,
];

/// The marker of the first commit after rows were refused; `None` once the log has it.
pub(crate) async fn refused(log: &Log) -> Result<Option<Marker>, MaterializerError> {
    Ok(read(log, REFUSED).await?.is_none().then(|| marker(REFUSED, 1)))
}

/// The number of a file.
pub(crate) fn file_number(name: &str) -> String {
    format!("file:{name}")
}

/// The first 63 bits of the hash of a loaded file's bytes, without their compression; older logs have that of its compressed
/// bytes.
pub(crate) fn file_content(name: &str) -> String {
    format!("content:{name}")
}

/// The number of the file whose rows these are: the first 63 bits of the hash of its bytes, as for its content, and of the
/// values that the names of its folders give.
pub(crate) fn number_of_rows(hash: i64) -> String {
    format!("rows:{hash}")
}

/// A fingerprint of the identity, size and times of a loaded file, recorded beside its hash; 0 if it was changed too
/// recently for them to tell a later change.
pub(crate) fn file_identity(name: &str) -> String {
    format!("stat:{name}")
}

/// The hash of the file with this number when rows of it were refused; kept in the dead letters.
pub(crate) fn refused_content(number: u32) -> String {
    format!("content:{number}")
}

/// 1 once all rows of the file with this number are in the log.
pub(crate) fn file_complete(number: u32) -> String {
    format!("complete:{number}")
}

/// What is decided of a file that was quarantined: 1 while it waits, 2 once it is released, 3 once it is dropped, 4 once its
/// rows of a range of event times are released and loaded.
pub(crate) fn quarantined(number: u32) -> String {
    format!("quarantined:{number}")
}

/// 1 of a file that a backfill began, or was to read: its rows are of the past, and only a backfill loads them.
pub(crate) fn of_backfill(number: u32) -> String {
    format!("of-backfill:{number}")
}

/// From which event time on the rows of a quarantined file were validated, in microseconds; the least number for all.
pub(crate) fn quarantined_from(number: u32) -> String {
    format!("quarantined-from:{number}")
}

/// The event time before which they were, in microseconds; the greatest number for all.
pub(crate) fn quarantined_to(number: u32) -> String {
    format!("quarantined-to:{number}")
}

/// 1 once a load took rows of the file with this number in a range of event times, and validated no others.
pub(crate) fn validated_in_part(number: u32) -> String {
    format!("validated-in-part:{number}")
}

/// The number after that of the file that was quarantined before this one; 0 of the first.
pub(crate) fn quarantined_before(number: u32) -> String {
    format!("quarantined-before:{number}")
}

/// When the load of the file with this number began: the limit for rows too far ahead depends on it.
pub(crate) fn load_started(number: u32) -> String {
    format!("started:{number}")
}

/// The first 63 bits of the hash of a file's bytes when the newest backfill by dates began to read it.
pub(crate) fn migration_content(name: &str) -> String {
    format!("migration-content:{name}")
}

/// Which dates of a block a backfill by dates, by its number, has loaded: a bit each.
pub(crate) fn migration_dates(number: u64, block: i64) -> String {
    format!("migration-dates:{number}:{block}")
}

/// 1 once a backfill by dates, by its number, has loaded the rows without a date.
pub(crate) fn migration_undated(number: u64) -> String {
    format!("migration-undated:{number}")
}

/// The next offset of a partition.
pub(crate) fn next_offset(partition: u32) -> String {
    format!("stream:{partition}")
}

/// The newest applied time of the online store when rows of a partition were committed.
pub(crate) fn stream_stamp(partition: u32) -> String {
    format!("stream-stamp:{partition}")
}

/// The first 63 bits of the hash of the name of a partition's topic.
pub(crate) fn stream_topic(partition: u32) -> String {
    format!("stream-topic:{partition}")
}

/// The first 63 bits of a digest, as a number that is never negative.
pub(crate) fn first_63_bits(digest: &[u8; 32]) -> i64 {
    let [a, b, c, d, e, f, g, h, ..] = *digest;
    (u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1) as i64
}

/// A key with its new value.
pub(crate) fn marker(key: impl Into<String>, value: i64) -> Marker {
    Marker { app: key.into(), version: value }
}

/// The value of a key, or `None` if it was never written.
pub(crate) async fn read(log: &Log, key: &str) -> Result<Option<i64>, MaterializerError> {
    Ok(log.marker(key).await?)
}

/// The value of a key that counts or numbers something.
pub(crate) async fn read_number<N: TryFrom<i64>>(
    log: &Log,
    key: &str,
) -> Result<Option<N>, MaterializerError> {
    let Some(value) = log.marker(key).await? else { return Ok(None) };
    N::try_from(value).map(Some).map_err(|_| out_of_range(&log.view().id, key, value))
}

/// The value of a key that is a moment.
pub(crate) async fn read_moment(log: &Log, key: &str) -> Result<Option<Micros>, MaterializerError> {
    log.marker(key).await?.map(|value| moment(&log.view().id, key, value)).transpose()
}

/// The moment that a key holds.
pub(crate) fn moment(view: &VersionId, key: &str, value: i64) -> Result<Micros, MaterializerError> {
    Micros::new(value).map_err(|_| out_of_range(view, key, value))
}

fn out_of_range(view: &VersionId, key: &str, value: i64) -> MaterializerError {
    MaterializerError::MarkerOutOfRange { view: view.clone(), key: key.to_owned(), value }
}

#[cfg(test)]
mod tests {
    use offline::EXPIRED_BEFORE;

    use super::*;

    #[test]
    fn the_keys_in_stored_logs_never_change() {
        let constants = [
            FIRST_LOAD,
            FILE_NUMBERS,
            TABLE_VERSION,
            FIRST_TABLE_VERSION,
            TABLE_ID,
            TURN_TAKEN,
            TURN_SETTLED,
            STREAM_START,
            DERIVING,
            DERIVED_UNTIL,
            DERIVED_NEWEST,
            DERIVED_WAITING,
            QUARANTINED_UP_TO,
            REFUSED,
            MIGRATION,
            MIGRATION_LOADED,
            MIGRATION_WHOLE,
            MIGRATION_CANCELLED,
            MIGRATION_STARTED,
            MIGRATION_DELAY,
            MIGRATION_DELAY_ROWS,
            MIGRATION_DELAY_OF,
            MIGRATION_HISTORY_END,
            MIGRATION_FILES,
            MIGRATION_TABLE_VERSION,
            FORGOTTEN,
            FORGOTTEN_WHOLE,
            EXPIRED_BEFORE,
            WHOLE_FROM,
        ];
        let stored = [
            "first-load",
            "files",
            "source-version",
            "source-first-version",
            "source-table",
            "loads",
            "loads-settled",
            "stream-from",
            "deriving",
            "derived-until",
            "derived-newest",
            "derived-waiting",
            "quarantined-up-to",
            "refused",
            "migration",
            "migration-loaded",
            "migration-whole",
            "migration-cancelled",
            "migration-started",
            "migration-delay",
            "migration-delay-rows",
            "migration-delay-of",
            "migration-history-end",
            "migration-files",
            "migration-source-version",
            "forgotten",
            "forgotten-whole",
            "expired-before",
            "whole-from",
        ];
        assert_eq!(constants, stored);
        let of_names =
            [file_number, file_content, file_identity, migration_content].map(|key| key("d=1/a.csv"));
        let stored = ["file:d=1/a.csv", "content:d=1/a.csv", "stat:d=1/a.csv", "migration-content:d=1/a.csv"];
        assert_eq!(of_names, stored);
        assert_eq!(migration_dates(2, -3), "migration-dates:2:-3");
        assert_eq!(migration_undated(2), "migration-undated:2");
        assert_eq!(number_of_rows(7), "rows:7");
        assert_eq!(quarantined_before(7), "quarantined-before:7");
        let of_ranges = [quarantined_from, quarantined_to, validated_in_part, of_backfill].map(|key| key(7));
        let stored = ["quarantined-from:7", "quarantined-to:7", "validated-in-part:7", "of-backfill:7"];
        assert_eq!(of_ranges, stored);
        let of_numbers = [
            refused_content,
            file_complete,
            quarantined,
            load_started,
            next_offset,
            stream_stamp,
            stream_topic,
        ]
        .map(|key| key(7));
        let stored = [
            "content:7",
            "complete:7",
            "quarantined:7",
            "started:7",
            "stream:7",
            "stream-stamp:7",
            "stream-topic:7",
        ];
        assert_eq!(of_numbers, stored);
    }
}
