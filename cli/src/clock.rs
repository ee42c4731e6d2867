//! The one clock, and what it is compared with before rows are stamped by it.

use std::time::{SystemTime, UNIX_EPOCH};

use feature::Micros;
use online::Store;

use crate::failure::Failure;
use crate::project::Project;
use crate::trial;

/// How far the clock may be off, in microseconds.
const BOUND_US: i64 = 60_000_000;

/// What time it is, in UTC microseconds.
pub fn now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let micros = i64::try_from(since.as_micros()).ok();
    let shown = micros.and_then(|micros| Micros::new(micros.saturating_add(trial::clock_ahead_us())).ok());
    shown.unwrap_or(Micros::MAX)
}

/// Refuses to go on where the clock is more than a minute off the clock of the logs' storage or of the online store.
/// What is loaded is stamped by it, and what readers see now is decided by it: rows would be seen too early, or
/// readers would be refused until the time has come.
pub async fn check(project: &Project, store: &Store) -> Result<(), Failure> {
    check_logs(project)?;
    check_store(store).await
}

/// The same of the logs' storage alone.
pub fn check_logs(project: &Project) -> Result<(), Failure> {
    let whose = format!("the storage of the logs ({})", project.settings.offline.url);
    compare(&whose, project.offline()?.moment()?)
}

/// The same of the online store alone.
pub async fn check_store(store: &Store) -> Result<(), Failure> {
    match store.moment().await? {
        Some(moment) => compare("the server of the online store", moment),
        None => Ok(()),
    }
}

fn compare(whose: &str, moment: Micros) -> Result<(), Failure> {
    let here = now();
    let off = here.since(moment);
    if off.abs() <= BOUND_US {
        return Ok(());
    }
    let (how, seconds) = (if off > 0 { "ahead of" } else { "behind" }, off.abs() / 1_000_000);
    Err(Failure::new(format!(
        "nothing was written: the clock of this machine ({here}) is {seconds} seconds {how} that of {whose} ({moment}): set it right and run this again"
    )))
}
