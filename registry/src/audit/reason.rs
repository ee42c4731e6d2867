//! Why somebody did something, as it is kept: one line that is not empty.

use std::fmt;
use std::str::FromStr;

use feature::excerpt;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The longest reason, in characters.
const MOST_CHARS: usize = 500;

/// Why somebody did something: one line, not empty, of at most 500 characters.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reason(String);

/// A text that is not a reason.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum NotAReason {
    /// Nothing is said.
    #[error("the reason is empty: say in a few words why")]
    Empty,
    /// It is longer than what is kept.
    #[error("the reason has {0} characters, more than the {MOST_CHARS} that one may have")]
    TooLong(usize),
    /// It has line breaks, or other characters that are not shown.
    #[error("the reason has a line break or another control character: write it on one line")]
    NotOneLine,
}

impl Reason {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Reason {
    /// What a rule found, shortened to what one may have; its control characters are spaces.
    pub fn found(text: &str) -> Reason {
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let text = match text.trim() {
            "" => "nothing is known of it",
            text => text,
        };
        Reason(excerpt(text, MOST_CHARS - 1).into_owned())
    }
}

impl FromStr for Reason {
    type Err = NotAReason;

    fn from_str(text: &str) -> Result<Self, NotAReason> {
        let text = text.trim();
        let chars = text.chars().count();
        if text.is_empty() {
            return Err(NotAReason::Empty);
        }
        if chars > MOST_CHARS {
            return Err(NotAReason::TooLong(chars));
        }
        if text.chars().any(char::is_control) {
            return Err(NotAReason::NotOneLine);
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for Reason {
    type Error = NotAReason;

    fn try_from(text: String) -> Result<Self, NotAReason> {
        text.parse()
    }
}

impl From<Reason> for String {
    fn from(reason: Reason) -> String {
        reason.0
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_that_says_something() {
        assert_eq!(" incident 7 ".parse::<Reason>().unwrap().as_str(), "incident 7");
        for bad in ["", "  ", "two\nlines", "an \u{1b}[31mescape", &"x".repeat(501)] {
            assert!(bad.parse::<Reason>().is_err(), "{bad}");
            let found = Reason::found(bad);
            assert_eq!(found.as_str().parse::<Reason>().as_ref(), Ok(&found));
        }
    }
}
