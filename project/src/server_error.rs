//! What goes wrong between a client and a server: no connection, a request that cannot be sent, a refusal, an answer that
//! cannot be read, and a push of which nobody knows whether it was taken.

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;

use feature::{Advice, HelpTopic};
use thiserror::Error;
use tonic::{Code, Status};

/// Why a server gave no answer, or not the one that was requested.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The project is being served, and the note of it is not readable.
    #[error("{} holds no address of a server", .file.display())]
    NoServerAddress {
        /// The note.
        file: PathBuf,
    },
    /// No client for HTTP can be made.
    #[error("no connection can be made: {0}")]
    NoClient(#[source] reqwest::Error),
    /// No server answers.
    #[error("no server answers at {address} ({source})")]
    Unreachable {
        /// Where it was looked for.
        address: String,
        /// Why it was not found.
        source: Box<tonic::transport::Error>,
    },
    /// A column of a request cannot be sent.
    #[error("the column `{column}` {why}")]
    MisfitColumn {
        /// The column.
        column: String,
        /// What is wrong with it.
        why: String,
    },
    /// The connection to a server broke while it was to answer.
    #[error("the connection to the server at {address} was lost ({}): call again once it answers", .status.message())]
    Disconnected {
        /// The server.
        address: String,
        /// What happened.
        #[source]
        status: Box<Status>,
    },
    /// A server does not know the request.
    #[error(
        "the server at {address} does not know this request ({}): name the gRPC address of a server of this version",
        .status.message()
    )]
    OtherServer {
        /// The server.
        address: String,
        /// What it said.
        #[source]
        status: Box<Status>,
    },
    /// A server refused the request; its message says why.
    #[error("{}", .status.message())]
    Refused {
        /// What it said.
        #[source]
        status: Box<Status>,
    },
    /// A server's answer cannot be understood.
    #[error("the answer of the server at {address} cannot be read: {source}")]
    UnreadableAnswer {
        /// The server.
        address: String,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The server to which rows are pushed does not answer as it should.
    #[error("the server at {address}: {source}: push again once it answers")]
    PushFailed {
        /// The server.
        address: SocketAddr,
        /// What happened.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Nobody knows whether the rows of a push were taken.
    #[error(
        "the server at {address} may have taken the rows or not ({source}): look whether they are there before they are pushed again"
    )]
    PushUnknown {
        /// The server.
        address: String,
        /// What happened.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The server refuses the push.
    #[error("the server at {address}: {message}: {help}")]
    PushRefused {
        /// The server.
        address: SocketAddr,
        /// What the caller does next.
        advice: Advice,
        /// Why.
        message: String,
        /// What to do.
        help: String,
    },
}

impl ServerError {
    /// Whether the same call may succeed later, or once something is corrected, or must not be repeated.
    pub fn advice(&self) -> Advice {
        match self {
            Self::Unreachable { .. } | Self::Disconnected { .. } | Self::PushFailed { .. } => Advice::Retry,
            // Sent again, its rows might be there twice.
            Self::PushUnknown { .. } | Self::UnreadableAnswer { .. } | Self::NoClient(_) => Advice::Stop,
            Self::PushRefused { advice, .. } => *advice,
            Self::Refused { status } => match status.code() {
                Code::Unavailable | Code::DeadlineExceeded | Code::Aborted => Advice::Retry,
                Code::ResourceExhausted if is_busy(status) => Advice::Retry,
                Code::Internal | Code::DataLoss | Code::Unknown => Advice::Stop,
                _ => Advice::Correct,
            },
            _ => Advice::Correct,
        }
    }

    /// The operation that helps, where the message does not say it all.
    pub(crate) fn help(&self) -> Option<HelpTopic> {
        match self {
            Self::Unreachable { .. } => Some(HelpTopic::Serve),
            Self::NoServerAddress { .. } => Some(HelpTopic::ServeAgain),
            _ => None,
        }
    }
}

/// Whether a server that has too much to do says when to come back (gRFC A6): what is too large it would refuse again.
pub(crate) fn is_busy(status: &Status) -> bool {
    const PUSHBACK: &str = "grpc-retry-pushback-ms";
    status.metadata().get(PUSHBACK).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_is_not_sent_again_and_what_is_too_much_is() {
        let refused = |busy: bool| {
            let mut status = Status::resource_exhausted("no");
            if busy {
                status.metadata_mut().insert("grpc-retry-pushback-ms", "1000".parse().unwrap());
            }
            ServerError::Refused { status: Box::new(status) }.advice()
        };
        assert_eq!((refused(true), refused(false)), (Advice::Retry, Advice::Correct));
    }
}
