//! Names of what is defined, and the versions of what is versioned.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::message::excerpt;

/// As much of a text as a message shows.
const LONGEST_SHOWN_CHARS: usize = 80;

/// A name that definitions use: `[a-z][a-z0-9_]{0,62}`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(Box<str>);

/// Text that is not a name, or not `name@version`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NameError {
    /// Not of the form `[a-z][a-z0-9_]{0,62}`.
    #[error(
        "`{0}` is not a name: use a lower-case letter, then up to 62 lower-case letters, digits or underscores"
    )]
    NotAName(String),
    /// Not of the form `name@version`.
    #[error("`{0}` names no version: write it as name@1")]
    NotAVersion(String),
}

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let mut characters = text.chars();
        let starts_well = characters.next().is_some_and(|c| c.is_ascii_lowercase());
        let goes_on_well = characters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if starts_well && goes_on_well && text.len() <= 63 {
            Ok(Self(text.into()))
        } else {
            Err(NameError::NotAName(excerpt(text, LONGEST_SHOWN_CHARS).into_owned()))
        }
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.0.into()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// One version of a view or a service, written `name@version`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VersionId {
    /// Which view or service.
    pub name: Name,
    /// Its version, from 1.
    pub version: u32,
}

impl VersionId {
    /// The greatest version that a definition may have. Stores use greater ones for themselves.
    pub const MOST_VERSIONS: u32 = i32::MAX as u32;
}

impl FromStr for VersionId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let not_a_version = || NameError::NotAVersion(excerpt(text, LONGEST_SHOWN_CHARS).into_owned());
        let (name, version) = text.split_once('@').ok_or_else(not_a_version)?;
        let name = name.parse()?;
        let version = version.parse().map_err(|_| not_a_version())?;
        if version == 0 {
            return Err(not_a_version());
        }
        Ok(Self { name, version })
    }
}

impl TryFrom<String> for VersionId {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<VersionId> for String {
    fn from(id: VersionId) -> String {
        id.to_string()
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}@{}", self.name, self.version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_lower_case_names_are_names() {
        for good in ["a", "mean_delay_1d", "x9"] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        for bad in ["", "9x", "_x", "Delay", "a-b", "é", &"a".repeat(64)] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_version_reads_back_as_it_was_written() {
        let id: VersionId = "airport_arrivals@12".parse().unwrap();
        assert_eq!((id.name.as_str(), id.version), ("airport_arrivals", 12));
        assert_eq!(id.to_string(), "airport_arrivals@12");
        for bad in ["x", "x@", "x@0", "x@-1", "@1", "x@1@2"] {
            assert!(bad.parse::<VersionId>().is_err(), "{bad}");
        }
    }
}
