//! What the rows of a view must satisfy, in three stages and as a batch, and what happens if they do not.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::expected_change::Bound;
use crate::time::Span;

/// A condition on every row of a view in one stage of its way; a row fails it only where it is false.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Expectation {
    /// What failures of it are called.
    pub name: String,
    /// The SQL condition over the columns of its stage.
    pub condition: String,
    /// What happens to a row that fails. Definitions that were stored before there was a choice hold a bool.
    #[serde(rename = "rejects")]
    pub on_failure: OnFailure,
    /// What it is a condition on.
    #[serde(default, skip_serializing_if = "ExpectationStage::is_source")]
    pub stage: ExpectationStage,
}

/// What an expectation is a condition on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpectationStage {
    /// The columns of a row of the source.
    #[default]
    Source,
    /// What the view's expressions make of it: its join keys and the columns of its log.
    Row,
    /// The values of features as they are served. It is only counted.
    Served,
}

impl ExpectationStage {
    /// Every stage, in the order in which a row comes through them.
    pub const ALL: [ExpectationStage; 3] =
        [ExpectationStage::Source, ExpectationStage::Row, ExpectationStage::Served];

    /// The name that definitions use.
    pub const fn name(self) -> &'static str {
        match self {
            ExpectationStage::Source => "source",
            ExpectationStage::Row => "row",
            ExpectationStage::Served => "served",
        }
    }

    /// The one with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    /// Whether it is the first: definitions that were stored before there were others name none.
    const fn is_source(&self) -> bool {
        matches!(self, ExpectationStage::Source)
    }
}

impl Expectation {
    /// Whether a row that fails is bad.
    pub const fn rejects(&self) -> bool {
        !matches!(self.on_failure, OnFailure::Warn)
    }
}

/// What happens if an expectation is not met.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "StoredOnFailure", into = "StoredOnFailure")]
pub enum OnFailure {
    /// The row is bad.
    Reject,
    /// The row is bad, and a batch of which too many rows are is quarantined whole.
    Quarantine,
    /// It is only counted.
    Warn,
}

impl OnFailure {
    /// The name that definitions use.
    pub const fn name(self) -> &'static str {
        match self {
            OnFailure::Reject => "reject",
            OnFailure::Quarantine => "quarantine",
            OnFailure::Warn => "warn",
        }
    }

    /// The one with this name.
    pub fn named(name: &str) -> Option<Self> {
        [OnFailure::Reject, OnFailure::Quarantine, OnFailure::Warn].into_iter().find(|one| one.name() == name)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum StoredOnFailure {
    Rejects(bool),
    Named(String),
}

impl TryFrom<StoredOnFailure> for OnFailure {
    type Error = String;

    fn try_from(stored: StoredOnFailure) -> Result<Self, String> {
        match stored {
            StoredOnFailure::Rejects(true) => Ok(OnFailure::Reject),
            StoredOnFailure::Rejects(false) => Ok(OnFailure::Warn),
            StoredOnFailure::Named(name) => {
                OnFailure::named(&name).ok_or_else(|| format!("`{name}` is nothing that happens to a row"))
            }
        }
    }
}

impl From<OnFailure> for StoredOnFailure {
    fn from(on_failure: OnFailure) -> Self {
        match on_failure {
            OnFailure::Reject => StoredOnFailure::Rejects(true),
            OnFailure::Warn => StoredOnFailure::Rejects(false),
            OnFailure::Quarantine => StoredOnFailure::Named(on_failure.name().to_owned()),
        }
    }
}

/// What a view expects of each file of history as a whole. It decides which files wait for a person, and never what
/// the rows of a file mean.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct BatchLimits {
    /// The share of failing rows beyond which a batch is quarantined; `None` means [`BatchLimits::MAX_BAD_SHARE`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bad_share: Option<Bound>,
    /// What is expected of the batch itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expectations: Vec<BatchExpectation>,
}

