//! What `stream`, `serve` and `push` take.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use feature::{Name, Span};
use twinstore::ViewName;

use super::FormatArg;
use super::at_least_one::at_least_one;
use super::memory_size::memory_size;

/// What `stream` takes.
#[derive(Args, Debug)]
pub struct StreamArgs {
    /// The view versions to follow; where none is named, all whose source has a stream, and what is derived from them is loaded
    #[arg(value_name = "VIEW[@V]")]
    pub views: Vec<ViewName>,
    /// Stop once everything is in both stores that the topics hold now. What another process reads, as `serve` does, is
    /// waited for, as long as it goes on
    #[arg(long)]
    pub until_caught_up: bool,
    /// The share of bad rows, from 0 to 1, beyond which a view's stream stops reading a partition of Kafka; of a topic on disk it reads on, and says so
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    pub max_bad_share: f64,
    /// How long a row may wait for others before it is written
    #[arg(long, value_name = "DURATION", default_value = "100ms")]
    pub flush_after: Span,
    /// Rows of one flush at most
    #[arg(long, value_name = "ROWS", value_parser = at_least_one::<NonZeroUsize>, default_value = "20000")]
    pub flush_rows: NonZeroUsize,
    /// Answer /metrics at this address, in the text format of Prometheus
    #[arg(long, value_name = "HOST:PORT")]
    pub metrics: Option<String>,
    /// How much memory the folds of each view may take
    #[arg(long, value_name = "SIZE", value_parser = memory_size, default_value = "256MB")]
    pub fold_memory: u64,
    /// How the result is written
    #[command(flatten)]
    pub format: FormatArg,
}

/// What `serve` takes.
#[derive(Args, Debug)]
pub struct ServeArgs {
    /// Take pushed rows, and leave it to `twinstore stream` to bring them into both stores
    #[arg(long)]
    pub no_streams: bool,
    /// The share of bad rows, from 0 to 1, beyond which `/health` names a view
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    pub max_bad_share: f64,
    /// Show no pages for operators at the address of HTTP
    #[arg(long)]
    pub no_pages: bool,
}

/// What `push` takes.
#[derive(Args, Debug)]
pub struct PushArgs {
    /// The source whose stream the rows are of
    pub source: Name,
    /// A file with a JSON object on each line; stdin where none is named
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// How the result is written
    #[command(flatten)]
    pub format: FormatArg,
}
