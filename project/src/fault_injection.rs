//! Which faults the environment asks for in tests: where a command or stream ends or suspends itself, which guard is off,
//! and how wrong the clock is. Without the feature `fault-injection` the environment is not read, and builds without
//! debug assertions never read it.
//!
//! `TWINSTORE_TRIAL_END` and `TWINSTORE_TRIAL_SLEEP` are `POINT` or `POINT:PASSES`,
//! `TWINSTORE_TRIAL_WITHOUT` a guard; `TWINSTORE_TRIAL_BATCH_…` are the same of batch commands.
//! Where a stream is to suspend itself and to end, the passes of its end count from when it is resumed.
//! `TWINSTORE_TRIAL_CLOCK_S` is how many seconds the clock is ahead, or behind if it is negative.

#[cfg(feature = "fault-injection")]
mod environment;

#[cfg(feature = "fault-injection")]
pub use environment::{begin_batch, clock_ahead_us};

#[cfg(feature = "fault-injection")]
pub(crate) use environment::{of_stream, written_by};

#[cfg(not(feature = "fault-injection"))]
use materializer::FaultInjection;
#[cfg(not(feature = "fault-injection"))]
use online::Store;

#[cfg(not(feature = "fault-injection"))]
use crate::error::ProjectError;

/// The faults of the streams of this process: none.
#[cfg(not(feature = "fault-injection"))]
pub(crate) fn of_stream() -> Result<FaultInjection, ProjectError> {
    Ok(FaultInjection::default())
}

/// The store that a stream with these faults writes to.
#[cfg(not(feature = "fault-injection"))]
pub(crate) fn written_by(_faults: &FaultInjection, online: Store) -> Store {
    online
}

/// Begins the faults of the batch command of this process: none.
#[cfg(not(feature = "fault-injection"))]
pub fn begin_batch() -> Result<(), ProjectError> {
    Ok(())
}

/// How many microseconds the clock is ahead: 0.
#[cfg(not(feature = "fault-injection"))]
pub fn clock_ahead_us() -> i64 {
    0
}
