//! What can go wrong in the offline store, grouped by what a caller does next.

use std::io::ErrorKind;

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use deltalake_core::DeltaTableError;
use thiserror::Error;

use crate::storage::Damaged;

/// An error of the offline store.
#[derive(Debug, Error)]
pub enum OfflineError {
    /// Retry: another writer committed the same positions, or between the read and the commit.
    #[error("another writer changed `{table}` meanwhile: run the command again ({why})")]
    Conflict {
        /// The table.
        table: String,
        /// What the table format said.
        why: String,
    },
    /// Tell the user: the view has no log yet.
    #[error("{view} has no history in the offline store: run `twinstore backfill {view}` first")]
    NoLog {
        /// The view.
        view: String,
    },
    /// Tell the user: everything that is wrong with the spine.
    #[error("{}", .0.join("\n"))]
    Spine(Vec<String>),
    /// Tell the user: a file that cannot be read or written.
    #[error("cannot {action} `{path}`: {why}")]
    File {
        /// What was tried, as in `read`.
        action: &'static str,
        /// The file.
        path: String,
        /// Why it failed.
        why: String,
    },
    /// Tell the user: a column that a file cannot hold, or whose values it cannot.
    #[error("the column `{column}` cannot be written: {why}")]
    Column {
        /// The column.
        column: String,
        /// Why.
        why: String,
    },
    /// Tell the user: a location that no store of ours takes.
    #[error("`{url}` is no offline store: {why}")]
    Location {
        /// What was given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// Stop: a table whose rows are not what its view says.
    #[error("{what} are not what their definition says: {why}")]
    Corrupt {
        /// Which rows.
        what: String,
        /// What is wrong with them.
        why: String,
    },
    /// Stop: a file that is not as it was written. Nothing was taken from it.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// Stop: nobody waits for the result any more.
    #[error("the join was cancelled before it was done")]
    Cancelled,
    /// Tell the user: an expression of an on-demand view.
    #[error(transparent)]
    Transform(#[from] transform::TransformError),
    /// Tell the user: an on-demand view that does not compile.
    #[error(transparent)]
    Expression(#[from] transform::ExpressionError),
    /// Tell the user: there is no room, and the table is as it was.
    #[error("the disk of the table `{table}` has no room left: free some space and run this again")]
    Full {
        /// The table.
        table: String,
    },
    /// Stop: the table format or its storage failed.
    #[error("the table `{table}` failed: {source}")]
    Table {
        /// The table.
        table: String,
        /// What failed.
        source: Box<DeltaTableError>,
    },
    /// Stop: reading columns failed.
    #[error("reading failed: {0}")]
    Read(DataFusionError),
    /// Stop: a column could not be made or written.
    #[error("a column could not be made: {0}")]
    Arrow(#[from] ArrowError),
}

impl From<DataFusionError> for OfflineError {
    /// An error of ours that went through the query engine is itself again.
    fn from(error: DataFusionError) -> Self {
        if let Some(damaged) = Damaged::behind(&error) {
            return damaged.into();
        }
        match error {
            DataFusionError::External(source) => match source.downcast::<OfflineError>() {
                Ok(own) => *own,
                Err(other) => OfflineError::Read(DataFusionError::External(other)),
            },
            other => OfflineError::Read(other),
        }
    }
}

impl OfflineError {
    /// An error of the table format: a conflict where another writer won, else a failure.
    pub(crate) fn of_table(table: &str, source: DeltaTableError) -> Self {
        let conflict =
            matches!(source, DeltaTableError::Transaction { .. } | DeltaTableError::VersionAlreadyExists(_));
        if conflict {
            return OfflineError::Conflict { table: table.to_owned(), why: source.to_string() };
        }
        if is_full(&source) {
            return OfflineError::Full { table: table.to_owned() };
        }
        OfflineError::Table { table: table.to_owned(), source: Box::new(source) }
    }

    /// What reading a file of a log failed with: damage where it is, else the file and why.
    pub(crate) fn of_file(path: &std::path::Path, error: std::io::Error) -> Self {
        match Damaged::behind(&error) {
            Some(damaged) => damaged.into(),
            None => OfflineError::file("read", path, error),
        }
    }

    pub(crate) fn file(action: &'static str, path: &std::path::Path, why: impl ToString) -> Self {
        OfflineError::File { action, path: path.display().to_string(), why: why.to_string() }
    }
}

/// Whether an error goes back to a disk, or to one's share of it, that is full.
fn is_full(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            if matches!(
                io.kind(),
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
            ) {
                return true;
            }
            // What an error of this kind wraps is not its source but its inside.
            if let Some(inside) = io.get_ref() {
                return is_full(inside);
            }
        }
        cause = error.source();
    }
    false
}
