//! Why features are not served, grouped by what the caller does next.

use std::io;
use std::net::SocketAddr;

use feature::{Advice, HelpTopic, Name, VersionId, excerpt, nearest};
use read::ReadError;
use thiserror::Error;

use crate::push::{RefusedRow, SinkError};

/// Why features are not served. The message says what and where, [`ServeError::help`] what to do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The features cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The request cannot be read.
    #[error("the request cannot be read: {0}")]
    Malformed(String),
    /// The push cannot be read.
    #[error("the push cannot be read: {0}")]
    MalformedPush(String),
    /// There is no such service.
    #[error("there is no service `{service}`{}", nearest.as_ref().map(|name| format!(", but there is `{name}`")).unwrap_or_default())]
    UnknownService {
        /// What was requested.
        service: String,
        /// What may have been meant.
        nearest: Option<String>,
    },
    /// The version of the service is not answered any more.
    #[error("{service} was {how}, and is not served any more")]
    Retired {
        /// What was requested.
        service: String,
        /// When it was retired, and why.
        how: String,
    },
    /// The model was trained on another version than the one that answers.
    #[error(
        "{service} is not what the model was trained on: its hash is {hash}, and that of the training set {trained_on}"
    )]
    OtherThanTrained {
        /// The version that would answer.
        service: VersionId,
        /// Its semantic hash.
        hash: String,
        /// That of the training set's manifest.
        trained_on: String,
        /// The version that gives what the model was trained on.
        same: Option<VersionId>,
    },
    /// There is no such view.
    #[error("there is no view `{view}`{}", nearest.as_ref().map(|name| format!(", but there is `{name}`")).unwrap_or_default())]
    UnknownView {
        /// What was requested.
        view: String,
        /// What may have been meant.
        nearest: Option<String>,
    },
    /// The view has no such feature.
    #[error("{view} has no feature `{feature}`{}", nearest.as_ref().map(|name| format!(", but it has `{name}`")).unwrap_or_default())]
    UnknownFeature {
        /// The view that was found.
        view: VersionId,
        /// What was requested.
        feature: String,
        /// What may have been meant.
        nearest: Option<String>,
    },
    /// There is no such source.
    #[error("there is no source `{source_name}`{}", nearest.as_ref().map(|name| format!(", but there is `{name}`")).unwrap_or_default())]
    UnknownSource {
        /// What was requested.
        source_name: String,
        /// What may have been meant.
        nearest: Option<String>,
    },
    /// Rows cannot be pushed into this source.
    #[error("nothing can be pushed into the source `{source_name}`: {why}")]
    NotPushable {
        /// The source.
        source_name: Name,
        /// Why, and what to do.
        why: String,
    },
    /// None of the rows of a push can be taken; here is what is wrong with them.
    #[error("nothing was pushed into the source `{source_name}`: {}", problems.join("; "))]
    MisfitRows {
        /// The source.
        source_name: Name,
        /// One sentence for each problem, as many as fit into a message.
        problems: Vec<String>,
        /// The rows, where each is refused by itself.
        refused: Vec<RefusedRow>,
    },
    /// The push is too large.
    #[error("the push has {given} rows, more than the {limit} that one may have")]
    TooManyRows {
        /// How many there are.
        given: usize,
        /// How many there may be.
        limit: usize,
    },
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
    /// A text that is no feature of a view.
    #[error("`{0}` names no feature of a view")]
    NotAReference(String),
    /// Two columns of an answer would have one name.
    #[error("two columns of the answer would be called `{0}`")]
    Collision(String),
    /// Views cannot be read in one request.
    #[error("these views cannot be read in one request: {0}")]
    Apart(String),
    /// What other servers of its kind do here, this one does not.
    #[error("{0} is not done by this server")]
    NotHere(&'static str),
    /// The server answers nothing at this address.
    #[error("there is nothing at {0}")]
    UnknownRoute(String),
    /// The request is too large.
    #[error("the request has more than the {limit} bytes that one request may have")]
    TooManyBytes {
        /// How many bytes there may be.
        limit: usize,
    },
    /// The server is answering as many requests as it takes on.
    #[error("the server is answering {limit} requests already and {waiting} wait, as many as it takes on")]
    Busy {
        /// How many it answers at once.
        limit: usize,
        /// How many may wait beside them.
        waiting: usize,
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

/// What a caller does next, in words that gRPC and HTTP share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Code {
    /// Correct the request.
    InvalidArgument,
    /// Ask for something that exists.
    NotFound,
    /// Ask for another moment, or the offline store.
    FailedPrecondition,
    /// Ask for less at once.
    ResourceExhausted,
    /// Ask again later: the server is busy.
    Overloaded,
    /// Ask again later: the store is not there.
    Unavailable,
    /// Ask again later: the time was up.
    DeadlineExceeded,
    /// Ask somebody else: this is not done here.
    Unimplemented,
    /// Tell the operator.
    Internal,
}

impl Code {
    /// Each once, in the order of their declaration.
    pub(crate) const ALL: [Code; 9] = [
        Code::InvalidArgument,
        Code::NotFound,
        Code::FailedPrecondition,
        Code::ResourceExhausted,
        Code::Overloaded,
        Code::Unavailable,
        Code::DeadlineExceeded,
        Code::Unimplemented,
        Code::Internal,
    ];

    /// The name that HTTP shows.
    pub const fn name(self) -> &'static str {
        match self {
            Code::InvalidArgument => "INVALID_ARGUMENT",
            Code::NotFound => "NOT_FOUND",
            Code::FailedPrecondition => "FAILED_PRECONDITION",
            Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Code::Overloaded => "OVERLOADED",
            Code::Unavailable => "UNAVAILABLE",
            Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Code::Unimplemented => "UNIMPLEMENTED",
            Code::Internal => "INTERNAL",
        }
    }
}

