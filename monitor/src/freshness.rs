//! Freshness as a service level objective: which reads are good, how much of the error budget is left, how fast it
//! burns, and which stage of the pipeline is the cause. Time is always an argument.
//!
//! `outcome` decides for one read, `windows` adds counts up over time, `burn` says which alert fires, `standing` is the
//! whole answer for one objective, and `pipeline` finds the stage.

mod burn;
mod frequency;
mod missing;
#[cfg(test)]
mod naive;
mod objective;
mod outcome;
mod pipeline;
mod standing;
mod windows;

pub use burn::{BurnRule, Severity};
pub use frequency::UpdateFrequency;
pub use missing::MissingRise;
pub use objective::Objective;
pub use outcome::{Pipeline, ReadOutcome};
pub use pipeline::{Cause, PartitionProgress, PipelineFacts, Stage, StageTime};
pub use standing::{Burn, Standing};
pub use windows::{CountedSlot, ReadCounts};
