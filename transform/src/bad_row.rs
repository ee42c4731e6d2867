//! A row of a source that a view refuses, and why.

use std::fmt;

use feature::EntityKey;

/// A row that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// Its index in the input.
    pub row: u32,
    /// Why.
    pub reason: BadReason,
}

/// Why a row is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadReason {
    /// An expression fails on it.
    Expression {
        /// Which one, as in ``where`` or ``key `airport` ``.
        what: String,
        /// What happened.
        reason: String,
    },
    /// An expectation that rejects is false.
    Expectation {
        /// Which one.
        name: String,
    },
    /// It does not say when it happened.
    NullEventTime {
        /// The column of the source.
        column: String,
    },
    /// It does not say when it was available, and its source declares it.
    NullDeclaredTime {
        /// The column of the source.
        column: String,
    },
    /// A time outside the years 0001 to 9999.
    TimeOutOfRange {
        /// The column of the source.
        column: String,
        /// Microseconds since 1970.
        micros: i64,
    },
    /// Its encoded key is longer than a store takes.
    KeyTooLong {
        /// How long it is.
        bytes: usize,
    },
}

impl BadReason {
    pub(crate) fn null_event_time(column: String) -> Self {
        BadReason::NullEventTime { column }
    }

    pub(crate) fn null_declared_time(column: String) -> Self {
        BadReason::NullDeclaredTime { column }
    }

    /// The kind of reason, by which bad rows are counted.
    pub const fn kind(&self) -> &'static str {
        match self {
            BadReason::Expression { .. } => "expression_failed",
            BadReason::Expectation { .. } => "expectation_failed",
            BadReason::NullEventTime { .. } => "null_event_time",
            BadReason::NullDeclaredTime { .. } => "null_declared_time",
            BadReason::TimeOutOfRange { .. } => "time_out_of_range",
            BadReason::KeyTooLong { .. } => "key_too_long",
        }
    }
}

impl fmt::Display for BadReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadReason::Expression { what, reason } => write!(f, "{what} fails: {reason}"),
            BadReason::Expectation { name } => write!(f, "the expectation `{name}` is false"),
            BadReason::NullEventTime { column } => write!(f, "the event time `{column}` is null"),
            BadReason::NullDeclaredTime { column } => write!(f, "the declared time `{column}` is null"),
            BadReason::TimeOutOfRange { column, micros } => write!(
                f,
                "the time `{column}`, {micros} microseconds since 1970, lies outside the years 0001 to 9999"
            ),
            BadReason::KeyTooLong { bytes } => write!(
                f,
                "the key takes {bytes} bytes, more than the {} that a key may have",
                EntityKey::MAX_BYTES
            ),
        }
    }
}
