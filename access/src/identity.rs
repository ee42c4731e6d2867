//! Who somebody is.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use feature::Name;

use crate::consumer::Share;

/// How somebody shows who they are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SubjectKind {
    /// By a token of this project.
    Token,
    /// By a certificate: its name is a name of the certificate, of DNS or a URI.
    Certificate,
    /// By a token of an OpenID issuer: its name is the `sub`.
    Oidc,
    /// By a token of an OpenID issuer that says this, as in `groups=scoring`: its name is the claim.
    Claim,
    /// As the user who runs a command.
    User,
}

impl SubjectKind {
    /// Each once.
    pub const ALL: [SubjectKind; 5] = [
        SubjectKind::Token,
        SubjectKind::Certificate,
        SubjectKind::Oidc,
        SubjectKind::Claim,
        SubjectKind::User,
    ];

    /// The name that a policy and the audit log use.
    pub const fn name(self) -> &'static str {
        match self {
            SubjectKind::Token => "token",
            SubjectKind::Certificate => "certificate",
            SubjectKind::Oidc => "oidc",
            SubjectKind::Claim => "claim",
            SubjectKind::User => "user",
        }
    }
}

/// Who somebody is, as in `token scoring`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Subject {
    /// How they show it.
    pub kind: SubjectKind,
    /// The name by which they do.
    pub name: String,
}

impl Subject {
    /// Who is called so.
    pub fn new(kind: SubjectKind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into() }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.name(), self.name)
    }
}

/// Somebody who has shown who they are, and what follows from it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// Who.
    pub subject: Subject,
    /// The same as text, for counts and messages.
    pub label: Arc<str>,
    /// The roles that they have.
    pub roles: BTreeSet<Name>,
    /// The consumer whose share they take from: one of the policy, or they themselves.
    pub consumer: Arc<str>,
    /// How large that share is.
    pub share: Share,
}
