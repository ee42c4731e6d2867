//! When the circuit breaker of a view opens by itself, and what is answered meanwhile. What that means for a reader is law 8,
//! in `opening.rs`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::expected_change::Bound;
use crate::name::Name;
use crate::time::Span;

/// What is answered of a view while its breaker is open.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpenAnswer {
    /// What was answered at the last moment that was good.
    #[default]
    LastKnownGood,
    /// No value: null, whatever the feature's default.
    NoValue,
    /// What the rows give: the breaker only says that something is wrong.
    Current,
}

impl OpenAnswer {
    /// Every answer.
    pub const ALL: [OpenAnswer; 3] = [OpenAnswer::LastKnownGood, OpenAnswer::NoValue, OpenAnswer::Current];

    /// The name that definitions and commands use.
    pub const fn name(self) -> &'static str {
        match self {
            OpenAnswer::LastKnownGood => "last_known_good",
            OpenAnswer::NoValue => "no_value",
            OpenAnswer::Current => "current",
        }
    }

    /// The one with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }
}

impl fmt::Display for OpenAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// When the breaker of a view opens by itself, what is answered then, and when it closes again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Breaker {
    /// What is answered while it is open.
    pub answers: OpenAnswer,
    /// The features that it holds while it is open, and whose values its rules look at; all if it names none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<Name>,
    /// It opens where more than this share of the rows that a stream brought in the window was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bad_share: Option<Bound>,
    /// It opens where the population stability index of a column's newest date is greater, against the dates before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<Bound>,
    /// It opens where more than this share of the served answers that were compared in the window is not what the log gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skew: Option<Bound>,
    /// It opens where the newest event that is online is older than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale: Option<Span>,
    /// Over which time shares are counted.
    pub window: Span,
    /// Rows that there are at least in a window of which a share is taken.
    pub min_rows: u64,
    /// It closes once no rule was broken for so long.
    pub close_after: Span,
}

impl Breaker {
    /// The window of a breaker that names none.
    pub const WINDOW: Span = Span::MINUTE.times(5);
    /// The rows of a breaker that names none.
    pub const MIN_ROWS: u64 = 100;
    /// How long a breaker that names nothing waits until it closes.
    pub const CLOSE_AFTER: Span = Span::MINUTE.times(10);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_has_the_name_that_it_is_stored_under() {
        for answer in OpenAnswer::ALL {
            assert_eq!(serde_json::to_value(answer).unwrap(), answer.name());
            assert_eq!(OpenAnswer::named(answer.name()), Some(answer));
        }
    }
}
