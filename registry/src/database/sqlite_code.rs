//! The codes of SQLite's errors, see <https://www.sqlite.org/rescode.html>, and what to do about each.

use feature::Advice;
use sqlx::sqlite::SqliteError;

/// `SQLITE_BUSY`: another process is writing.
const BUSY: u32 = 5;
const ERROR: u32 = 1;
const CORRUPT: u32 = 11;
const TOO_BIG: u32 = 18;
const CONSTRAINT: u32 = 19;
const MISMATCH: u32 = 20;
const FORMAT: u32 = 24;
const NOT_A_DATABASE: u32 = 26;
/// `SQLITE_IOERR_SHORT_READ`: the file ends before it should.
const SHORT_READ: u32 = 522;
const READ_ONLY: u32 = 8;
const IO_ERROR: u32 = 10;
const FULL: u32 = 13;
const CANNOT_OPEN: u32 = 14;

/// Whether another process had the file for longer than it was waited for.
pub(super) fn is_busy(source: &sqlx::Error) -> bool {
    primary_code(source) == Some(BUSY)
}

/// Whether SQLite says so of a file whose contents are not what was written. All statements are fixed, so one
/// that does not fit the tables says that of the tables.
pub(super) fn is_damage(source: &sqlx::Error) -> bool {
    code(source) == Some(SHORT_READ)
        || matches!(
            primary_code(source),
            Some(ERROR | CORRUPT | TOO_BIG | CONSTRAINT | MISMATCH | FORMAT | NOT_A_DATABASE)
        )
}

/// What to do about a failure of SQLite's files, in words and for programs; `None` if it is not one.
pub(crate) fn sqlite_advice(source: &sqlx::Error) -> Option<(&'static str, Advice)> {
    Some(match primary_code(source)? {
        IO_ERROR | FULL => (": see that its disk has space, then run this again", Advice::Retry),
        CANNOT_OPEN | READ_ONLY => (": see that its folder can be written to", Advice::Correct),
        BUSY => (": another process holds it, so run this again", Advice::Retry),
        _ => ("", Advice::Retry),
    })
}

fn primary_code(error: &sqlx::Error) -> Option<u32> {
    Some(code(error)? & 0xFF)
}

/// SQLite's extended result code.
fn code(error: &sqlx::Error) -> Option<u32> {
    let error = error.as_database_error()?.try_downcast_ref::<SqliteError>()?;
    sqlx::error::DatabaseError::code(error)?.parse().ok()
}
