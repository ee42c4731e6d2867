//! What `token` and `access` take.

use clap::{Args, Subcommand};
use feature::{Name, Span};
use twinstore::{AccessAction, CheckAccess, NamedResource, Subject, TokenName};

use super::FormatArg;

/// What `token` does.
#[derive(Subcommand, Debug)]
pub enum TokenCommand {
    /// Create a token, and print it once
    ///
    /// What is kept is its hash. Several tokens may have one name, so that one can follow another: what the policy
    /// gives to `token: NAME` is theirs.
    Create(CreateTokenArgs),
    /// List all tokens, without their secrets
    List(FormatArg),
    /// Refuse tokens from now on; servers follow within a second
    Revoke(WhichToken),
    /// Refuse tokens after a while, as when another one follows
    Expire {
        /// Which
        #[command(flatten)]
        which: WhichToken,
        /// How long they still count, as in `1d`
        #[arg(long = "in", value_name = "DURATION")]
        after: Span,
    },
}

/// What `token create` takes.
#[derive(Args, Debug)]
pub struct CreateTokenArgs {
    /// What it is called
    pub name: TokenName,
    /// How long it counts, as in `30d`; for good where it is not named
    #[arg(long, value_name = "DURATION")]
    pub expires: Option<Span>,
    /// Roles that it has beside those that the policy gives to its name
    #[arg(long = "role", value_name = "ROLE")]
    pub roles: Vec<Name>,
    /// How the result is written
    #[command(flatten)]
    pub format: FormatArg,
}

/// Which tokens are meant.
#[derive(Args, Debug)]
pub struct WhichToken {
    /// The id of one token, or the name of all that are called so
    #[arg(value_name = "ID|NAME")]
    pub which: String,
    /// How the result is written
    #[command(flatten)]
    pub format: FormatArg,
}

/// What `access` does.
#[derive(Subcommand, Debug)]
pub enum AccessCommand {
    /// Say whether somebody may do something by the policy, and why; exit code 1 where they may not
    Check {
        /// Who: `token:NAME`, `certificate:NAME`, `oidc:SUB` or `user:NAME`
        #[arg(value_parser = CheckAccess::subject)]
        subject: Subject,
        /// What: describe, read_online, read_offline, write, apply, cut_over or administer
        action: AccessAction,
        /// With what: `service:NAME`, `service:NAME@V`, `view:NAME@V`, `source:NAME` or `project`
        resource: NamedResource,
        /// How the result is written
        #[command(flatten)]
        format: FormatArg,
    },
    /// Show who did what with what over a server in the last while, and how often
    Usage {
        /// How far to look back; 30 days at most are kept
        #[arg(long, value_name = "DURATION", default_value = "1d")]
        last: Span,
        /// How the result is written
        #[command(flatten)]
        format: FormatArg,
    },
}
