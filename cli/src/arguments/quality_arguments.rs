//! The arguments of `quality`.

use clap::{Args, Subcommand};
use feature::Name;
use twinstore::{EventDate, Reason, ViewName};

use super::FormatArg;

/// What `quality` does.
#[derive(Subcommand, Debug)]
pub enum QualityCommand {
    /// Look at files of history that were quarantined, and decide what happens to them
    #[command(subcommand)]
    Quarantine(QuarantineCommand),
    /// Show what the columns of a view hold, by the date on which their rows happened
    ///
    /// They are counted while rows are written. Rows that nobody has counted, as those of a process that was killed, are
    /// counted first.
    Statistics(StatisticsArgs),
    /// Show what a source promises, what is checked of it on load, and who depends on it
    Contract {
        /// The source
        #[arg(value_name = "SOURCE")]
        source: Name,
        /// How the result is written
        #[command(flatten)]
        format: FormatArg,
    },
}

/// What `quality statistics` takes.
#[derive(Args, Debug)]
pub struct StatisticsArgs {
    /// The view version; the version may be left out where there is one
    #[arg(value_name = "VIEW[@V]")]
    pub view: ViewName,
    /// Only rows that happened on this date
    #[arg(long, value_name = "DATE")]
    pub day: Option<EventDate>,
    /// How the result is written
    #[command(flatten)]
    pub format: FormatArg,
}

/// What `drift` takes.
#[derive(Args, Debug)]
pub struct DriftArgs {
    /// The view version; the version may be left out where there is one
    #[arg(value_name = "VIEW[@V]")]
    pub view: ViewName,
    /// A training set, for the rows that the log had when it was made; or the dates on which rows happened
    #[arg(long, value_name = "FILE|DATE|FROM..TO")]
    pub reference: String,
    /// The dates that are measured, both included; without them all that came after the reference
    #[arg(long, value_name = "FROM..TO", value_parser = days)]
    pub live: Option<(EventDate, EventDate)>,
    /// How the result is written
    #[command(flatten)]
    pub format: FormatArg,
}

/// Dates from one to another, as in `2013-06-01..2013-06-07`.
pub fn days(text: &str) -> Result<(EventDate, EventDate), String> {
    let (from, to) = text.split_once("..").unwrap_or((text, text));
    let date = |text: &str| text.parse::<EventDate>().map_err(|error| error.to_string());
    match (date(from)?, date(to)?) {
        (from, to) if from <= to => Ok((from, to)),
        (from, to) => Err(format!("{from} is after {to}: write the earlier date first")),
    }
}

/// What `quality quarantine` does.
#[derive(Subcommand, Debug)]
pub enum QuarantineCommand {
    /// List the quarantined files, and what was decided of each
    List {
        /// The view versions; all where none is named
        #[arg(value_name = "VIEW[@V]")]
        views: Vec<ViewName>,
        /// How the result is written
        #[command(flatten)]
        format: FormatArg,
    },
    /// Show why a file was quarantined, with some of the rows that fail
    Show {
        /// The view version; the version may be left out where there is one
        #[arg(value_name = "VIEW[@V]")]
        view: ViewName,
        /// The number of the batch
        #[arg(value_name = "BATCH")]
        batch: u32,
        /// How the result is written
        #[command(flatten)]
        format: FormatArg,
    },
    /// Load the rows of a quarantined file which its view takes
    ///
    /// Rows that fail an expectation go to the dead letters, as those of any file. The others are available from now
    /// on: no label before sees them. Where it is interrupted, running it again goes on from there.
    Release(DecideArgs),
    /// Decide that the rows of a quarantined file are never loaded
    Drop(DecideArgs),
}

/// What is decided of which batch.
#[derive(Args, Debug)]
pub struct DecideArgs {
    /// The view version; the version may be left out where there is one
    #[arg(value_name = "VIEW[@V]")]
    pub view: ViewName,
    /// The number of the batch
    #[arg(value_name = "BATCH")]
    pub batch: u32,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<Reason>,
    /// How the result is written
    #[command(flatten)]
    pub format: FormatArg,
}
