//! What whoever gets an error does next: try again, correct something, or stop; and the operation that ends it.

use feature::{Advice, HelpTopic};
use online::OnlineError;

use super::{FeedError, Halt, MaterializerError};

impl MaterializerError {
    /// What a caller does next.
    pub fn advice(&self) -> Advice {
        match self {
            Self::Offline(error) => error.advice(),
            Self::Online(error) => error.advice(),
            Self::Expression(error) => error.advice(),
            Self::Transform(error) => error.advice(),
            Self::Feed { error: FeedError::Unreachable(_), .. } | Self::NotUsable { may_pass: true, .. } => {
                Advice::Retry
            }
            Self::ReplacedMeanwhile { .. }
            | Self::Loading(_)
            | Self::Database { .. }
            | Self::SchemaRegistryDown { .. }
            | Self::OnlineConflict { .. }
            | Self::AheadOfLog { .. }
            | Self::LeftByReader { .. }
            | Self::Interrupted => Advice::Retry,
            Self::MarkerOutOfRange { .. } | Self::Invariant { .. } | Self::Arrow(_) => Advice::Stop,
            Self::NotUsable { .. }
            | Self::NoBatch { .. }
            | Self::Path { .. }
            | Self::File { .. }
            | Self::Query { .. }
            | Self::Connection { .. }
            | Self::Extracts { .. }
            | Self::ContentChanged { .. }
            | Self::RowsRemoved { .. }
            | Self::OtherTable { .. }
            | Self::OtherKind { .. }
            | Self::NeverBackfilled { .. }
            | Self::History { .. }
            | Self::RangeOfStatic { .. }
            | Self::RangeOfDerived { .. }
            | Self::InputNeverLoaded { .. }
            | Self::HistoryOfInput { .. }
            | Self::InputExpired { .. }
            | Self::MigrationOfStatic { .. }
            | Self::MigrationOfDerived { .. }
            | Self::MigrationUnfinished { .. }
            | Self::NoSuchDates { .. }
            | Self::FilesNotAsExpected { .. }
            | Self::MigrationSourceChanged { .. }
            | Self::MigrationFilesGone { .. }
            | Self::NotQuarantined { .. }
            | Self::QuarantinedFileGone { .. }
            | Self::DeadLettersAreGone { .. }
            | Self::QuarantineIsGone { .. }
            | Self::NoStream { .. }
            | Self::StreamSchema { .. }
            | Self::SchemaRegistryRefused { .. }
            | Self::OtherTopic { .. }
            | Self::TopicBehindLog { .. }
            | Self::StreamStartMoved { .. }
            | Self::StreamStartCovered { .. }
            | Self::Feed { .. }
            | Self::Halted { .. }
            | Self::NothingAccepted { .. }
            | Self::LogBehindOnline { .. }
            | Self::OtherLog { .. }
            | Self::OnlineBehindLog { .. }
            | Self::GoodExpired { .. }
            | Self::TooManyPending { .. } => Advice::Correct,
        }
    }

    /// Whether a stream, which goes on by itself, tries again: also while a rebuild beside it may mend what is online.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Online(error) => !matches!(
                error,
                OnlineError::Damaged { .. }
                    | OnlineError::Newer { .. }
                    | OnlineError::TooLarge { .. }
                    | OnlineError::Url { .. }
            ),
            other => other.advice().may_retry(),
        }
    }

    /// The operation that ends the error, if there is one.
    pub fn help(&self) -> Option<HelpTopic> {
        match self {
            Self::Offline(error) => error.help(),
            Self::Online(error) => error.help(),
            Self::RangeOfStatic { .. } | Self::RangeOfDerived { .. } => Some(HelpTopic::WholeSource),
            Self::AheadOfLog { view, .. } => Some(HelpTopic::CatchUp(view.clone())),
            Self::LogBehindOnline { view, .. }
            | Self::OtherLog { view, .. }
            | Self::OnlineBehindLog { view, .. } => Some(HelpTopic::Rebuild(view.clone())),
            Self::Halted { view, halt: Halt::TooManyBad { .. }, .. } => {
                Some(HelpTopic::BadRows(view.clone()))
            }
            Self::NeverBackfilled { view }
            | Self::History { view, .. }
            | Self::MigrationOfStatic { view }
            | Self::MigrationOfDerived { view, .. }
            | Self::MigrationUnfinished { view, is_cancelled: true } => {
                Some(HelpTopic::Backfill(view.clone()))
            }
            Self::NotQuarantined { view, .. } | Self::QuarantinedFileGone { view, .. } => {
                Some(HelpTopic::Quarantine(view.clone()))
            }
            Self::InputNeverLoaded { input, .. } => Some(HelpTopic::Backfill(input.clone())),
            Self::MigrationUnfinished { view, is_cancelled: false } => {
                Some(HelpTopic::ResumeBackfill(view.clone()))
            }
            _ => None,
        }
    }

    /// Whether a table beside a log is gone.
    pub(crate) const fn is_of_lost_table(&self) -> bool {
        matches!(self, Self::DeadLettersAreGone { .. } | Self::QuarantineIsGone { .. })
    }

    /// Whether the online rows of a view are not the fold of a prefix of its log.
    pub fn is_of_other_prefix(&self) -> bool {
        matches!(self, Self::LogBehindOnline { .. } | Self::OtherLog { .. } | Self::OnlineBehindLog { .. })
    }
}
