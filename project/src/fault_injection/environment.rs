//! The faults that the environment of this process asks for, read once for each command.

use std::str::FromStr;
use std::sync::OnceLock;

use materializer::{FaultInjection, Guard};
use offline::BatchFaults;
use online::Store;

use crate::error::ProjectError;

/// The faults of the streams of this process.
pub(crate) fn of_stream() -> Result<FaultInjection, ProjectError> {
    let mut faults = FaultInjection::default();
    if let Some(strike) = variable("TWINSTORE_TRIAL_SLEEP") {
        let (point, passes) = point_and_passes(&strike)?;
        faults = faults.suspend(point, passes);
    }
    if let Some(strike) = variable("TWINSTORE_TRIAL_END") {
        let (point, passes) = point_and_passes(&strike)?;
        faults = faults.end(point, passes);
    }
    if let Some(guard) = variable("TWINSTORE_TRIAL_WITHOUT") {
        faults = faults.without(guard.parse().map_err(ProjectError::FaultInjection)?);
    }
    Ok(faults)
}

/// The store that a stream with these faults writes to.
pub(crate) fn written_by(faults: &FaultInjection, online: Store) -> Store {
    if faults.has(Guard::CompareAndSet) { online } else { online.without_compare() }
}

/// Begins the faults of the batch command of this process.
pub fn begin_batch() -> Result<(), ProjectError> {
    let mut faults = BatchFaults::default();
    for (key, stops) in [("TWINSTORE_TRIAL_BATCH_END", false), ("TWINSTORE_TRIAL_BATCH_SLEEP", true)] {
        if let Some(strike) = variable(key) {
            let (point, pass) = point_and_passes(&strike)?;
            faults = faults.strike(point, pass, stops);
        }
    }
    if let Some(guard) = variable("TWINSTORE_TRIAL_BATCH_WITHOUT") {
        faults = faults.without(guard.parse().map_err(ProjectError::FaultInjection)?);
    }
    faults.begin();
    Ok(())
}

/// A point, and at which of its passes the fault strikes.
fn point_and_passes<P: FromStr<Err = String>>(strike: &str) -> Result<(P, u64), ProjectError> {
    let (point, passes) = strike.split_once(':').unwrap_or((strike, "1"));
    let passes = passes
        .parse()
        .map_err(|_| ProjectError::FaultInjection(format!("`{passes}` is not a valid pass count")))?;
    Ok((point.parse().map_err(ProjectError::FaultInjection)?, passes))
}

/// How many microseconds the clock is ahead: read once.
pub fn clock_ahead_us() -> i64 {
    static AHEAD: OnceLock<i64> = OnceLock::new();
    *AHEAD.get_or_init(|| {
        let seconds = variable("TWINSTORE_TRIAL_CLOCK_S").and_then(|text| text.parse::<i64>().ok());
        seconds.unwrap_or(0).saturating_mul(1_000_000)
    })
}

/// A release build of the whole workspace has the feature, and ignores it here.
fn variable(key: &str) -> Option<String> {
    if cfg!(debug_assertions) { std::env::var(key).ok() } else { None }
}
