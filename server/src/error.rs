//! Why features are not served: a fault of the request, which its caller corrects, or of the server.

use std::time::Duration;

use feature::{Advice, HelpTopic, Name};
use read::{ReadError, ReadFailure, RequestError};
use thiserror::Error;

use crate::access_fault::AccessFault;
use crate::code::Code;
use crate::push::{RefusedRow, SinkError};
use crate::request_fault::RequestFault;
use crate::server_fault::ServerFault;

/// Why features are not served. The message says what and where, [`ServeError::help`] what to do.
#[derive(Debug, Error)]
pub enum ServeError {
    /// Correct the request.
    #[error(transparent)]
    Request(#[from] RequestFault),
    /// Ask again later, or tell the operator.
    #[error(transparent)]
    Server(#[from] ServerFault),
    /// Show who you are, have it allowed, or ask for less.
    #[error(transparent)]
    Access(#[from] AccessFault),
}

impl From<ReadError> for ServeError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Request(error) => error.into(),
            ReadError::Failed(error) => error.into(),
        }
    }
}

impl From<RequestError> for ServeError {
    fn from(error: RequestError) -> Self {
        RequestFault::from(error).into()
    }
}

impl From<ReadFailure> for ServeError {
    fn from(error: ReadFailure) -> Self {
        ServerFault::from(error).into()
    }
}

impl ServeError {
    /// What the caller does next.
    pub const fn code(&self) -> Code {
        match self {
            ServeError::Request(fault) => fault.code(),
            ServeError::Server(fault) => fault.code(),
            ServeError::Access(fault) => fault.code(),
        }
    }

    /// What a caller does next.
    pub const fn advice(&self) -> Advice {
        match self {
            ServeError::Request(_) => Advice::Correct,
            ServeError::Server(fault) => fault.advice(),
            ServeError::Access(AccessFault::OverQuota { .. }) => Advice::Retry,
            ServeError::Access(_) => Advice::Correct,
        }
    }

    /// The operation that ends the error, if there is one.
    pub fn help_topic(&self) -> Option<HelpTopic> {
        match self {
            ServeError::Request(fault) => fault.help_topic(),
            ServeError::Server(fault) => fault.help_topic(),
            ServeError::Access(_) => None,
        }
    }

    /// What to do, in half a sentence.
    pub fn help(&self) -> String {
        match self {
            ServeError::Request(fault) => fault.help(),
            ServeError::Server(fault) => fault.help(),
            ServeError::Access(fault) => fault.help(),
        }
    }

    /// How long to wait before the same request is sent again, where that helps.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        /// Of a server that has too much to do.
        const BUSY: Duration = Duration::from_secs(1);
        match self {
            ServeError::Access(AccessFault::OverQuota { wait, .. }) => Some(*wait),
            error => (error.code() == Code::Overloaded).then_some(BUSY),
        }
    }

    /// The rows that were refused, where each is by itself.
    pub(crate) fn refused(&self) -> &[RefusedRow] {
        match self {
            ServeError::Request(RequestFault::MisfitRows { refused, .. }) => refused,
            _ => &[],
        }
    }

    /// Why whoever makes rows durable did not.
    pub(crate) fn from_sink(source: &Name, error: SinkError) -> Self {
        let source_name = source.clone();
        match error {
            SinkError::Full(why) => ServerFault::Full { source_name, why }.into(),
            SinkError::NotTaken(why) => ServerFault::NotTaken { source_name, why }.into(),
            SinkError::TooLong(why) => RequestFault::misfit_rows(&source_name, vec![why]).into(),
            SinkError::Damaged(why) => ServerFault::DamagedTopic { source_name, why }.into(),
        }
    }

    /// Message and help in one sentence: what, where, what to do.
    pub fn sentence(&self) -> String {
        match self {
            // A store says for itself what to do, and why nothing can be pushed ends with it.
            ServeError::Server(ServerFault::Read(ReadFailure::Store(_)))
            | ServeError::Request(RequestFault::NotPushable { .. }) => self.to_string(),
            error => format!("{error}: {}", error.help()),
        }
    }
}
