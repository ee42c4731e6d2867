//! Why a text or a number is not a moment or a duration.

use thiserror::Error;

/// A moment that cannot be: outside the years 0001 to 9999, or text that is not one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TimeError {
    /// The count of microseconds lies outside the years 0001 to 9999.
    #[error("{0} microseconds since 1970 lies outside the years 0001 to 9999")]
    OutOfRange(i64),
    /// The text is not an RFC 3339 time.
    #[error("`{0}` is not a time: write it as 2013-06-01T12:00:00Z")]
    NotATime(String),
    /// The text is not a date.
    #[error("`{0}` is not a date: write it as 2013-06-01")]
    NotADate(String),
    /// The text is a time, with the name of a zone behind it.
    #[error("`{0}` names a zone in brackets: write its offset alone, as in 2013-06-01T12:00:00-04:00")]
    ZoneInBrackets(String),
    /// The text is a time outside the years 0001 to 9999.
    #[error("`{0}` lies outside the years 0001 to 9999")]
    OutsideYears(String),
    /// The text is not a duration.
    #[error("`{0}` is not a duration: write a whole number and a unit, as in 90s, 5m, 1h, 7d or 3y")]
    NotASpan(String),
    /// The text is a duration of no length.
    #[error("`{0}` is not a duration above zero: write one that is, as in 1s, or leave it out")]
    ZeroSpan(String),
    /// The text is a duration that is longer than one may be.
    #[error("`{0}` is not a duration of at most 10000y")]
    LongSpan(String),
}
