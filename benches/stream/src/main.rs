//! What a stream is measured with: a topic filled with clicks at once or at a rate, and the bare loop
//! that does as much as any program must. `benches/stream/run` starts the servers and compares.

mod bare;
mod fill;

use std::error::Error;

use clap::{Args, Parser, Subcommand};

#[derive(Parser, Debug)]
#[command(about = "Fills a topic, and reads it as barely as can be.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Produce clicks into a topic
    Fill(fill::FillArgs),
    /// Consume JSON, write Parquet, and set values in Redis
    Bare(bare::BareArgs),
}

/// Which clicks.
#[derive(Args, Debug)]
struct TopicArgs {
    /// The brokers
    #[arg(long)]
    brokers: String,
    /// The topic, which is there
    #[arg(long)]
    topic: String,
    /// How many clicks
    #[arg(long)]
    records: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    match Arguments::parse().command {
        Command::Fill(args) => fill::fill(&args),
        Command::Bare(args) => bare::bare(&args),
    }
}
