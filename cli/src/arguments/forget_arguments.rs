//! What `forget` takes.

use clap::Args;
use feature::Name;
use twinstore::Reason;

use super::FormatArg;

/// What `forget` takes.
#[derive(Args, Debug)]
pub struct ForgetArgs {
    /// The entity with its key, as in `airport=LAX`; of an entity with several join keys each of them by its name
    #[arg(value_name = "NAME=VALUE", required = true)]
    pub keys: Vec<String>,
    /// The entity, where several have these join keys
    #[arg(long, value_name = "ENTITY")]
    pub entity: Option<Name>,
    /// Only say what would be removed
    #[arg(long)]
    pub dry_run: bool,
    /// Remove it: there is no way back
    #[arg(long, conflicts_with = "dry_run")]
    pub yes: bool,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<Reason>,
    /// How the result is written
    #[command(flatten)]
    pub format: FormatArg,
}