const fn code_of(error: &ReadError) -> Code {
    match error {
        ReadError::Misfit { .. } => Code::InvalidArgument,
        ReadError::TooManyEntities { .. } => Code::ResourceExhausted,
        ReadError::TooEarly { .. } => Code::FailedPrecondition,
        ReadError::Store(error) if error.is_of_rows() => Code::Internal,
        ReadError::Store(_) => Code::Unavailable,
        _ => Code::Internal,
    }
}

fn help_of(error: &ReadError) -> String {
    match error {
        ReadError::Misfit { service, .. } => {
            format!("the registered definition of {service} lists what the service takes and gives")
        }
        ReadError::TooManyEntities { .. } => "split the entities over several requests".to_owned(),
        ReadError::TooEarly { .. } => {
            "ask for a later moment, or build a training set, which reads the offline store".to_owned()
        }
        ReadError::Store(_) => "verify the stores of the project".to_owned(),
        ReadError::Evaluate { .. } => "plan its definitions again, which checks the expressions".to_owned(),
        _ => "report it with the request that shows it".to_owned(),
    }
}

impl ServeError {
    /// What the caller does next.
    pub const fn code(&self) -> Code {
        match self {
            ServeError::Read(error) => code_of(error),
            ServeError::Malformed(_)
            | ServeError::MalformedPush(_)
            | ServeError::NotAReference(_)
            | ServeError::Collision(_)
            | ServeError::Apart(_)
            | ServeError::MisfitRows { .. } => Code::InvalidArgument,
            ServeError::UnknownService { .. }
            | ServeError::Retired { .. }
            | ServeError::UnknownView { .. }
            | ServeError::UnknownFeature { .. }
            | ServeError::UnknownSource { .. }
            | ServeError::UnknownRoute(_) => Code::NotFound,
            ServeError::NotHere(_) => Code::Unimplemented,
            ServeError::NotPushable { .. }
            | ServeError::NotReadable { .. }
            | ServeError::OtherThanTrained { .. } => Code::FailedPrecondition,
            ServeError::TooManyBytes { .. } | ServeError::TooManyRows { .. } => Code::ResourceExhausted,
            ServeError::Busy { .. } | ServeError::Full { .. } => Code::Overloaded,
            ServeError::NotTaken { .. } | ServeError::Moved { .. } => Code::Unavailable,
            ServeError::Late { .. } | ServeError::Unsure { .. } => Code::DeadlineExceeded,
            ServeError::Broken(_)
            | ServeError::DamagedTopic { .. }
            | ServeError::Bind { .. }
            | ServeError::Stopped(_) => Code::Internal,
        }
    }

