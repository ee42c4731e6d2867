//! What can go wrong with a registry, by what the caller does next.

use std::path::PathBuf;

use feature::{Advice, HelpTopic, Micros, Name, VersionId};
use thiserror::Error;

use crate::database::postgres_code::postgres_advice;
use crate::database::sqlite_code::sqlite_advice;
use crate::outline::outline_problem::OutlineProblem;
use crate::problem::Problems;

/// An error of the registry; [`RegistryError::advice`] says what a caller does next.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The name means nothing here: the caller names another.
    #[error("there is no {kind} `{name}`{hint}")]
    Unknown {
        /// What was looked for.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The nearest name, or all names.
        hint: String,
    },
    /// Nothing of the kind is registered: the caller registers definitions.
    #[error("there is no {kind} `{name}`: nothing of that kind is registered")]
    NoneRegistered {
        /// What was looked for.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// The name has several versions: the caller names one.
    #[error("`{name}` has several versions: name one of {versions}")]
    Several {
        /// The name.
        name: String,
        /// Its versions.
        versions: String,
    },
    /// The views cannot be read together: the caller reads them one by one.
    #[error("these views cannot be read together: {0}")]
    Apart(String),
    /// Two versions cannot be compared.
    #[error("{old} and {new} cannot be compared: {why}")]
    NotComparable {
        /// The one that is called the old one.
        old: String,
        /// The other one.
        new: String,
        /// Why.
        why: String,
    },
    /// The view's breaker is open: the caller closes it first.
    #[error("the circuit breaker of {view} is open since {since}: close it before it is opened again")]
    BreakerIsOpen {
        /// The view.
        view: VersionId,
        /// Since when.
        since: Micros,
    },
    /// An opening that was given up while it was prepared.
    #[error(
        "opening {number} of the circuit breaker of {view} does not hold: another was requested while it was prepared, or it was not heard of for too long, so the other one counts"
    )]
    OpeningGivenUp {
        /// The view.
        view: VersionId,
        /// The number of the opening.
        number: u32,
    },
    /// A view that cannot be removed while its breaker is open.
    #[error("{view} stays registered: its circuit breaker is open since {since}, so close it first")]
    HeldByBreaker {
        /// The view.
        view: VersionId,
        /// Since when.
        since: Micros,
    },
    /// The view's breaker is not open.
    #[error("the circuit breaker of {view} is not open")]
    BreakerIsClosed {
        /// The view.
        view: VersionId,
    },
    /// A backfill by dates of the view is to go on, or is over.
    #[error("backfill {number} of {view}, which was started{by} at {started_at}, is {state}")]
    BackfillOpen {
        /// The view.
        view: VersionId,
        /// Which.
        number: u64,
        /// How far it is.
        state: &'static str,
        /// Who started it, as in ` by ann`; empty if that is not known.
        by: String,
        /// When.
        started_at: Micros,
    },
    /// The view has no backfill by dates.
    #[error("{view} has no backfill by dates")]
    NoBackfill {
        /// The view.
        view: VersionId,
    },
    /// Files of which no definitions can be made: the caller shows what each lacks.
    #[error("{}", lines(.0))]
    Outline(Vec<OutlineProblem>),
    /// A Feast repository of which no definitions can be made: the caller corrects it.
    #[error("the Feast repository cannot be read: {0}")]
    Feast(String),
    /// The plan holds changes that are refused: the caller shows them.
    #[error("nothing was applied:\n{0}")]
    Refused(Problems),
    /// A version was used after the plan was made: the caller plans again.
    #[error("{what} was used since this plan was made (by {by}), and never changes from now on")]
    Used {
        /// Which version.
        what: String,
        /// What used it.
        by: String,
    },
    /// What the caller works with is not what is registered any more: the caller begins again.
    #[error("{what} was {how} since it was read here: run this again")]
    Moved {
        /// Which version.
        what: String,
        /// Edited, removed or retired.
        how: &'static str,
    },
    /// The name means several definitions: the caller names one.
    #[error("`{name}` means {several}: write name@version")]
    SeveralKinds {
        /// The name.
        name: String,
        /// What it means.
        several: String,
    },
    /// It is used or read by others, and stays: the caller shows why.
    #[error("{what} is not removed: {why}")]
    Kept {
        /// Which definition.
        what: String,
        /// Why, and what to do.
        why: String,
    },
    /// There are as many tokens as there may be: the caller revokes some.
    #[error("there are {limit} tokens, as many as there may be: revoke those that nobody needs")]
    TooManyTokens {
        /// How many there may be.
        limit: usize,
    },
    /// Another apply came between: the caller plans again.
    #[error("the registry changed since this plan was made")]
    Stale,
    /// A service is not answered otherwise: the caller names another version or share.
    #[error("{to} is not made to answer: {why}")]
    NotMoved {
        /// The version that was to answer.
        to: VersionId,
        /// Why, and what to do.
        why: String,
    },
    /// The version is not used any more: the caller uses another.
    #[error("{what} was {how}, and is not used any more{others}")]
    Retired {
        /// Which version.
        what: String,
        /// When it was retired, and why.
        how: String,
        /// Which versions there are.
        others: String,
    },
    /// Something still needs the version: the caller shows what.
    #[error("{what} is not retired: {why}")]
    NotRetired {
        /// Which version.
        what: String,
        /// What needs it, and what to do.
        why: String,
    },
    /// Nothing that was live before is there to return to: the caller names a version to cut over to.
    #[error(
        "{live} is live, and what was live before it was retired ({retired}): name the version to cut over to"
    )]
    VersionBeforeRetired {
        /// The version that is live.
        live: VersionId,
        /// The retired versions of the service.
        retired: String,
    },
    /// There is nothing to return to: the caller names a version to cut over to.
    #[error("{live} is live, and there is no cutover left to take back: {}", next_move(.others))]
    NoVersionBefore {
        /// The live version.
        live: VersionId,
        /// The other versions of the service.
        others: Vec<VersionId>,
    },
    /// Another change came between: the caller checks the gates again.
    #[error("the registry changed while the gates of {service} were checked: run this again")]
    ChangedMeanwhile {
        /// The service.
        service: Name,
    },
    /// The registry was written by a newer version: the caller upgrades.
    #[error(
        "the registry {url} was written by a newer twinstore (schema {found}, this one knows {known}): upgrade twinstore"
    )]
    Newer {
        /// Where it lies.
        url: String,
        /// The schema that it has.
        found: i64,
        /// The newest schema that this version reads.
        known: i64,
    },
    /// The address is none that this version opens: the caller changes it.
    #[error("`{}` is no registry: {reason}", feature::redacted(.url))]
    Address {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Something registered cannot be read: the caller stops.
    #[error("the registered {what} cannot be read: {reason}; restore the registry from a backup")]
    Damaged {
        /// Which definition.
        what: String,
        /// Why.
        reason: String,
    },
    /// The registry's file is not where it was opened: the caller opens it again once it is there.
    #[error("the registry's file {} is not there any more, or is another: put it back", .file.display())]
    Gone {
        /// The file.
        file: PathBuf,
    },
    /// The registry's files were replaced while a change was written: the caller looks whether it is there.
    #[error(
        "the registry's file {} or its write-ahead log was removed or replaced while a change was written, so it is not known whether that is kept: look whether it is there, and run this again if it is not",
        .file.display()
    )]
    Replaced {
        /// The file.
        file: PathBuf,
    },
    /// The connection to the registry's server broke while a change was committed: the caller looks whether it is there.
    #[error(
        "the connection to the registry {url} broke while a change was written, so it is not known whether that is kept: look whether it is there, and run this again if it is not"
    )]
    Unsure {
        /// Where it lies, without a login.
        url: String,
    },
    /// Another process writes to the registry, or was stopped while it did: the caller tries again.
    #[error(transparent)]
    Locked(#[from] locks::Locked),
    /// The registry's file is not what was written: the caller stops.
    #[error(
        "the registry's file {} is damaged ({reason}): put it back from a backup, or move it away with its `-wal` and `-shm`",
        .file.display()
    )]
    File {
        /// The file.
        file: PathBuf,
        /// What does not hold.
        reason: String,
    },
    /// What the registry's server keeps is not what was written: the caller stops.
    #[error("the registry {url} is damaged ({reason}): put it back from a backup")]
    Contents {
        /// Where it lies, without a login.
        url: String,
        /// What does not hold.
        reason: String,
    },
    /// The registry's storage failed: the caller tells where and why.
    #[error("the registry {url} failed to {action}: {source}{}", of_database(.source).0)]
    Storage {
        /// Where it lies.
        url: String,
        /// What it was to do.
        action: &'static str,
        /// What the storage says.
        source: sqlx::Error,
    },
}

