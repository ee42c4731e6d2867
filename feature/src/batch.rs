//! Where the history of a source lies: in files, or in a database, from which a query gives it.

use serde::{Deserialize, Serialize};

use crate::database::DatabaseConnection;
use crate::name::Name;
use crate::shown::redacted;
use crate::time::Span;

/// The encoding of a source's files.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BatchFormat {
    /// Apache Parquet.
    Parquet,
    /// Text with a header, and fields separated as those of the header are.
    Csv,
    /// A JSON object on each line.
    Json,
    /// A Delta table.
    Delta,
}

/// Where a source's history lies.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Batch {
    /// In files.
    Files(BatchFiles),
    /// In a database, from which a query gives it.
    Query(BatchQuery),
}

/// Files that hold a source's history.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BatchFiles {
    /// A file, glob, folder or Delta table; a relative path is taken from the project's folder.
    pub path: String,
    /// How its files are encoded, where their names do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<BatchFormat>,
}

/// A query that gives a source's history.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BatchQuery {
    /// The query, as its author wrote it.
    pub sql: String,
    /// Where it is executed, as its author wrote it: what [`DatabaseConnection`] reads.
    pub connection: String,
    /// The column that bounds what is read of the query: rows that lie too far before the newest one are not read again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Name>,
    /// How far before the newest row is read again; none where there is no cursor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lookback: Option<Span>,
}

impl Batch {
    /// How far before the newest row a query with a cursor is read again where its source does not say it.
    pub const DEFAULT_LOOKBACK: Span = Span::DAY;

    /// The query, if it is one.
    pub fn query(&self) -> Option<&BatchQuery> {
        match self {
            Batch::Query(query) => Some(query),
            Batch::Files(_) => None,
        }
    }

    /// What it is called where it is listed: the path of files, the database of a query.
    pub fn location(&self) -> String {
        match self {
            Batch::Files(files) => files.path.clone(),
            Batch::Query(query) => {
                let connection = query.connection.parse::<DatabaseConnection>();
                connection.map_or_else(
                    |_| redacted(&query.connection).into_owned(),
                    |connection| connection.to_string(),
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_registered_is_read_as_what_it_was() {
        let files = r#"{"path":"data/a.csv","format":"csv"}"#;
        let sql =
            r#"{"sql":"select 1","connection":"postgres://me@db.example/ops","cursor":"at","lookback":"1d"}"#;
        let plain = r#"{"sql":"select 1","connection":"$OPS"}"#;
        for (text, location) in [(files, "data/a.csv"), (sql, "db.example:5432/ops"), (plain, "$OPS")] {
            let batch: Batch = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&batch).unwrap(), text);
            assert_eq!(batch.location(), location);
        }
    }
}
