//! What Postgres says, by what is to blame: the address, the server, or what the registry holds. Codes are those of
//! <https://www.postgresql.org/docs/current/errcodes-appendix.html>.

use std::io;

use feature::Advice;
use sqlx::postgres::PgDatabaseError;

use crate::error::RegistryError;

const WRONG_PASSWORD: &str = "28P01";
const NOT_AUTHORIZED: &str = "28000";
const NO_DATABASE: &str = "3D000";
const NO_PRIVILEGE: &str = "42501";
const READ_ONLY: &str = "25006";
const LOCK_NOT_AVAILABLE: &str = "55P03";
const TOO_MANY_CONNECTIONS: &str = "53300";

/// What an error says of the registry at this URL, which has no login.
pub(super) fn failure(url: &str, action: &'static str, source: sqlx::Error) -> RegistryError {
    let url = url.to_owned();
    let address = |reason: String| RegistryError::Address { url: url.clone(), reason };
    let said = source.as_database_error().map(|error| error.message().to_owned());
    match (code(&source), said) {
        (Some(WRONG_PASSWORD | NOT_AUTHORIZED), Some(said)) => {
            return address(format!("{said}: see its user and password"));
        }
        (Some(NO_DATABASE), Some(said)) => return address(format!("{said}: create it, or name another")),
        (Some(code), Some(reason)) if is_damage(code) => return RegistryError::Contents { url, reason },
        _ => {}
    }
    match source {
        sqlx::Error::Configuration(error) => address(error.to_string()),
        sqlx::Error::RowNotFound
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::Decode(_) => RegistryError::Contents { url, reason: source.to_string() },
        sqlx::Error::PoolTimedOut => {
            let said = "the server gave no connection or no answer in time";
            let source = sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, said));
            RegistryError::Storage { url, action, source }
        }
        source => RegistryError::Storage { url, action, source },
    }
}

/// Whether another transaction had a lock for longer than it was waited for.
pub(super) fn is_busy(source: &sqlx::Error) -> bool {
    code(source) == Some(LOCK_NOT_AVAILABLE)
}

/// All statements are fixed, so one that does not fit the tables, or rows that do not fit it, say that of the tables.
fn is_damage(code: &str) -> bool {
    let is_class = |class: &str| code.starts_with(class);
    (is_class("42") && code != NO_PRIVILEGE) || is_class("23") || ["XX001", "XX002"].contains(&code)
}

fn code(source: &sqlx::Error) -> Option<&str> {
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