impl BatchLimits {
    /// The share of failing rows beyond which a batch is quarantined, unless a view names one.
    pub const MAX_BAD_SHARE: f64 = 0.05;

    /// The share of failing rows beyond which a batch is quarantined.
    pub fn max_bad_share(&self) -> f64 {
        self.max_bad_share.map_or(Self::MAX_BAD_SHARE, Bound::get)
    }

    /// Whether nothing is named.
    pub fn is_empty(&self) -> bool {
        self.max_bad_share.is_none() && self.expectations.is_empty()
    }
}

/// What is expected of a batch as a whole.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BatchExpectation {
    /// What failures of it are called.
    pub name: String,
    /// What is checked.
    pub check: BatchCheck,
    /// Whether a batch that fails is quarantined, or only counted.
    pub quarantines: bool,
}

/// A check of a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchCheck {
    /// No two of its rows have the same entity and event time. Each further one counts as a failing row.
    Unique,
    /// The same, and the log has no row of its entities and event times either.
    UniqueInLog,
    /// It has at least this many rows.
    Rows {
        /// The least number.
        least: u64,
    },
    /// Of the hours in which its rows happened, it has at least this share of the rows that the log has of the same
    /// hours a week before.
    OfLastWeek {
        /// The least share.
        least: Bound,
    },
    /// Its newest row happened at most this long before it was loaded.
    NewestWithin(Span),
}

impl fmt::Display for BatchCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BatchCheck::Unique => f.write_str("unique"),
            BatchCheck::UniqueInLog => f.write_str("unique in the log"),
            BatchCheck::Rows { least } => write!(f, "at least {least} rows"),
            BatchCheck::OfLastWeek { least } => {
                write!(f, "at least {} of the rows of the same hours a week before", least.get())
            }
            BatchCheck::NewestWithin(span) => write!(f, "newest row within {span}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_that_was_stored_before_there_was_a_choice_is_read_as_it_was_meant() {
        for (stored, on_failure) in [
            (r#"{"name":"n","condition":"x > 0","rejects":true}"#, OnFailure::Reject),
            (r#"{"name":"n","condition":"x > 0","rejects":false}"#, OnFailure::Warn),
            (r#"{"name":"n","condition":"x > 0","rejects":"quarantine"}"#, OnFailure::Quarantine),
        ] {
            let read: Expectation = serde_json::from_str(stored).unwrap();
            assert_eq!((read.on_failure, read.stage), (on_failure, ExpectationStage::Source));
            assert_eq!(serde_json::to_string(&read).unwrap(), stored);
        }
        let staged = r#"{"name":"n","condition":"x > 0","rejects":false,"stage":"served"}"#;
        let read: Expectation = serde_json::from_str(staged).unwrap();
        assert_eq!(read.stage, ExpectationStage::Served);
        assert_eq!(serde_json::to_string(&read).unwrap(), staged);
        let unknown = r#"{"name":"n","condition":"x > 0","rejects":"later"}"#;
        assert!(serde_json::from_str::<Expectation>(unknown).is_err());
    }

    #[test]
    fn the_stored_limits_of_batches_never_change() {
        let limits = BatchLimits {
            max_bad_share: Bound::new(0.1),
            expectations: vec![
                BatchExpectation { name: "u".to_owned(), check: BatchCheck::Unique, quarantines: true },
                BatchExpectation {
                    name: "r".to_owned(),
                    check: BatchCheck::Rows { least: 7 },
                    quarantines: false,
                },
            ],
        };
        let stored = r#"{"max_bad_share":0.1,"expectations":[{"name":"u","check":"unique","quarantines":true},{"name":"r","check":{"rows":{"least":7}},"quarantines":false}]}"#;
        assert_eq!(serde_json::to_string(&limits).unwrap(), stored);
        assert_eq!(serde_json::from_str::<BatchLimits>(stored).unwrap(), limits);
    }
}