impl RegistryError {
    /// What a caller does next.
    pub fn advice(&self) -> Advice {
        match self {
            Self::Storage { source, .. } => of_database(source).1,
            Self::Used { .. }
            | Self::Moved { .. }
            | Self::Stale
            | Self::ChangedMeanwhile { .. }
            | Self::Gone { .. }
            | Self::Replaced { .. }
            | Self::Unsure { .. }
            | Self::Locked(_) => Advice::Retry,
            Self::Unknown { .. }
            | Self::NoneRegistered { .. }
            | Self::SeveralKinds { .. }
            | Self::Several { .. }
            | Self::BreakerIsOpen { .. }
            | Self::BreakerIsClosed { .. }
            | Self::OpeningGivenUp { .. }
            | Self::HeldByBreaker { .. }
            | Self::BackfillOpen { .. }
            | Self::NoBackfill { .. }
            | Self::Apart(_)
            | Self::NotComparable { .. }
            | Self::Outline(_)
            | Self::Feast(_)
            | Self::Refused(_)
            | Self::Kept { .. }
            | Self::NotMoved { .. }
            | Self::Retired { .. }
            | Self::NotRetired { .. }
            | Self::NoVersionBefore { .. }
            | Self::VersionBeforeRetired { .. }
            | Self::Newer { .. }
            | Self::TooManyTokens { .. }
            | Self::Address { .. } => Advice::Correct,
            Self::Damaged { .. } | Self::File { .. } | Self::Contents { .. } => Advice::Stop,
        }
    }

