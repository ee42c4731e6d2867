//! What observed values and counts say: how the values of two versions of a feature differ and whether that is within
//! bounds, and whether reads were as fresh as promised.
//!
//! Rules are pure functions of values: no I/O, no clock, no columns. Every figure is the same to the bit in whatever
//! order values come, and memory is bounded whatever their number. Where values come from, and what follows from a
//! verdict, is for the crates above.
//!
//! ```
//! # use twinstore_monitor as monitor;
//! use feature::Scalar;
//! use monitor::{Bounds, Comparison, Measure, Observed, Pair, Verdict};
//!
//! let minutes = Measure::of(Scalar::Float64.into(), Scalar::Float64.into());
//! let mut comparison = Comparison::new(minutes, 65_536);
//! for delay in 1..=100 {
//!     let (old, new) = (f64::from(delay), f64::from(delay) * 60.0);
//!     comparison.add(&Pair { old: Observed::Float(old), new: Observed::Float(new), statuses: None });
//! }
//! let figures = comparison.figures();
//! assert!(figures.psi.is_some_and(|psi| psi > 0.25));
//! assert_eq!(figures.likely_causes()[0].to_string(), "the new values are 60 times the old ones, as from minutes to seconds, or hours to minutes");
//! let judgement = Bounds::DEFAULT.check(&figures, false);
//! assert_eq!(judgement.verdict, Verdict::Outside);
//! ```

mod bars;
mod batch;
mod bounds;
mod breaker;
mod cause;
mod comparison;
mod counts;
mod diagnosis;
mod distance;
mod drift;
mod figures;
mod freshness;
#[cfg(test)]
mod golden;
mod key;
mod largest;
mod moments;
mod observed;
mod quantiles;
mod served;
mod statistics;
mod statistics_stored;
#[cfg(test)]
mod tests;
mod value_change;
mod vectors;

pub use bars::Bar;
pub use batch::{BatchFacts, BatchVerdict};
pub use bounds::{Bounds, Exceeded, Figure, Judgement, Verdict};
pub use breaker::{BadShare, BreakerStep, ShareWindow, breaker_step};
pub use cause::LikelyCause;
pub use comparison::Comparison;
pub use diagnosis::{Area, Condition, Finding, next_step, probable_cause};
pub use drift::{Drift, DriftVerdict, LEAST_ROWS};
pub use figures::{Figures, MeanShift, Nulls, StatusChange};
pub use freshness::{
    Burn, BurnRule, Cause, CountedSlot, MissingRise, Objective, PartitionProgress, Pipeline, PipelineFacts,
    ReadCounts, ReadOutcome, Severity, Stage, StageTime, Standing, UpdateFrequency,
};
pub use largest::Largest;
pub use observed::{Measure, Observed, Pair};
pub use quantiles::QuantilePair;
pub use served::{ServedDifference, served_differences};
pub use statistics::{MOST_BUCKETS, Statistics, TopValue};
pub use value_change::{ValueChange, fewer_rows, slow_drift, value_changes};
pub use vectors::Mmd;
