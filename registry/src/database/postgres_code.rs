//! The codes of Postgres's errors, see <https://www.postgresql.org/docs/current/errcodes-appendix.html>, and what to do
//! about each.

use feature::Advice;
use sqlx::postgres::PgDatabaseError;

pub(super) const WRONG_PASSWORD: &str = "28P01";
pub(super) const NOT_AUTHORIZED: &str = "28000";
pub(super) const NO_DATABASE: &str = "3D000";
const NO_PRIVILEGE: &str = "42501";
const READ_ONLY: &str = "25006";
const LOCK_NOT_AVAILABLE: &str = "55P03";
const TOO_MANY_CONNECTIONS: &str = "53300";

/// Whether another transaction had a lock for longer than it was waited for.
pub(super) fn is_busy(source: &sqlx::Error) -> bool {
    code(source) == Some(LOCK_NOT_AVAILABLE)
}

/// All statements are fixed, so one that does not fit the tables, or rows that do not fit it, say that of the tables.
pub(super) fn is_damage(code: &str) -> bool {
    let is_class = |class: &str| code.starts_with(class);
    (is_class("42") && code != NO_PRIVILEGE) || is_class("23") || ["XX001", "XX002"].contains(&code)
}

pub(super) fn code(source: &sqlx::Error) -> Option<&str> {
    let error = source.as_database_error()?.try_downcast_ref::<PgDatabaseError>()?;
    Some(error.code())
}

/// What to do about a failure of the server, in words and for programs; `None` if it is not one.
pub(crate) fn postgres_advice(source: &sqlx::Error) -> Option<(&'static str, Advice)> {
    Some(match (code(source), source) {
        (Some(NO_PRIVILEGE), _) => (": give its user the right to do so", Advice::Correct),
        (Some(READ_ONLY), _) => {
            (": this server takes no changes, so name the one that does", Advice::Correct)
        }
        (Some(TOO_MANY_CONNECTIONS), _) => {
            (": let the server take more connections, or run this again later", Advice::Retry)
        }
        (Some(_), _) => ("", Advice::Retry),
        (None, sqlx::Error::Io(_)) => (": see that the server runs, then run this again", Advice::Retry),
        _ => return None,
    })
}
