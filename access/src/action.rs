//! What can be allowed.

use std::fmt;
use std::str::FromStr;

/// What somebody does with a project or a part of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Action {
    /// Look at what is defined, how it is, and at metrics.
    Describe,
    /// Read features from a server.
    ReadOnline,
    /// Build training sets.
    ReadOffline,
    /// Push rows.
    Write,
    /// Register definitions, and remove them.
    Apply,
    /// Say which version of a service answers its name.
    CutOver,
    /// Create, end and list tokens.
    Administer,
}

impl Action {
    /// Each once.
    pub const ALL: [Action; 7] = [
        Action::Describe,
        Action::ReadOnline,
        Action::ReadOffline,
        Action::Write,
        Action::Apply,
        Action::CutOver,
        Action::Administer,
    ];

    /// The name of each, in their order.
    pub const NAMES: [&'static str; 7] =
        ["describe", "read_online", "read_offline", "write", "apply", "cut_over", "administer"];

    /// The name that a policy uses.
    pub const fn name(self) -> &'static str {
        match self {
            Action::Describe => "describe",
            Action::ReadOnline => "read_online",
            Action::ReadOffline => "read_offline",
            Action::Write => "write",
            Action::Apply => "apply",
            Action::CutOver => "cut_over",
            Action::Administer => "administer",
        }
    }

    /// Whether it shows values, which protected tags guard.
    pub const fn shows_values(self) -> bool {
        matches!(self, Action::ReadOnline | Action::ReadOffline)
    }

    /// Whether it is done to the project as a whole, so that a grant of it names no resources.
    pub const fn is_of_the_project(self) -> bool {
        matches!(self, Action::Describe | Action::Administer)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Action {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Action::ALL.into_iter().find(|action| action.name() == text);
        found.ok_or_else(|| format!("there is no action `{text}`: name one of {}", Action::NAMES.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_is_read_by_its_name() {
        for (action, name) in Action::ALL.into_iter().zip(Action::NAMES) {
            assert_eq!((action.name(), name.parse()), (name, Ok(action)));
        }
        assert!("read".parse::<Action>().unwrap_err().contains("read_online"));
    }
}
