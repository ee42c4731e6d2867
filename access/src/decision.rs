//! What was decided, and by what.

use std::collections::BTreeSet;
use std::fmt;

use feature::Name;

use crate::pattern::Pattern;
use crate::protected_tag::ProtectedTag;

/// Whether somebody may do something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Decision {
    /// They may.
    Allowed {
        /// The role whose grant says so.
        role: Name,
        /// The pattern of the grant that means the resource; none for the project as a whole.
        by: Option<Pattern>,
    },
    /// They may not.
    Denied(Missing),
}

impl Decision {
    /// Whether they may.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Decision::Allowed { .. })
    }
}

/// What is missing for somebody to be allowed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Missing {
    /// They have no role.
    Role,
    /// No grant of their roles is of this action and this resource.
    Grant {
        /// Their roles.
        roles: Vec<Name>,
    },
    /// Grants allow the action, and none of them names these protected tags, which the resource has itself or from what
    /// it is made from.
    Tags {
        /// The tags.
        tags: Vec<ProtectedTag>,
    },
}

impl Missing {
    /// What somebody with these roles is missing, of whose grants none covers an action and a resource.
    pub fn of_roles(roles: &BTreeSet<Name>) -> Self {
        match roles.is_empty() {
            true => Missing::Role,
            false => Missing::Grant { roles: roles.iter().cloned().collect() },
        }
    }
}

impl fmt::Display for Missing {
    /// The end of a sentence that says who may not do what.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |f: &mut fmt::Formatter<'_>, names: &[String]| f.write_str(&names.join(", "));
        match self {
            Missing::Role => f.write_str("no role is theirs"),
            Missing::Grant { roles } => {
                f.write_str("no grant of it in ")?;
                let names: Vec<String> = roles.iter().map(|role| format!("`{role}`")).collect();
                named(f, &names)
            }
            Missing::Tags { tags } => {
                f.write_str("it is protected by ")?;
                let names: Vec<String> = tags.iter().map(|tag| format!("`{tag}`")).collect();
                named(f, &names)?;
                f.write_str(", itself or by what it is made from, and no grant of theirs names that")
            }
        }
    }
}
