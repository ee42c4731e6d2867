//! What SQLite says, by whether its file is to blame.

use std::path::Path;

use super::sqlite_code::is_damage;
use crate::error::RegistryError;

/// What an error says of the registry in this file.
pub(super) fn failure(file: &Path, action: &'static str, source: sqlx::Error) -> RegistryError {
    let reason = match &source {
        sqlx::Error::Database(error) if is_damage(&source) => error.message().to_owned(),
        sqlx::Error::RowNotFound
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::Decode(_)
        | sqlx::Error::Protocol(_) => source.to_string(),
        _ => return RegistryError::Storage { url: format!("sqlite://{}", file.display()), action, source },
    };
    RegistryError::File { file: file.to_owned(), reason }
}
