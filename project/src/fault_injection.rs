//! What the environment says for tests of faults: where a stream ends itself or falls asleep, which guard it
//! goes without, and how wrong the clock is. Ignored in release builds.
//!
//! `TWINSTORE_TRIAL_END` and `TWINSTORE_TRIAL_SLEEP` are `POINT` or `POINT:PASSES`,
//! `TWINSTORE_TRIAL_WITHOUT` a guard; `TWINSTORE_TRIAL_BATCH_…` are the same of batch commands.
//! `TWINSTORE_TRIAL_CLOCK_S` how many seconds the clock is ahead, or behind where it is negative.

use std::str::FromStr;
use std::sync::OnceLock;

use materializer::FaultInjection;
use offline::BatchTrial;

use crate::error::ProjectError;

/// What is done to the streams of this process.
pub(crate) fn of_stream() -> Result<FaultInjection, ProjectError> {
    let mut trial = FaultInjection::default();
    if let Some(place) = said("TWINSTORE_TRIAL_END") {
        let (point, passes) = place_of(&place)?;
        trial = FaultInjection::end(point, passes);
    }
    if let Some(place) = said("TWINSTORE_TRIAL_SLEEP") {
        let (point, passes) = place_of(&place)?;
        trial = FaultInjection::suspend(point, passes);
    }
    if let Some(guard) = said("TWINSTORE_TRIAL_WITHOUT") {
        trial = trial.without(guard.parse().map_err(ProjectError::FaultInjection)?);
    }
    Ok(trial)
}

/// Begins what is done to the batch command of this process.
pub fn begin_batch() -> Result<(), ProjectError> {
    let mut trial = BatchTrial::default();
    for (key, stops) in [("TWINSTORE_TRIAL_BATCH_END", false), ("TWINSTORE_TRIAL_BATCH_SLEEP", true)] {
        if let Some(place) = said(key) {
            let (point, pass) = place_of(&place)?;
            trial = trial.strike(point, pass, stops);
        }
    }
    if let Some(guard) = said("TWINSTORE_TRIAL_BATCH_WITHOUT") {
        trial = trial.without(guard.parse().map_err(ProjectError::FaultInjection)?);
    }
    trial.begin();
    Ok(())
}

/// A point, and at which of its passes something is done.
fn place_of<P: FromStr<Err = String>>(place: &str) -> Result<(P, u64), ProjectError> {
    let (point, passes) = place.split_once(':').unwrap_or((place, "1"));
    let passes = passes
        .parse()
        .map_err(|_| ProjectError::FaultInjection(format!("`{passes}` is not a valid pass count")))?;
    Ok((point.parse().map_err(ProjectError::FaultInjection)?, passes))
}

/// How many microseconds the clock is ahead: read once, and 0 in a release build.
pub fn clock_ahead_us() -> i64 {
    static AHEAD: OnceLock<i64> = OnceLock::new();
    *AHEAD.get_or_init(|| {
        let seconds = said("TWINSTORE_TRIAL_CLOCK_S").and_then(|text| text.parse::<i64>().ok());
        seconds.unwrap_or(0).saturating_mul(1_000_000)
    })
}

fn said(key: &str) -> Option<String> {
    if cfg!(debug_assertions) { std::env::var(key).ok() } else { None }
}
