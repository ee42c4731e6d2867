//! What Postgres says, by what is to blame: the address, the server, or what the registry holds.

use std::io;

use super::postgres_code::{NO_DATABASE, NOT_AUTHORIZED, WRONG_PASSWORD, code, is_damage};
use crate::error::RegistryError;

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