    /// Whether the fault is the server's, and not the request's: the same request may be answered later, or an operator
    /// has to look.
    pub const fn is_of_server(&self) -> bool {
        matches!(self.code(), Code::Overloaded | Code::Unavailable | Code::DeadlineExceeded | Code::Internal)
    }

    /// What a caller does next.
    pub const fn advice(&self) -> Advice {
        match self {
            ServeError::Read(ReadError::Store(error)) => error.advice(),
            ServeError::Bind { .. } => Advice::Correct,
            // Sent again, its rows might be there twice.
            ServeError::Unsure { .. } => Advice::Stop,
            _ => match self.code() {
                Code::Overloaded | Code::Unavailable | Code::DeadlineExceeded => Advice::Retry,
                Code::Internal => Advice::Stop,
                _ => Advice::Correct,
            },
        }
    }

    /// The operation that ends the error, if there is one.
    pub fn help_topic(&self) -> Option<HelpTopic> {
        match self {
            ServeError::Read(ReadError::Store(error)) => error.help(),
            ServeError::Read(ReadError::TooEarly { .. }) => Some(HelpTopic::TrainingSet),
            ServeError::Read(ReadError::Misfit { service, .. }) => {
                Some(HelpTopic::ShowRegistered(service.to_string()))
            }
            ServeError::MisfitRows { source_name, .. } => {
                Some(HelpTopic::ShowRegistered(source_name.to_string()))
            }
            ServeError::UnknownFeature { view, .. } => Some(HelpTopic::ShowRegistered(view.to_string())),
            ServeError::UnknownService { .. }
            | ServeError::UnknownView { .. }
            | ServeError::UnknownSource { .. } => Some(HelpTopic::ListRegistered),
            _ => None,
        }
    }

    /// What to do, in half a sentence.
    pub fn help(&self) -> String {
        match self {
            ServeError::Read(error) => help_of(error),
            ServeError::MalformedPush(_) => {
                "write it as {\"source\": \"name\", \"rows\": [{\"column\": \"a\"}]}".to_owned()
            }
            ServeError::Malformed(_) => {
                r#"write it as {"service": "name", "entities": {"key": ["a", "b"]}}"#.to_owned()
            }
            ServeError::UnknownService { .. } => "the registry lists all services".to_owned(),
            ServeError::Retired { .. } => "ask for another version, or by the service's own name".to_owned(),
            ServeError::OtherThanTrained { same: Some(same), .. } => format!("ask for {same}, which has it"),
            ServeError::OtherThanTrained { service, .. } => {
                format!("no version of {} that is served has it: train the model on one", service.name)
            }
            ServeError::UnknownView { .. } => "the registry lists all views".to_owned(),
            ServeError::UnknownSource { .. } => "the registry lists all sources".to_owned(),
            ServeError::NotPushable { .. } => {
                "the registry lists all sources; rows of history are materialized".to_owned()
            }
            ServeError::MisfitRows { source_name, .. } => {
                format!("the registered definition of {source_name} lists its columns")
            }
            ServeError::TooManyRows { .. } => "split the rows over several pushes".to_owned(),
            ServeError::Full { .. } | ServeError::NotTaken { .. } => {
                "push the rows again a little later".to_owned()
            }
            ServeError::DamagedTopic { .. } => {
                "look after the disk, and restore the topic's folder".to_owned()
            }
            ServeError::Unsure { .. } => {
                "look whether the rows are there before you push them again: twice counts twice".to_owned()
            }
            ServeError::NotReadable { .. } => {
                "do not push them again; look after the stream of the view".to_owned()
            }
            ServeError::UnknownFeature { view, .. } => {
                format!("the registered definition of {view} lists its features")
            }
            ServeError::NotAReference(_) => "write it as `view:feature` or `view@2:feature`".to_owned(),
            ServeError::Collision(_) => "ask with `full_feature_names`".to_owned(),
            ServeError::Apart(_) => "ask for them in several requests, or define a service".to_owned(),
            ServeError::NotHere(_) => {
                "load rows by a backfill, by materializing them, or from a stream".to_owned()
            }
            ServeError::UnknownRoute(_) => "use POST /v1/features, POST /v1/push or GET /health".to_owned(),
            ServeError::TooManyBytes { .. } => "split it into several requests".to_owned(),
            ServeError::Busy { .. } => "ask again a little later, or run one more server".to_owned(),
            ServeError::Late { .. } => "ask again, for fewer entities at once".to_owned(),
            ServeError::Moved { .. } => "ask again: the server takes it on within a second".to_owned(),
            ServeError::Broken(_) => "report it with the request that shows it".to_owned(),
            ServeError::Bind { .. } => {
                "name a free address with `serve.grpc` and `serve.http` in twinstore.toml".to_owned()
            }
            ServeError::Stopped(_) => "start it again".to_owned(),
        }
    }

