//! What a backfill by dates that is over, or does not have the dates that are named, is refused with.

use feature::{EventDate, VersionId};
use thiserror::Error;

/// A backfill that is over, or for which dates are accepted that it does not have, or has loaded.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum BackfillRefused {
    /// It was cancelled.
    #[error(
        "backfill {number} of {view} is cancelled and does not go on; another one passes over what it loaded"
    )]
    Cancelled {
        /// The view.
        view: VersionId,
        /// Which.
        number: u64,
    },
    /// It has nothing left to load.
    #[error("backfill {number} of {view} is done: there is nothing left to load")]
    Done {
        /// The view.
        view: VersionId,
        /// Which.
        number: u64,
    },
    /// Dates are accepted that were loaded, and not set aside.
    #[error(
        "the backfill of {view} has loaded {}, so there is nothing to accept: the dates that it set aside are {}",
        dates.join(", "), if failed.is_empty() { "none".to_owned() } else { failed.join(", ") }
    )]
    Loaded {
        /// The view.
        view: VersionId,
        /// The dates that were named.
        dates: Vec<String>,
        /// The dates that it set aside.
        failed: Vec<String>,
    },
    /// It is over, and was to stop.
    #[error("backfill {number} of {view} is {state}: there is nothing to stop")]
    Over {
        /// The view.
        view: VersionId,
        /// Which.
        number: u64,
        /// How it ended.
        state: &'static str,
    },
    /// Dates that it does not have.
    #[error("the backfill of {view} has no rows of {}: its dates are from {first} to {last}", dates.join(", "))]
    NoSuchDates {
        /// The view.
        view: VersionId,
        /// The dates that were named.
        dates: Vec<String>,
        /// Its first date.
        first: EventDate,
        /// Its last date.
        last: EventDate,
    },
}
