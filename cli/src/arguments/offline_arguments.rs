//! The arguments of `offline`.

use clap::{Args, Subcommand};
use feature::Span;
use twinstore::{EstimateCost, Expire, Vacuum, ViewName};

use super::FormatArg;

/// What `offline` does.
#[derive(Subcommand, Debug)]
pub enum OfflineCommand {
    /// Compact the small files of logs, and lay rows of one entity side by side
    ///
    /// What the logs say does not change. Readers and writers go on; training sets of older versions
    /// can still be made, so no file is deleted: `vacuum` does that.
    Optimize {
        /// The view versions whose logs are compacted; all where none is named
        #[arg(value_name = "VIEW[@V]")]
        views: Vec<ViewName>,
        /// How the result is written
        #[command(flatten)]
        format: FormatArg,
    },
    /// Drop rows that are older than the retention of their views
    ///
    /// Whole dates go that lie before now less `retention: {offline: …}`: from the log in one commit, and the online rows of
    /// entities that have no others. What was loaded stays known, and is not loaded again. Labels that need rows that are
    /// gone are refused. Their files lie there until a vacuum.
    Expire(ExpireArgs),
    /// Remove files that only older versions of logs have
    ///
    /// Compactions and `expire` leave the files of older versions behind. Those go that no version needs which was
    /// current lately, from which a training set was built that is there, or whose rows a derived view has not taken yet.
    /// Files go, too, that writers left which were killed, and checkpoints of older versions. Where files go, the online
    /// rows of the view are written again from its log first, so that they can be compared with it.
    Vacuum(VacuumArgs),
    /// Estimate what views take, and show what they really take
    ///
    /// The estimate is entities × rows that are kept of each × bytes of a row, before compression: of the log, of the online
    /// store and of statistics. Entities, how often one gets a row, and how long rows are kept are those of the project where
    /// they are not named. A text, bytes or list counts as 16 bytes. Prices are yours: without them no money is shown.
    Cost(CostArgs),
    /// List what was loaded into a view's log: when, from what, how many rows, and by which provenance
    Loads {
        /// The view version; the version may be left out where there is one
        #[arg(value_name = "VIEW[@V]")]
        view: ViewName,
        /// The newest of each kind, at most so many
        #[arg(long, value_name = "N", default_value_t = 20)]
        last: u32,
        /// How the result is written
        #[command(flatten)]
        format: FormatArg,
    },
}

/// What `offline expire` takes.
#[derive(Args, Debug)]
pub struct ExpireArgs {
    /// The view versions
    #[arg(value_name = "VIEW[@V]", required_unless_present = "all")]
    pub views: Vec<ViewName>,
    /// All views whose retention names `offline`
    #[arg(long, conflicts_with = "views")]
    pub all: bool,
    /// Only say what would go
    #[arg(long)]
    pub dry_run: bool,
    /// How the result is written
    #[command(flatten)]
    pub format: FormatArg,
}

impl ExpireArgs {
    /// Which rows to drop.
    pub fn request(&self) -> Expire {
        let views = if self.all { Vec::new() } else { self.views.clone() };
        Expire { views, dry_run: self.dry_run }
    }
}

/// What `offline cost` takes.
#[derive(Args, Debug)]
pub struct CostArgs {
    /// A service, whose views are meant, or a view; all views where none is named
    #[arg(value_name = "SERVICE[@V]|VIEW[@V]")]
    pub name: Option<String>,
    /// Estimate for so many entities
    #[arg(long, value_name = "N")]
    pub entities: Option<u64>,
    /// Estimate for an entity that gets a row so often
    #[arg(long, value_name = "DURATION")]
    pub every: Option<Span>,
    /// Estimate for rows that are kept so long
    #[arg(long, value_name = "DURATION")]
    pub kept_for: Option<Span>,
    /// What a GB of logs and statistics costs a month
    #[arg(long, value_name = "PRICE", value_parser = price)]
    pub log_price: Option<f64>,
    /// What a GB of the online store costs a month
    #[arg(long, value_name = "PRICE", value_parser = price)]
    pub online_price: Option<f64>,
    /// How the result is written
    #[command(flatten)]
    pub format: FormatArg,
}

impl CostArgs {
    /// What to estimate.
    pub fn request(&self) -> EstimateCost {
        EstimateCost {
            name: self.name.clone(),
            entities: self.entities,
            every: self.every,
            kept_for: self.kept_for,
        }
    }
}

/// A price: a number that is not negative.
fn price(text: &str) -> Result<f64, String> {
    let price = text.parse::<f64>().ok().filter(|price| price.is_finite() && *price >= 0.0);
    price.ok_or_else(|| format!("`{text}` is not a price: name a number, as 0.023"))
}

/// What `offline vacuum` takes.
#[derive(Args, Debug)]
pub struct VacuumArgs {
    /// The view versions; all where none is named
    #[arg(value_name = "VIEW[@V]")]
    pub views: Vec<ViewName>,
    /// Keep the versions that were current so long ago or later; by `offline.keep_versions_for` where it is not named.
    /// A program that reads an older version meanwhile fails
    #[arg(long, value_name = "DURATION")]
    pub keep_versions_for: Option<Span>,
    /// Keep the versions from which training sets were built that are no older; all where it is not named. One whose
    /// version is gone cannot be built again
    #[arg(long, value_name = "DURATION")]
    pub keep_training_sets_for: Option<Span>,
    /// Only say what would go
    #[arg(long)]
    pub dry_run: bool,
    /// How the result is written
    #[command(flatten)]
    pub format: FormatArg,
}

impl VacuumArgs {
    /// Which files to remove.
    pub fn request(&self) -> Vacuum {
        Vacuum {
            views: self.views.clone(),
            keep_versions_for: self.keep_versions_for,
            keep_training_sets_for: self.keep_training_sets_for,
            dry_run: self.dry_run,
        }
    }
}
