//! What `backfill` takes: views to load at once, or one view whose dates are loaded one after the other.

use std::num::{NonZeroU64, NonZeroUsize};

use clap::{Args, Subcommand, ValueEnum};
use feature::Micros;
use twinstore::{DateOrder, EventDate, StartBackfill, ViewName};

use super::FormatArg;
use super::at_least_one::at_least_one;
use super::memory_size::memory_size;

/// What `backfill` does.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct BackfillCommand {
    /// A backfill that goes date by date
    #[command(subcommand)]
    pub dated: Option<DatedBackfill>,
    /// What a backfill at once takes
    #[command(flatten)]
    pub at_once: BackfillArgs,
}

/// What a backfill at once takes.
#[derive(Args, Debug)]
pub struct BackfillArgs {
    /// The view versions to load; one that is called like a subcommand is named with its version
    #[arg(value_name = "VIEW[@V]", required_unless_present = "all", conflicts_with = "all")]
    pub views: Vec<ViewName>,
    /// Load every registered view that has a batch source
    #[arg(long)]
    pub all: bool,
    /// Load only rows that happened at or after this time
    #[arg(long, value_name = "TIME")]
    pub from: Option<Micros>,
    /// Load only rows that happened before this time
    #[arg(long, value_name = "TIME")]
    pub to: Option<Micros>,
    /// How the result is written
    #[command(flatten)]
    pub format: FormatArg,
}

/// In which order dates are loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OrderArg {
    /// The newest date first
    Newest,
    /// The oldest date first
    Oldest,
}

impl From<OrderArg> for DateOrder {
    fn from(order: OrderArg) -> Self {
        match order {
            OrderArg::Newest => DateOrder::Newest,
            OrderArg::Oldest => DateOrder::Oldest,
        }
    }
}

/// What is done with a backfill that goes date by date.
#[derive(Subcommand, Debug)]
pub enum DatedBackfill {
    /// Load the history of a view date by date, each date checked before it is committed, and then all of it online
    ///
    /// The rows of a date (UTC, by event time) are one commit. Before it, their number is compared with the source's, and
    /// nulls, ranges and distributions with those of the version before on that date, or of the dates loaded before. A
    /// date that differs too much is set aside, and the others go on. Online rows are written once all dates are loaded.
    /// Killed at any moment, it is resumed and loads no date twice.
    Start(StartArgs),
    /// Show how far backfills by dates are
    Status {
        /// The view version; all that have a backfill where none is named
        #[arg(value_name = "VIEW[@V]")]
        view: Option<ViewName>,
        /// How the result is written
        #[command(flatten)]
        format: FormatArg,
    },
    /// Ask a running backfill to pause, and wait until it has
    Pause {
        /// The view version
        #[arg(value_name = "VIEW[@V]")]
        view: ViewName,
        /// How the result is written
        #[command(flatten)]
        format: FormatArg,
    },
    /// Go on with a backfill that was paused, interrupted or stopped, and try the dates again that have failed
    Resume {
        /// The view version
        #[arg(value_name = "VIEW[@V]")]
        view: ViewName,
        /// Load this date whatever its columns look like and however many rows are refused; the number of its rows is
        /// checked all the same
        #[arg(long, value_name = "DATE")]
        accept: Vec<EventDate>,
        /// How the result is written
        #[command(flatten)]
        format: FormatArg,
    },
    /// End a backfill for good; what it has loaded stays in the log
    ///
    /// The version stays incomplete, and no cutover takes it, until its history is loaded: another `backfill start` goes on
    /// with the dates that are left, and `backfill VIEW` loads them at once.
    Cancel {
        /// The view version
        #[arg(value_name = "VIEW[@V]")]
        view: ViewName,
        /// How the result is written
        #[command(flatten)]
        format: FormatArg,
    },
}

/// What `backfill start` takes.
#[derive(Args, Debug)]
pub struct StartArgs {
    /// The view version to load
    #[arg(value_name = "VIEW[@V]")]
    pub view: ViewName,
    /// Which dates come first
    #[arg(long, value_enum, default_value_t = OrderArg::Newest)]
    pub order: OrderArg,
    /// Load only rows that happened at or after this time
    #[arg(long, value_name = "TIME")]
    pub from: Option<Micros>,
    /// Load only rows that happened before this time
    #[arg(long, value_name = "TIME")]
    pub to: Option<Micros>,
    /// Read no more rows of the source in a second, so that streams and servers beside it keep their pace
    #[arg(long, value_name = "N", value_parser = at_least_one::<NonZeroU64>)]
    pub max_rows_per_second: Option<NonZeroU64>,
    /// How much memory rows may take, as in 256MB: dates that fit are read together, a larger one is written in parts
    #[arg(long, value_name = "SIZE", value_parser = memory_size, default_value = "256MB")]
    pub max_memory: u64,
    /// Read so many files side by side
    #[arg(long, value_name = "N", value_parser = at_least_one::<NonZeroUsize>, default_value = "1")]
    pub jobs: NonZeroUsize,
    /// Load this date whatever its columns look like and however many rows are refused; the number of its rows is
    /// checked all the same
    #[arg(long, value_name = "DATE")]
    pub accept: Vec<EventDate>,
    /// How the result is written
    #[command(flatten)]
    pub format: FormatArg,
}

impl StartArgs {
    /// What the library is to start.
    pub fn start(&self) -> StartBackfill {
        StartBackfill {
            order: self.order.into(),
            range: twinstore::EventRange { from: self.from, to: self.to },
            max_rows_per_second: self.max_rows_per_second,
            max_memory: self.max_memory,
            jobs: self.jobs,
            accepted: self.accept.iter().copied().collect(),
            ..StartBackfill::of(self.view.clone())
        }
    }
}
