//! How late a row may be.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::time::Span;
use crate::time_error::TimeError;

/// How late a row may be: a duration, or none at all, as `0s`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Lateness(Option<Span>);

impl Lateness {
    /// The duration; `None` where a row may not be late at all.
    pub const fn span(self) -> Option<Span> {
        self.0
    }

    /// The duration in microseconds, from 0.
    pub fn micros(self) -> i64 {
        self.0.map_or(0, Span::micros)
    }
}

impl fmt::Display for Lateness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(span) => span.fmt(f),
            None => f.write_str("0s"),
        }
    }
}

impl FromStr for Lateness {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        match text.parse() {
            Ok(span) => Ok(Self(Some(span))),
            Err(TimeError::ZeroSpan(_)) => Ok(Self(None)),
            Err(error) => Err(error),
        }
    }
}

impl TryFrom<String> for Lateness {
    type Error = TimeError;

    fn try_from(text: String) -> Result<Self, TimeError> {
        text.parse()
    }
}

impl From<Lateness> for String {
    fn from(lateness: Lateness) -> String {
        lateness.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_may_be_late_by_nothing() {
        for (text, micros) in [("0s", 0), ("0h", 0), ("2m", 120_000_000)] {
            let lateness: Lateness = text.parse().unwrap();
            assert_eq!(lateness.micros(), micros);
            assert_eq!(lateness.to_string().parse::<Lateness>().unwrap(), lateness);
        }
        assert!("soon".parse::<Lateness>().is_err());
    }
}
