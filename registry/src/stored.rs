//! How a definition lies in a row of the registry.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::any::AnyRow;

use crate::body::Body;
use crate::canonical::Canonical;
use crate::definition::Definition;
use crate::error::RegistryError;

/// The format of the stored body.
const FORMAT: u32 = 1;

#[derive(Serialize)]
struct StoredRef<'a> {
    format: u32,
    #[serde(flatten)]
    body: &'a Body,
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}

/// A body as JSON, with the number of its format.
pub(crate) fn body_text(body: &Body) -> Result<String, RegistryError> {
    let stored = StoredRef { format: FORMAT, body };
    serde_json::to_string(&stored).map_err(|error| damaged(&body.id().to_string(), &error))
}

/// The body that was stored as this text, which is `what`.
pub(crate) fn body(what: &str, text: &str) -> Result<Body, RegistryError> {
    let mut stored: serde_json::Value = serde_json::from_str(text).map_err(|error| damaged(what, &error))?;
    let format = Format::deserialize(&stored).map_err(|error| damaged(what, &error))?.format;
    if format != FORMAT {
        return Err(damaged(what, &format!("it has format {format}, and this version knows {FORMAT}")));
    }
    if let Some(fields) = stored.as_object_mut() {
        fields.shift_remove("format");
    }
    Body::deserialize(stored).map_err(|error| damaged(what, &error))
}

/// A definition from a row of `definitions`.
pub(crate) fn definition(row: &AnyRow) -> Result<Definition, RegistryError> {
    let unreadable = |error: sqlx::Error| damaged("definition", &error);
    let text = |column: &str| row.try_get::<String, _>(column).map_err(unreadable);
    let what = format!("{} {}", text("kind")?, text("name")?);
    let canonical = Canonical::parse(&text("canonical")?).map_err(|error| damaged(&what, &error))?;
    let (hash, given) = (canonical.hash(), text("hash")?);
    if hash != given {
        return Err(damaged(&what, &format!("its hash is {given}, and that of its canonical form {hash}")));
    }
    Ok(Definition {
        body: body(&what, &text("body")?)?,
        canonical,
        hash,
        text: text("source_text")?,
        file: text("source_file")?.into(),
        revision: number(row, "revision")?,
    })
}

/// A column that holds a whole number.
pub(crate) fn number<T: TryFrom<i64> + FromStr>(row: &AnyRow, column: &str) -> Result<T, RegistryError> {
    let value: i64 = row.try_get(column).map_err(|error| damaged(column, &error))?;
    T::try_from(value).map_err(|_| damaged(column, &format!("{value} is out of range")))
}

pub(crate) fn damaged(what: &str, reason: &dyn std::fmt::Display) -> RegistryError {
    RegistryError::Damaged { what: what.to_owned(), reason: reason.to_string() }
}
