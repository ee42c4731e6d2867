//! Freshness objectives: what a server counts of its reads, carried into the registry, and how each objective stands.

mod cause;
mod counted;
mod counting;
mod objectives;
mod read_watch;

pub(crate) use cause::{before, help as cause_help, sentence as cause_sentence};
pub(crate) use counted::Counted;
pub(crate) use counting::{Counting, how_far};
pub(crate) use objectives::{
    moment_text, pipelines, reached, rises_of_missing, slo, some_moment_text, stage_of_latency, standings,
    standings_of,
};
pub(crate) use read_watch::{ReadWatch, Subject};

pub use objectives::{BurnRate, ObjectiveStanding, SloReport};
