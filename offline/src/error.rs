//! Errors of the offline store, and what a caller does about each.

use std::error::Error;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use deltalake_core::DeltaTableError;
use feature::{Advice, HelpTopic, Micros, VersionId};

use crate::damage::Damaged;

/// An error that another one was caused by.
pub(crate) type Cause = Box<dyn Error + Send + Sync>;

/// An error of the offline store. [`OfflineError::advice`] says what a caller does next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OfflineError {
    /// Another writer committed the same positions, or between the read and the commit.
    #[error("another writer changed `{table}` meanwhile: run the command again ({why})")]
    Conflict {
        /// The table.
        table: String,
        /// What the other writer did.
        why: String,
    },
    /// The view has no log yet.
    #[error("{view} has no history in the offline store")]
    NoLog {
        /// The view.
        view: VersionId,
    },
    /// Everything that is wrong with the spine, one sentence each.
    #[error("{}", .0.join("\n"))]
    Spine(Vec<String>),
    /// A file that cannot be read or written.
    #[error("cannot {action} `{}`: {source}", .path.display())]
    File {
        /// What was tried, as in `read`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: Cause,
    },
    /// A column that a file cannot hold, or whose values it cannot.
    #[error("the column `{column}` cannot be written: {why}")]
    Column {
        /// The column.
        column: String,
        /// Why.
        why: String,
    },
    /// A location that no store of this build can be opened at.
    #[error("`{}` is not an offline store: {why}", feature::redacted(.url))]
    Location {
        /// The location.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// A table whose rows are not what its view says.
    #[error("{what} are not what their definition says: {why}")]
    Corrupt {
        /// Which rows.
        what: String,
        /// What is wrong with them.
        why: String,
    },
    /// A log whose rows are those of another definition under the same version, as after a registry was lost and
    /// its definitions were registered again with a change.
    #[error(
        "the log of {view} in `{}` holds rows of another definition of {view} than the one that is registered: register the definition that they were made by, or give the changed one a new version",
        .folder.display()
    )]
    OtherDefinition {
        /// The view.
        view: String,
        /// Where the log lies.
        folder: PathBuf,
    },
    /// Labels that would need rows that the retention of a view has dropped.
    #[error(
        "{labels} of the labels need rows of {view} that happened before {before}, which its retention dropped: leave out {}",
        labels_to_leave_out(*.labels, *.while_open, *.from)
    )]
    LabelsExpired {
        /// The view.
        view: VersionId,
        /// How many labels.
        labels: usize,
        /// How many of them lie later, and have the answers of a last good moment that lies before.
        while_open: usize,
        /// The midnight before which all rows were dropped.
        before: Micros,
        /// The first moment of labels that need none of them.
        from: Micros,
    },
    /// An older version of a log whose files are gone.
    #[error(
        "version {version} of the log of {view} cannot be read any more: a vacuum removed files that only older versions had, and left those from {whole_from} on"
    )]
    Vacuumed {
        /// The view.
        view: VersionId,
        /// The version.
        version: u64,
        /// The first version that is whole.
        whole_from: u64,
    },
    /// A file that is not as it was written. Nothing was taken from it.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// The caller stopped waiting for the result.
    #[error("the join was cancelled before it was done")]
    Cancelled,
    /// A batch that an on-demand view cannot be evaluated on.
    #[error(transparent)]
    Transform(#[from] transform::TransformError),
    /// An on-demand view that does not compile.
    #[error(transparent)]
    Expression(#[from] transform::ExpressionError),
    /// The disk is full, and the table is unchanged.
    #[error("the disk of the table `{table}` has no space left: free some space and run this again")]
    Full {
        /// The table.
        table: String,
    },
    /// The table format or its storage failed.
    #[error("the table `{table}` failed: {source}")]
    Table {
        /// The table.
        table: String,
        /// What failed.
        source: Box<DeltaTableError>,
    },
    /// Reading columns failed.
    #[error("reading failed: {0}")]
    Read(#[source] DataFusionError),
    /// A column could not be built or written.
    #[error("a column could not be built: {0}")]
    Arrow(#[from] ArrowError),
}

impl OfflineError {
    /// What a caller does next.
    pub const fn advice(&self) -> Advice {
        match self {
            Self::Conflict { .. } | Self::Full { .. } | Self::Table { .. } | Self::Cancelled => Advice::Retry,
            Self::NoLog { .. }
            | Self::Spine(_)
            | Self::File { .. }
            | Self::Column { .. }
            | Self::Location { .. }
            | Self::OtherDefinition { .. }
            | Self::LabelsExpired { .. }
            | Self::Vacuumed { .. }
            | Self::Expression(_) => Advice::Correct,
            Self::Corrupt { .. } | Self::Damaged(_) | Self::Transform(_) | Self::Read(_) | Self::Arrow(_) => {
                Advice::Stop
            }
        }
    }

    /// The operation that ends the error, where there is one.
    pub fn help(&self) -> Option<HelpTopic> {
        match self {
            Self::NoLog { view } => Some(HelpTopic::Backfill(view.clone())),
            _ => None,
        }
    }
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
    pub(crate) fn of_file(path: &Path, error: std::io::Error) -> Self {
        match Damaged::behind(&error) {
            Some(damaged) => damaged.into(),
            None => OfflineError::file("read", path, error),
        }
    }

    pub(crate) fn file(action: &'static str, path: &Path, source: impl Into<Cause>) -> Self {
        OfflineError::File { action, path: path.to_owned(), source: source.into() }
    }
}

/// Whether an error goes back to a disk, or to one's share of it, that is full.
fn is_full(error: &(dyn Error + 'static)) -> bool {
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

/// Which labels need rows that were dropped.
fn labels_to_leave_out(labels: usize, while_open: usize, from: Micros) -> String {
    let of_breaker =
        format!("those at which a circuit breaker was open that gave the answers of a moment before {from}");
    match while_open {
        0 => format!("the labels before {from}"),
        all if all == labels => of_breaker,
        _ => format!("the labels before {from}, and {of_breaker}"),
    }
}