    /// That there is no such view; a text that is no slip of a name is shortened, and nothing is near.
    pub(crate) fn unknown_view<'a>(view: &str, names: impl IntoIterator<Item = &'a str>) -> Self {
        const LONGEST_CHARS: usize = 80;
        let name = view.split('@').next().unwrap_or(view);
        let nearest = nearest(name, names).map(str::to_owned);
        ServeError::UnknownView { view: excerpt(view, LONGEST_CHARS).into_owned(), nearest }
    }

    /// That columns of a push do not fit its source. Problems are named as long as clients take the message: some
    /// take no headers of more than 8 KiB.
    pub(crate) fn misfit_rows(source: &Name, mut problems: Vec<String>) -> Self {
        const MOST: usize = 20;
        const MOST_CHARS: usize = 4800;
        let mut chars = 0;
        let fit = |problem: &&String| {
            chars += problem.chars().count();
            chars <= MOST_CHARS
        };
        let named = problems.iter().take(MOST).take_while(fit).count().max(1);
        let more = problems.len().saturating_sub(named);
        problems.truncate(named);
        for problem in &mut problems {
            *problem = excerpt(problem, MOST_CHARS).into_owned();
        }
        problems.extend((more > 0).then(|| format!("and {more} more")));
        ServeError::MisfitRows { source_name: source.clone(), problems, refused: Vec::new() }
    }

    /// That no row of a push can be taken.
    pub(crate) fn no_good_row(source: &Name, rows: Vec<RefusedRow>) -> Self {
        let problems = rows.iter().map(RefusedRow::sentence).collect();
        match Self::misfit_rows(source, problems) {
            ServeError::MisfitRows { source_name, problems, .. } => {
                ServeError::MisfitRows { source_name, problems, refused: rows }
            }
            error => error,
        }
    }

    /// The rows that were refused, where each is by itself.
    pub(crate) fn refused(&self) -> &[RefusedRow] {
        match self {
            ServeError::MisfitRows { refused, .. } => refused,
            _ => &[],
        }
    }

    /// Why whoever makes rows durable did not.
    pub(crate) fn from_sink(source: &Name, error: SinkError) -> Self {
        let source_name = source.clone();
        match error {
            SinkError::Full(why) => ServeError::Full { source_name, why },
            SinkError::NotTaken(why) => ServeError::NotTaken { source_name, why },
            SinkError::TooLong(why) => ServeError::misfit_rows(&source_name, vec![why]),
            SinkError::Damaged(why) => ServeError::DamagedTopic { source_name, why },
        }
    }

    /// Message and help in one sentence: what, where, what to do.
    pub fn sentence(&self) -> String {
        match self {
            // A store says for itself what to do.
            ServeError::Read(ReadError::Store(error)) => error.to_string(),
            // Why nothing can be pushed ends with what to do.
            error @ ServeError::NotPushable { .. } => error.to_string(),
            error => format!("{error}: {}", error.help()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_push_names_rows_as_long_as_clients_take_the_message_and_counts_the_others() {
        let source = "clicks".parse().unwrap();
        let message =
            |row: &str, rows: usize| ServeError::misfit_rows(&source, vec![row.to_owned(); rows]).to_string();
        assert!(message("short", 20).ends_with("short"), "{}", message("short", 20));
        assert!(message("short", 25).ends_with("; and 5 more"), "{}", message("short", 25));
        for length in [1000, 10_000] {
            let message = message(&"x".repeat(length), 20);
            assert!(message.len() < 5000 && message.contains(" more"), "{message}");
        }
    }
}
