//! What can go wrong online, grouped by what the caller does next.

use std::path::PathBuf;

use feature::{Advice, EntityKey, HelpTopic, VersionId};
use thiserror::Error;

/// An online store or a packed row that cannot do what was requested.
#[derive(Debug, Error)]
pub enum OnlineError {
    /// Try again: the store cannot answer now, and nothing is known to be lost.
    #[error("the online store at {location} is not available ({reason}): try again")]
    Unavailable {
        /// Where the store is.
        location: String,
        /// Why it does not answer.
        reason: String,
    },
    /// Tell the user: there is no space. Transactions before this one stay, and none is written in part.
    #[error(
        "the online store at {path} has no space left ({reason}): free some space and run this again, which goes on from what is written"
    )]
    Full {
        /// Where the store is.
        path: PathBuf,
        /// What was full.
        reason: String,
    },
    /// Tell the user: the store cannot be opened or used as it is.
    #[error("the online store at {path} cannot be used: {reason}")]
    Unusable {
        /// Where the store is.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Tell the user: the location names no store.
    #[error(
        "`{url}` is no online store: write it as embedded://path, redis://host:port, redis+cluster://host:port,host:port or redis+sentinel://host:port/master (rediss for TLS)"
    )]
    Url {
        /// What was given, without a password.
        url: String,
    },
    /// Upgrade: what lies there was written by a newer release.
    #[error(
        "{what} has format {found} and this release reads up to {known}: use the release that wrote it, or a newer one"
    )]
    Newer {
        /// The store or the row.
        what: String,
        /// Its format.
        found: u32,
        /// The newest format known here.
        known: u32,
    },
    /// Rebuild: the bytes are not a valid packed row of the view.
    #[error(
        "a packed row of {view} is damaged ({what}): rebuild the view's online rows, which writes them again from the log"
    )]
    Damaged {
        /// The view.
        view: VersionId,
        /// What does not hold.
        what: &'static str,
    },
    /// Rebuild: the row of one entity is not what was written. Others are read on.
    #[error(
        "the online row of {view} under the key {} is damaged ({what}): rebuild the view's online rows, which writes it again from the log",
        .key.as_bytes().escape_ascii()
    )]
    DamagedRow {
        /// The view.
        view: VersionId,
        /// The entity.
        key: EntityKey,
        /// What does not hold.
        what: &'static str,
    },
    /// Rebuild: rows of the view were lost, so whether an entity that is not there ever was is not known.
    #[error(
        "the online store has lost rows of {view}, so that an entity that it does not find may have been there: rebuild the view's online rows, which writes them again from the log"
    )]
    LostRows {
        /// The view.
        view: VersionId,
    },
    /// Rebuild: the store answers and has lost everything, as a server that was restarted without its data.
    #[error(
        "the online store at {location} has lost its rows, as even the note of whose they are is gone: rebuild the online store, which writes them again from the logs"
    )]
    Emptied {
        /// Where the store is.
        location: String,
    },
    /// Rebuild: the store's file is not what was written.
    #[error(
        "the online store's file {} is damaged ({what}): rebuild the online store, which puts the file aside and writes a new one from the log",
        .file.display()
    )]
    DamagedFile {
        /// The file.
        file: PathBuf,
        /// What does not hold.
        what: String,
    },
    /// Dead-letter: the row is larger than any store takes.
    #[error("a packed row of {view} would take {bytes} bytes, more than the {max} that a row may have: shorten its values or its windows", max = crate::MAX_ROW_BYTES)]
    TooLarge {
        /// The view.
        view: VersionId,
        /// How many bytes the row would take.
        bytes: usize,
    },
}

impl OnlineError {
    /// What a caller does next.
    pub const fn advice(&self) -> Advice {
        match self {
            OnlineError::Unavailable { .. } | OnlineError::Full { .. } => Advice::Retry,
            OnlineError::Url { .. } | OnlineError::Unusable { .. } | OnlineError::Newer { .. } => {
                Advice::Correct
            }
            OnlineError::Damaged { .. }
            | OnlineError::DamagedRow { .. }
            | OnlineError::LostRows { .. }
            | OnlineError::Emptied { .. }
            | OnlineError::DamagedFile { .. }
            | OnlineError::TooLarge { .. } => Advice::Stop,
        }
    }

    /// The operation that ends the error, if there is one.
    pub fn help(&self) -> Option<HelpTopic> {
        match self {
            OnlineError::Damaged { view, .. }
            | OnlineError::DamagedRow { view, .. }
            | OnlineError::LostRows { view } => Some(HelpTopic::Rebuild(view.clone())),
            OnlineError::Emptied { .. } | OnlineError::DamagedFile { .. } => Some(HelpTopic::RebuildAll),
            _ => None,
        }
    }

    /// Whether the store answers, and what it has of this is not what was written or not for this release:
    /// other entities are read on.
    pub const fn is_of_rows(&self) -> bool {
        matches!(
            self,
            OnlineError::Damaged { .. }
                | OnlineError::DamagedRow { .. }
                | OnlineError::LostRows { .. }
                | OnlineError::Newer { .. }
                | OnlineError::TooLarge { .. }
        )
    }
}
