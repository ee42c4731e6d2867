//! Faults of a server: the same request may be answered later, or an operator has to look.

use std::io;
use std::net::SocketAddr;

use feature::{Advice, HelpTopic, Name, VersionId};
use online::OnlineError;
use read::ReadFailure;
use thiserror::Error;

use crate::code::Code;

/// Why a server does not answer a request that can be answered. The message says what and where,
/// [`ServerFault::help`] what to do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServerFault {
    /// The features were not read.
    #[error(transparent)]
    Read(#[from] ReadFailure),
    /// Streams are so far behind that nothing more is taken.
    #[error("nothing was pushed into the source `{source_name}`: {why}")]
    Full {
        /// The source.
        source_name: Name,
        /// What is full.
        why: String,
    },
    /// Nothing was taken, and it may be pushed again.
    #[error("nothing was pushed into the source `{source_name}`: {why}")]
    NotTaken {
        /// The source.
        source_name: Name,
        /// Why.
        why: String,
    },
    /// What was taken before cannot be read any more.
    #[error("nothing was pushed into the source `{source_name}`: {why}")]
    DamagedTopic {
        /// The source.
        source_name: Name,
        /// What is damaged.
        why: String,
    },
    /// The rows of a push were not on disk in time; nobody knows yet whether they will be.
    #[error("the rows for the source `{source_name}` were not durable in time, and may be taken yet")]
    Unsure {
        /// The source.
        source_name: Name,
    },
    /// The rows of a push are durable, but could not be read in time.
    #[error("the rows are durable in the source `{source_name}`, but {view} does not show them yet: {why}")]
    NotReadable {
        /// The source.
        source_name: Name,
        /// A view that does not have them.
        view: VersionId,
        /// Why.
        why: String,
    },
    /// The server is answering as many requests as it takes on.
    #[error("the server is answering {limit} requests already and {waiting} wait, as many as it takes on")]
    Busy {
        /// How many it answers at once.
        limit: usize,
        /// How many may wait beside them.
        waiting: usize,
    },
    /// Requests come faster than they are answered.
    #[error(
        "the server is overloaded: a request waited longer than the {millis} ms that it may wait for others"
    )]
    Queued {
        /// How long one waits at most.
        millis: u128,
    },
    /// Other requests hold all the memory that there is for them.
    #[error("the server holds as many bytes of other requests as it takes on, {limit}")]
    NoSpace {
        /// How many bytes it holds at once.
        limit: usize,
    },
    /// The answer took too long.
    #[error("the answer was not there within {millis} ms")]
    Late {
        /// How long it was waited for.
        millis: u128,
    },
    /// What was read was edited or removed meanwhile, and is not served any more in a moment.
    #[error("nothing is answered: {why}")]
    Moved {
        /// What moved.
        why: String,
    },
    /// Something has failed that cannot fail; the server goes on.
    #[error("the request could not be answered: {0}")]
    Broken(String),
    /// An address cannot be listened on.
    #[error("{address} cannot be listened on: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A part of the server has ended of itself.
    #[error("the server has stopped: {0}")]
    Stopped(String),
}

impl ServerFault {
    /// What the caller does next.
    pub const fn code(&self) -> Code {
        match self {
            ServerFault::Read(ReadFailure::Store(error)) if !error.is_of_rows() => Code::Unavailable,
            ServerFault::NotTaken { .. } | ServerFault::Moved { .. } => Code::Unavailable,
            ServerFault::Read(ReadFailure::GivenUp) => Code::DeadlineExceeded,
            ServerFault::Busy { .. }
            | ServerFault::Queued { .. }
            | ServerFault::NoSpace { .. }
            | ServerFault::Full { .. } => Code::Overloaded,
            ServerFault::Late { .. } | ServerFault::Unsure { .. } => Code::DeadlineExceeded,
            ServerFault::NotReadable { .. } => Code::FailedPrecondition,
            ServerFault::Read(_)
            | ServerFault::Broken(_)
            | ServerFault::DamagedTopic { .. }
            | ServerFault::Bind { .. }
            | ServerFault::Stopped(_) => Code::Internal,
        }
    }

    /// What a caller does next.
    pub const fn advice(&self) -> Advice {
        match self {
            ServerFault::Read(ReadFailure::Store(error)) => error.advice(),
            ServerFault::Bind { .. } | ServerFault::NotReadable { .. } => Advice::Correct,
            // Sent again, its rows might be there twice.
            ServerFault::Unsure { .. } => Advice::Stop,
            _ => match self.code() {
                Code::Internal => Advice::Stop,
                _ => Advice::Retry,
            },
        }
    }

    /// The operation that ends the error, if there is one.
    pub fn help_topic(&self) -> Option<HelpTopic> {
        match self {
            ServerFault::Read(ReadFailure::Store(error)) => error.help(),
            _ => None,
        }
    }

    /// What to do, in half a sentence.
    pub fn help(&self) -> String {
        match self {
            ServerFault::Read(ReadFailure::Store(OnlineError::Emptied { .. })) => {
                "rebuild the online rows of all views from their logs"
            }
            ServerFault::Read(ReadFailure::Store(_)) => "verify the stores of the project",
            ServerFault::Read(ReadFailure::Evaluate { .. }) => {
                "plan its definitions again, which checks the expressions"
            }
            ServerFault::Read(_) | ServerFault::Broken(_) => "report it with the request that shows it",
            ServerFault::Full { .. } | ServerFault::NotTaken { .. } => "push the rows again a little later",
            ServerFault::DamagedTopic { .. } => "look after the disk, and restore the topic's folder",
            ServerFault::Unsure { .. } => {
                "look whether the rows are there before you push them again: twice counts twice"
            }
            ServerFault::NotReadable { .. } => "do not push them again; look after the stream of the view",
            ServerFault::Busy { .. } | ServerFault::Queued { .. } | ServerFault::NoSpace { .. } => {
                "ask again a little later, or run one more server"
            }
            ServerFault::Late { .. } => "ask again, for fewer entities at once",
            ServerFault::Moved { .. } => "ask again: the server takes it on within a second",
            ServerFault::Bind { .. } => {
                "name a free address with `serve.grpc` and `serve.http` in twinstore.toml"
            }
            ServerFault::Stopped(_) => "start it again",
        }
        .to_owned()
    }
}
