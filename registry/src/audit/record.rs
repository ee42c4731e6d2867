//! What is recorded of a change: what was done to what, from which state to which, and why.

use feature::excerpt;
use serde::Serialize;

use super::reason::Reason;
use crate::body::DefinitionId;

/// The longest detail of an entry, in characters.
const MOST_DETAIL_CHARS: usize = 4000;

macro_rules! actions {
    ($($(#[doc = $doc:literal])+ $action:ident = $name:literal,)+) => {
        /// What was done.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
        #[non_exhaustive]
        pub enum AuditAction {
            $($(#[doc = $doc])+ #[serde(rename = $name)] $action,)+
        }

        impl AuditAction {
            /// The name that the log and its readers use.
            pub const fn name(self) -> &'static str {
                match self {
                    $(AuditAction::$action => $name,)+
                }
            }

            pub(crate) fn named(name: &str) -> Option<AuditAction> {
                match name {
                    $($name => Some(AuditAction::$action),)+
                    _ => None,
                }
            }
        }
    };
}

actions! {
    /// A definition is new.
    Add = "add",
    /// A definition was written again and computes the same.
    Revise = "revise",
    /// A version was edited before its first use.
    Edit = "edit",
    /// A definition was removed before its first use.
    Remove = "remove",
    /// A version was used for the first time, and never changes any more.
    FirstUse = "first_use",
    /// A service has its first live version, or another one because that was removed.
    GoLive = "go_live",
    /// A service's own name means another version.
    Cutover = "cutover",
    /// A version answers a service's own name for some of the entities.
    Canary = "canary",
    /// A version answers for some of the entities no longer.
    CanaryEnd = "canary_end",
    /// A service's own name means what it meant before, or its canary was ended.
    Rollback = "rollback",
    /// Gates of a cutover failed, and it was done all the same.
    Override = "override",
    /// A version is to be retired at a time.
    Deprecate = "deprecate",
    /// A version is not to be retired any more.
    Undeprecate = "undeprecate",
    /// A version is not used any more.
    Retire = "retire",
    /// A quarantined batch of a view is released: its rows are loaded.
    Release = "release",
    /// A quarantined batch of a view is dropped: its rows are never loaded.
    Drop = "drop",
    /// The circuit breaker of a view opens: readers get its last good answers, or null.
    BreakerOpen = "breaker_open",
    /// The circuit breaker of a view closes.
    BreakerClose = "breaker_close",
    /// What a retired version took in both stores is freed.
    Free = "free",
    /// Rows of a view that are older than its retention were dropped.
    Expire = "expire",
    /// Files that only older versions of a view's log had were removed.
    Vacuum = "vacuum",
    /// A token was created.
    TokenCreate = "token_create",
    /// A token is refused from now on.
    TokenRevoke = "token_revoke",
    /// A token is refused from a time on.
    TokenExpire = "token_expire",
    /// Somebody was refused by the policy, or was not known.
    Deny = "deny",
    /// Everything that was stored of an entity was removed. A hash stands for its key.
    Forget = "forget",
}

/// A change that is to be recorded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Record {
    pub(crate) action: AuditAction,
    /// What is changed, by its kind and name.
    pub(crate) subject: String,
    pub(crate) from: Option<String>,
    pub(crate) to: Option<String>,
    pub(crate) reason: Option<Reason>,
    pub(crate) detail: Option<String>,
}

impl Record {
    /// A change of this, of which nothing more is said yet.
    pub(crate) fn of(action: AuditAction, subject: &DefinitionId) -> Record {
        Record::about(action, subject.to_string())
    }

    /// The same of what is no definition.
    pub(crate) fn about(action: AuditAction, subject: String) -> Record {
        Record { action, subject, from: None, to: None, reason: None, detail: None }
    }

    pub(crate) fn from(self, from: impl Into<String>) -> Record {
        Record { from: Some(from.into()), ..self }
    }

    pub(crate) fn to(self, to: impl Into<String>) -> Record {
        Record { to: Some(to.into()), ..self }
    }

    pub(crate) fn because(self, reason: Option<&Reason>) -> Record {
        Record { reason: reason.cloned(), ..self }
    }

    /// The change in one line.
    pub(crate) fn summary(&self) -> String {
        let state = |state: &Option<String>| state.clone().unwrap_or_else(|| "none".to_owned());
        let (action, subject) = (self.action.name(), &self.subject);
        format!("{action} {subject}: {} → {}", state(&self.from), state(&self.to))
    }

    pub(crate) fn detail(self, detail: impl AsRef<str>) -> Record {
        let detail = detail.as_ref();
        let detail = (!detail.is_empty()).then(|| excerpt(detail, MOST_DETAIL_CHARS).into_owned());
        Record { detail, ..self }
    }
}
