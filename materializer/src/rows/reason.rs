//! Why a row is refused. The strings are durable: dead letters hold them, and counts and answers name them.

use transform::BadReason;

/// The kind of reason for which a row is refused. A new reason gets a variant and a line in each table below.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RefusalReason {
    /// An expression of the view fails on it.
    ExpressionFailed,
    /// An expectation that rejects is false.
    ExpectationFailed,
    /// It has no event time.
    NullEventTime,
    /// It has no time of availability, and its source declares one.
    NullDeclaredTime,
    /// A time outside the years 0001 to 9999.
    TimeOutOfRange,
    /// Its encoded key is longer than a store takes.
    KeyTooLong,
    /// Its bytes or fields are not a row of the source.
    Undecodable,
    /// Its schema is not in the schema registry, or cannot be read.
    UnknownSchema,
    /// It is a tombstone whose record key does not hold the join keys.
    TombstoneKey,
    /// It happened before its stream starts.
    BeforeStream,
    /// It becomes visible too long after it was received.
    TooFarAhead,
    /// As many rows of its entity wait to become visible as a packed row holds.
    TooManyWaiting,
    /// The packed row of its entity would be longer than any store takes.
    RowTooLarge,
    /// A null in its key. Such a row is left out and counted; only the answer to a push names it as refused.
    NullKey,
    /// Its entity was forgotten later than it happened. It is left out and counted likewise.
    Forgotten,
}

impl RefusalReason {
    /// The string that is stored.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::ExpressionFailed => "expression_failed",
            Self::ExpectationFailed => "expectation_failed",
            Self::NullEventTime => "null_event_time",
            Self::NullDeclaredTime => "null_declared_time",
            Self::TimeOutOfRange => "time_out_of_range",
            Self::KeyTooLong => "key_too_long",
            Self::Undecodable => "undecodable",
            Self::UnknownSchema => "unknown_schema",
            Self::TombstoneKey => "tombstone_key",
            Self::BeforeStream => "before_stream",
            Self::TooFarAhead => "too_far_ahead",
            Self::TooManyWaiting => "too_many_waiting",
            Self::RowTooLarge => "row_too_large",
            Self::NullKey => "null_key",
            Self::Forgotten => "forgotten",
        }
    }

    /// The reason for which a transform refuses a row.
    pub(crate) const fn of(bad: &BadReason) -> Self {
        match bad {
            BadReason::Expression { .. } => Self::ExpressionFailed,
            BadReason::Expectation { .. } => Self::ExpectationFailed,
            BadReason::NullEventTime { .. } => Self::NullEventTime,
            BadReason::NullDeclaredTime { .. } => Self::NullDeclaredTime,
            BadReason::TimeOutOfRange { .. } => Self::TimeOutOfRange,
            BadReason::KeyTooLong { .. } => Self::KeyTooLong,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strings_in_stored_dead_letters_never_change() {
        for (reason, stored) in [
            (RefusalReason::ExpressionFailed, "expression_failed"),
            (RefusalReason::ExpectationFailed, "expectation_failed"),
            (RefusalReason::NullEventTime, "null_event_time"),
            (RefusalReason::NullDeclaredTime, "null_declared_time"),
            (RefusalReason::TimeOutOfRange, "time_out_of_range"),
            (RefusalReason::KeyTooLong, "key_too_long"),
            (RefusalReason::Undecodable, "undecodable"),
            (RefusalReason::UnknownSchema, "unknown_schema"),
            (RefusalReason::TombstoneKey, "tombstone_key"),
            (RefusalReason::BeforeStream, "before_stream"),
            (RefusalReason::TooFarAhead, "too_far_ahead"),
            (RefusalReason::TooManyWaiting, "too_many_waiting"),
            (RefusalReason::RowTooLarge, "row_too_large"),
            (RefusalReason::NullKey, "null_key"),
            (RefusalReason::Forgotten, "forgotten"),
        ] {
            assert_eq!(reason.as_str(), stored);
        }
    }

    #[test]
    fn a_reason_of_a_transform_has_the_name_that_the_transform_gives_it() {
        let text = String::new;
        for bad in [
            BadReason::Expression { what: text(), reason: text() },
            BadReason::Expectation { name: text() },
            BadReason::NullEventTime { column: text() },
            BadReason::NullDeclaredTime { column: text() },
            BadReason::TimeOutOfRange { column: text(), micros: 0 },
            BadReason::KeyTooLong { bytes: 0 },
        ] {
            assert_eq!(RefusalReason::of(&bad).as_str(), bad.kind());
        }
    }
}
