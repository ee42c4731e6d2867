//! Which resources a grant means, by their names: `late_arrival@1`, `late_*`, `airport_*@2`.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Names with `*` for any characters, and a version or any.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pattern {
    name: String,
    /// `None` for any version, and for what has none.
    version: Option<u32>,
}

/// Text that is not a pattern.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("`{0}` is not a pattern of names: write it as late_arrival@1, late_* or *")]
pub struct NotAPattern(String);

impl FromStr for Pattern {
    type Err = NotAPattern;

    fn from_str(text: &str) -> Result<Self, NotAPattern> {
        const MOST_CHARS: usize = 80;
        let wrong = || NotAPattern(feature::excerpt(text, MOST_CHARS).into_owned());
        let (name, version) = match text.split_once('@') {
            None | Some((_, "*")) => (text.split('@').next().unwrap_or(text), None),
            Some((name, version)) => match version.parse() {
                Ok(version) if version > 0 => (name, Some(version)),
                _ => return Err(wrong()),
            },
        };
        let is_part_of_a_name =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '*';
        if name.is_empty() || name.len() > MOST_CHARS || !name.chars().all(is_part_of_a_name) {
            return Err(wrong());
        }
        Ok(Self { name: name.to_owned(), version })
    }
}

impl Pattern {
    /// Whether it means this `name@version`, or this name of something without versions.
    pub fn matches(&self, resource: &str) -> bool {
        let (name, version) = match resource.split_once('@') {
            Some((name, version)) => (name, version.parse().ok()),
            None => (resource, None),
        };
        (self.version.is_none() || self.version == version) && glob(self.name.as_bytes(), name.as_bytes())
    }
}

/// Whether a name fits, in time that grows with the product of both lengths at most.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut in_name) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while in_name < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, in_name));
                at += 1;
            }
            Some(sign) if name.get(in_name) == Some(sign) => {
                at += 1;
                in_name += 1;
            }
            // The last star takes one more.
            _ => match &mut star {
                Some((star_at, taken)) => {
                    *taken += 1;
                    (at, in_name) = (*star_at + 1, *taken);
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(at).all(|sign| *sign == b'*')
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version {
            Some(version) => write!(f, "{}@{version}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        pattern.parse::<Pattern>().unwrap().matches(name)
    }

    #[test]
    fn a_pattern_means_names_and_versions() {
        assert!(matches("late_arrival", "late_arrival@3"));
        assert!(matches("late_*@1", "late_arrival@1") && !matches("late_*@1", "late_arrival@2"));
        assert!(matches("late_*@*", "late_arrival@2") && matches("*", "landings"));
        assert!(!matches("late", "late_arrival@1") && !matches("*_b", "a_c@1"));
        // A version in a pattern never means what has none.
        assert!(!matches("landings@1", "landings"));
        for wrong in ["", "@1", "a@0", "a@b", "A", "a b", "a?"] {
            assert!(wrong.parse::<Pattern>().is_err(), "{wrong}");
        }
    }

    /// The same rule, slow and obvious.
    fn fits(pattern: &[u8], name: &[u8]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((b'*', rest)) => (0..=name.len()).any(|taken| fits(rest, &name[taken..])),
            Some((sign, rest)) => name.first() == Some(sign) && fits(rest, &name[1..]),
        }
    }

    proptest! {
        #[test]
        fn a_star_means_any_characters(pattern in "[ab*]{1,6}", name in "[ab]{0,8}") {
            prop_assert_eq!(glob(pattern.as_bytes(), name.as_bytes()), fits(pattern.as_bytes(), name.as_bytes()));
        }
    }
}
