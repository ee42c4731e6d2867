//! Faults of a request: the same request is refused again until its caller corrects it.

use feature::{HelpTopic, Name, VersionId, excerpt, nearest};
use read::RequestError;
use thiserror::Error;

use crate::code::Code;
use crate::push::RefusedRow;

/// What is wrong with a request. The message says what and where, [`RequestFault::help`] what to do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RequestFault {
    /// It does not fit the service that it is for.
    #[error(transparent)]
    Read(#[from] RequestError),
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
    /// The body of the request comes too slowly.
    #[error("the body of the request did not arrive in time: {bytes} bytes of it are there")]
    SlowBody {
        /// How many bytes arrived.
        bytes: usize,
    },
    /// The request is too large.
    #[error("the request has more than the {limit} bytes that one request may have")]
    TooManyBytes {
        /// How many bytes there may be.
        limit: usize,
    },
}

impl RequestFault {
    /// What the caller does next.
    pub const fn code(&self) -> Code {
        match self {
            RequestFault::Read(RequestError::TooManyEntities { .. } | RequestError::TooManyNames { .. })
            | RequestFault::TooManyBytes { .. }
            | RequestFault::TooManyRows { .. } => Code::ResourceExhausted,
            RequestFault::Read(RequestError::TooEarly { .. } | RequestError::BreakerClosed { .. })
            | RequestFault::NotPushable { .. }
            | RequestFault::OtherThanTrained { .. } => Code::FailedPrecondition,
            RequestFault::Read(_)
            | RequestFault::Malformed(_)
            | RequestFault::MalformedPush(_)
            | RequestFault::NotAReference(_)
            | RequestFault::Collision(_)
            | RequestFault::Apart(_)
            | RequestFault::MisfitRows { .. } => Code::InvalidArgument,
            RequestFault::UnknownService { .. }
            | RequestFault::Retired { .. }
            | RequestFault::UnknownView { .. }
            | RequestFault::UnknownFeature { .. }
            | RequestFault::UnknownSource { .. }
            | RequestFault::UnknownRoute(_) => Code::NotFound,
            RequestFault::NotHere(_) => Code::Unimplemented,
            RequestFault::SlowBody { .. } => Code::DeadlineExceeded,
        }
    }

    /// The operation that ends the error, if there is one.
    pub fn help_topic(&self) -> Option<HelpTopic> {
        match self {
            RequestFault::Read(RequestError::TooEarly { .. } | RequestError::BreakerClosed { .. }) => {
                Some(HelpTopic::TrainingSet)
            }
            RequestFault::Read(RequestError::Misfit { service, .. }) => {
                Some(HelpTopic::ShowRegistered(service.to_string()))
            }
            RequestFault::MisfitRows { source_name, .. } => {
                Some(HelpTopic::ShowRegistered(source_name.to_string()))
            }
            RequestFault::UnknownFeature { view, .. } => Some(HelpTopic::ShowRegistered(view.to_string())),
            RequestFault::UnknownService { .. }
            | RequestFault::UnknownView { .. }
            | RequestFault::UnknownSource { .. } => Some(HelpTopic::ListRegistered),
            _ => None,
        }
    }

