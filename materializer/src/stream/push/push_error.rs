//! What can go wrong with a topic on disk.

use std::io;
use std::path::Path;

use feature::{Advice, HelpTopic};
use thiserror::Error;

use super::frame::MAX_RECORD_BYTES;

/// Bytes of all segments: beyond them nothing is accepted until streams have caught up.
pub(super) const MAX_BYTES: u64 = 4 << 30;

/// What can go wrong with a topic on disk.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PushError {
    /// Another process appends to it.
    #[error("another process pushes to `{path}` just now: push again, or through that process")]
    Locked {
        /// The topic's folder.
        path: String,
    },
    /// Too many pushes at once.
    #[error("as many push to `{path}` already as it takes on at once: push again a little later")]
    Busy {
        /// The topic's folder.
        path: String,
    },
    /// Streams are far behind.
    #[error(
        "`{path}` holds {MAX_BYTES} bytes that not all streams have read: wait until they are followed and have caught up"
    )]
    Full {
        /// The topic's folder.
        path: String,
    },
    /// A record that is too long.
    #[error("a record of {bytes} bytes is longer than the {MAX_RECORD_BYTES} that a record may have")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// A file that is no part of a topic, or of a newer version. It is left as it is.
    #[error(
        "`{path}` is damaged or of a newer version of twinstore: {why}; nothing was changed in it: restore it from a copy, and push again then"
    )]
    Damaged {
        /// The file.
        path: String,
        /// What does not hold.
        why: String,
    },
    /// The file `end` of a topic cannot be read. Its rows are safe, and the next push writes it again.
    #[error("`{path}` {why}: push a row, which writes the file again from the segments beside it")]
    End {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The disk failed.
    #[error("`{path}`: {error}")]
    Disk {
        /// The file or folder.
        path: String,
        /// What failed.
        #[source]
        error: io::Error,
    },
}

impl PushError {
    /// What a caller does next.
    pub fn advice(&self) -> Advice {
        match self {
            Self::Locked { .. } | Self::Busy { .. } | Self::Full { .. } | Self::Disk { .. } => Advice::Retry,
            Self::TooLong { .. } => Advice::Correct,
            Self::End { .. } | Self::Damaged { .. } => Advice::Stop,
        }
    }

    /// The operation that ends the error, if there is one.
    pub fn help(&self) -> Option<HelpTopic> {
        match self {
            Self::Full { .. } => Some(HelpTopic::FollowStreams),
            _ => None,
        }
    }

    pub(super) fn disk(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |error| PushError::Disk { path: path.display().to_string(), error }
    }
}
