//! The one clock.

use std::time::{SystemTime, UNIX_EPOCH};

use feature::Micros;
use twinstore::fault_injection;

/// What time it is, in UTC microseconds.
pub fn now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let micros = i64::try_from(since.as_micros()).ok();
    let ahead = fault_injection::clock_ahead_us();
    let shown = micros.and_then(|micros| Micros::new(micros.saturating_add(ahead)).ok());
    shown.unwrap_or(Micros::MAX)
}