    /// The operation that ends the error, if there is one.
    pub fn help(&self) -> Option<HelpTopic> {
        match self {
            Self::NoneRegistered { .. } => Some(HelpTopic::RegisterDefinitions),
            Self::Used { .. } | Self::Stale => Some(HelpTopic::PlanAgain),
            Self::SeveralKinds { .. } => Some(HelpTopic::NameKind),
            Self::File { .. } => Some(HelpTopic::RegisterAgain),
            Self::HeldByBreaker { view, .. } | Self::OpeningGivenUp { view, .. } => {
                Some(HelpTopic::Breakers(view.clone()))
            }
            _ => None,
        }
    }
}

/// To which versions a service can be cut over.
fn next_move(others: &[VersionId]) -> String {
    let names: Vec<String> = others.iter().map(ToString::to_string).collect();
    match names.is_empty() {
        true => "it is the only version of its service".to_owned(),
        false => format!("cut over to {}", names.join(" or ")),
    }
}

fn lines(problems: &[OutlineProblem]) -> String {
    problems.iter().map(|problem| problem.what.as_str()).collect::<Vec<_>>().join("\n")
}

/// What to do about a failure of a database, in words and for programs; no words where it has another cause.
fn of_database(source: &sqlx::Error) -> (&'static str, Advice) {
    sqlite_advice(source).or_else(|| postgres_advice(source)).unwrap_or(("", Advice::Retry))
}
