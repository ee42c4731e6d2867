//! What commands take that replace a version by the next one and end it.

use std::path::PathBuf;

use clap::Args;
use feature::{Micros, Name, Percent, TimeError, VersionId};
use twinstore::{CompareVersions, Reason};

use super::{FormatArg, KindArg};

/// What `parity` takes.
#[derive(Args, Debug)]
pub struct ParityArgs {
    /// The version that is used now, as in `late_arrival@1`
    #[arg(value_name = "OLD@V")]
    pub old: VersionId,
    /// The version that is to replace it
    #[arg(value_name = "NEW@V")]
    pub new: VersionId,
    /// Compare at so many rows of the old version's logs, at most
    #[arg(long, value_name = "N", default_value_t = CompareVersions::DEFAULT_ROWS, conflicts_with = "spine",
          value_parser = clap::value_parser!(u64).range(1..=CompareVersions::MOST_ROWS))]
    pub rows: u64,
    /// Compare at the entities and moments of this file instead: .parquet, .csv or .arrow
    #[arg(long, value_name = "FILE", requires = "time")]
    pub spine: Option<PathBuf>,
    /// The spine's column of moments
    #[arg(long, value_name = "COLUMN", requires = "spine")]
    pub time: Option<String>,
    /// Write the report as one HTML page with plots, too
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// How the result is written
    #[command(flatten)]
    pub format: FormatArg,
}

/// What `cutover` takes.
#[derive(Args, Debug)]
pub struct CutoverArgs {
    /// The version that is to answer its service's own name
    #[arg(value_name = "S@V")]
    pub to: VersionId,
    /// Answer for this share of the entities, in whole per cent: 0 ends the canary, 100 makes the version live
    #[arg(long, value_name = "N", default_value_t = Percent::ALL)]
    pub percent: Percent,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<Reason>,
    /// Cut over although gates fail, for this reason, which the audit log keeps with what they say
    #[arg(long = "override", value_name = "REASON")]
    pub overriding: Option<Reason>,
    /// How the result is written
    #[command(flatten)]
    pub format: FormatArg,
}

/// A date, whose midnight is meant, or a time.
fn date(text: &str) -> Result<Micros, TimeError> {
    text.parse().map_err(|error| match error {
        TimeError::NotATime(text) => TimeError::NotADate(text),
        error => error,
    })
}

/// What `deprecate` takes.
#[derive(Args, Debug)]
pub struct DeprecateArgs {
    /// The version of a view or of a service
    #[arg(value_name = "NAME@V")]
    pub version: VersionId,
    /// When it is to be retired
    #[arg(long, value_name = "DATE", required_unless_present = "undo", value_parser = date)]
    pub sunset: Option<Micros>,
    /// Why, and what to use instead
    #[arg(long, value_name = "TEXT", required_unless_present = "undo")]
    pub reason: Option<Reason>,
    /// It is not to be retired after all
    #[arg(long, conflicts_with_all = ["sunset", "reason"])]
    pub undo: bool,
    /// What it is, where a name and version mean several things
    #[arg(long, value_name = "KIND")]
    pub kind: Option<KindArg>,
}

/// What `retire` takes.
#[derive(Args, Debug)]
pub struct RetireArgs {
    /// The version of a view or of a service
    #[arg(value_name = "NAME@V")]
    pub version: VersionId,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<Reason>,
    /// In an emergency, retire what reads it too, for this reason; not what a service's own name means
    #[arg(long = "override", value_name = "REASON")]
    pub overriding: Option<Reason>,
    /// What it is, where a name and version mean several things
    #[arg(long, value_name = "KIND")]
    pub kind: Option<KindArg>,
    /// How the result is written
    #[command(flatten)]
    pub format: FormatArg,
}

/// What `rollback` takes.
#[derive(Args, Debug)]
pub struct RollbackArgs {
    /// The service
    #[arg(value_name = "S")]
    pub service: Name,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<Reason>,
    /// How the result is written
    #[command(flatten)]
    pub format: FormatArg,
}

/// What `audit` takes.
#[derive(Args, Debug)]
pub struct AuditArgs {
    /// Only entries about this name, or name@version
    #[arg(value_name = "NAME[@V]")]
    pub subject: Option<String>,
    /// How the result is written
    #[command(flatten)]
    pub format: FormatArg,
}
