//! Why somebody is not answered whatever the request says: it is not known who they are, they may not, or they have taken
//! their share.

use std::time::Duration;

use access::{Action, Missing, Unauthenticated};
use thiserror::Error;

use crate::code::Code;

/// Why somebody is not answered.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AccessFault {
    /// It is not known who they are.
    #[error(transparent)]
    Unauthenticated(#[from] Unauthenticated),
    /// No grant allows it.
    #[error("`{subject}` may not {action} {resource}: {missing}")]
    Denied {
        /// Who.
        subject: String,
        /// What they wanted to do.
        action: Action,
        /// With what.
        resource: String,
        /// What is missing.
        missing: Missing,
    },
    /// They have taken their share.
    #[error("`{consumer}` has taken its share of {what}, which is {per_second} a second")]
    OverQuota {
        /// The consumer.
        consumer: String,
        /// Requests or keys.
        what: &'static str,
        /// How many there are a second.
        per_second: u32,
        /// How long it takes until there are as many as were wanted.
        wait: Duration,
    },
}

impl AccessFault {
    /// What the caller does next.
    pub const fn code(&self) -> Code {
        match self {
            AccessFault::Unauthenticated(_) => Code::Unauthenticated,
            AccessFault::Denied { .. } => Code::PermissionDenied,
            AccessFault::OverQuota { .. } => Code::Overloaded,
        }
    }

    /// What to do, in half a sentence.
    pub fn help(&self) -> String {
        match self {
            AccessFault::Unauthenticated(Unauthenticated::Missing) => {
                "send a token as `authorization: Bearer TOKEN`, or a certificate".to_owned()
            }
            AccessFault::Unauthenticated(_) => "get another token from who operates the server".to_owned(),
            AccessFault::Denied { .. } => {
                "have a role grant it in the policy of the server's project".to_owned()
            }
            AccessFault::OverQuota { wait, .. } => {
                format!("ask again in {} ms, or have the policy allow more", wait.as_millis().max(1))
            }
        }
    }
}
