//! What `training-set` takes.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use feature::ServiceRef;

use super::FormatArg;
use super::at_least_one::at_least_one;
use super::memory_size::memory_size;

/// Which rows a training set may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AsOfArg {
    /// Those that could have been read at the label's moment
    Available,
    /// Those that had happened, read or not: this leaks
    Event,
}

/// What `training-set` does.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct TrainingSetCommand {
    /// Something else than building
    #[command(subcommand)]
    pub other: Option<TrainingSetOther>,
    /// What building takes
    #[command(flatten)]
    pub build: TrainingSetArgs,
}

/// What is done with a training set that was built.
#[derive(Subcommand, Debug)]
pub enum TrainingSetOther {
    /// Make a training set again from its manifest, and say whether it is equal, or where not
    ///
    /// The logs are read at the versions that the manifest names.
    Verify {
        /// The training set; its manifest lies beside it
        file: PathBuf,
        /// How the result is written
        #[command(flatten)]
        format: FormatArg,
    },
}

/// What building a training set takes.
#[derive(Args, Debug)]
pub struct TrainingSetArgs {
    /// The service whose features are wanted: a name for its live version, or name@version
    #[arg(long, value_name = "S[@V]", required = true)]
    pub service: Option<ServiceRef>,
    /// The file of entities and label times: .parquet, .csv or .arrow
    #[arg(long, value_name = "FILE", required = true)]
    pub spine: Option<PathBuf>,
    /// The spine's column of label times
    #[arg(long, value_name = "COLUMN", required = true)]
    pub time: Option<String>,
    /// The file to write: .parquet, .csv or .arrow
    #[arg(long, value_name = "FILE", required = true)]
    pub out: Option<PathBuf>,
    /// Which rows a label may see
    #[arg(long, value_enum, default_value_t = AsOfArg::Available)]
    pub as_of: AsOfArg,
    /// Add the event time, availability and age of each view
    #[arg(long)]
    pub explain: bool,
    /// Read logs with this many threads; one for each core where it is not given
    #[arg(long, value_name = "N", value_parser = at_least_one::<NonZeroUsize>)]
    pub threads: Option<NonZeroUsize>,
    /// Keep within this much memory, as in 512MB or 4GB: a spine beyond it is joined in several parts,
    /// each of which reads the logs again
    #[arg(long, value_name = "SIZE", value_parser = memory_size)]
    pub max_memory: Option<u64>,
    /// Show this many rows of the result, from the first on at equal steps
    #[arg(long, value_name = "ROWS", default_value_t = 0)]
    pub preview: usize,
    /// How the result is written
    #[command(flatten)]
    pub format: FormatArg,
}
