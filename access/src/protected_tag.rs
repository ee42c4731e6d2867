//! Tags that guard what they stand on, and everything that is made from it.

use std::fmt;
use std::str::FromStr;

use crate::resource::Tags;

/// A tag that needs a grant of its own: a label, whatever its text, or `label=text`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ProtectedTag {
    label: String,
    text: Option<String>,
}

impl FromStr for ProtectedTag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (label, value) = match text.split_once('=') {
            None => (text, None),
            Some((label, value)) => (label, Some(value.to_owned())),
        };
        if label.trim().is_empty() || value.as_ref().is_some_and(String::is_empty) {
            return Err(format!("`{text}` is no tag: write a label, or label=text"));
        }
        Ok(Self { label: label.to_owned(), text: value })
    }
}

impl ProtectedTag {
    /// Whether these tags have it.
    pub fn is_in(&self, tags: &Tags) -> bool {
        let is_it = |(label, text): &(String, String)| {
            *label == self.label && self.text.as_ref().is_none_or(|protected| protected == text)
        };
        tags.iter().any(is_it)
    }
}

impl fmt::Display for ProtectedTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.text {
            Some(text) => write!(f, "{}={text}", self.label),
            None => f.write_str(&self.label),
        }
    }
}