    /// What to do, in half a sentence.
    pub fn help(&self) -> String {
        match self {
            RequestFault::Read(RequestError::TooManyEntities { .. }) => {
                "split the entities over several requests".to_owned()
            }
            RequestFault::Read(RequestError::TooEarly { .. } | RequestError::BreakerClosed { .. }) => {
                "ask for a later moment, or build a training set, which reads the offline store".to_owned()
            }
            RequestFault::Read(RequestError::Misfit { service, .. }) => {
                format!("the registered definition of {service} lists what the service takes and gives")
            }
            RequestFault::Read(_) => "correct the request".to_owned(),
            RequestFault::MalformedPush(_) => {
                "write it as {\"source\": \"name\", \"rows\": [{\"column\": \"a\"}]}".to_owned()
            }
            RequestFault::Malformed(_) => {
                r#"write it as {"service": "name", "entities": {"key": ["a", "b"]}}"#.to_owned()
            }
            RequestFault::UnknownService { .. } => "the registry lists all services".to_owned(),
            RequestFault::Retired { .. } => {
                "ask for another version, or by the service's own name".to_owned()
            }
            RequestFault::OtherThanTrained { same: Some(same), .. } => {
                format!("ask for {same}, which has it")
            }
            RequestFault::OtherThanTrained { service, .. } => {
                format!("no version of {} that is served has it: train the model on one", service.name)
            }
            RequestFault::UnknownView { .. } => "the registry lists all views".to_owned(),
            RequestFault::UnknownSource { .. } => "the registry lists all sources".to_owned(),
            RequestFault::NotPushable { .. } => {
                "the registry lists all sources; rows of history are materialized".to_owned()
            }
            RequestFault::MisfitRows { source_name, .. } => {
                format!("the registered definition of {source_name} lists its columns")
            }
            RequestFault::TooManyRows { .. } => "split the rows over several pushes".to_owned(),
            RequestFault::UnknownFeature { view, .. } => {
                format!("the registered definition of {view} lists its features")
            }
            RequestFault::NotAReference(_) => "write it as `view:feature` or `view@2:feature`".to_owned(),
            RequestFault::Collision(_) => "ask with `full_feature_names`".to_owned(),
            RequestFault::Apart(_) => "ask for them in several requests, or define a service".to_owned(),
            RequestFault::NotHere(_) => {
                "load rows by a backfill, by materializing them, or from a stream".to_owned()
            }
            RequestFault::UnknownRoute(_) => "use POST /v1/features, POST /v1/push or GET /health".to_owned(),
            RequestFault::TooManyBytes { .. } => "split it into several requests".to_owned(),
            RequestFault::SlowBody { .. } => "send it at once, and faster than 64 KiB a second".to_owned(),
        }
    }

    /// That there is no such view; a text that is no slip of a name is shortened, and nothing is near.
    pub(crate) fn unknown_view<'a>(view: &str, names: impl IntoIterator<Item = &'a str>) -> Self {
        const LONGEST_CHARS: usize = 80;
        let name = view.split('@').next().unwrap_or(view);
        let nearest = nearest(name, names).map(str::to_owned);
        RequestFault::UnknownView { view: excerpt(view, LONGEST_CHARS).into_owned(), nearest }
    }

    /// That columns of a push do not fit its source. Problems are named as long as clients take the message: some
    /// take no headers of more than 8 KiB.
    pub(crate) fn misfit_rows(source: &Name, problems: Vec<String>) -> Self {
        RequestFault::MisfitRows {
            source_name: source.clone(),
            problems: as_many_as_fit(problems),
            refused: Vec::new(),
        }
    }

    /// That no row of a push can be taken.
    pub(crate) fn no_good_row(source: &Name, rows: Vec<RefusedRow>) -> Self {
        let problems = rows.iter().map(RefusedRow::sentence).collect();
        RequestFault::MisfitRows {
            source_name: source.clone(),
            problems: as_many_as_fit(problems),
            refused: rows,
        }
    }
}

/// Problems, as many as fit into a message, and how many more there are.
fn as_many_as_fit(mut problems: Vec<String>) -> Vec<String> {
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
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_push_names_rows_as_long_as_clients_take_the_message_and_counts_the_others() {
        let source = "clicks".parse().unwrap();
        let message = |row: &str, rows: usize| {
            RequestFault::misfit_rows(&source, vec![row.to_owned(); rows]).to_string()
        };
        assert!(message("short", 20).ends_with("short"), "{}", message("short", 20));
        assert!(message("short", 25).ends_with("; and 5 more"), "{}", message("short", 25));
        for length in [1000, 10_000] {
            let message = message(&"x".repeat(length), 20);
            assert!(message.len() < 5000 && message.contains(" more"), "{message}");
        }
    }
}
