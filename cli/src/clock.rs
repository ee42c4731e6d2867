//! The one clock.

use std::time::{SystemTime, UNIX_EPOCH};

use feature::Micros;

/// What time it is, in UTC microseconds.
pub fn now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).ok().and_then(|micros| Micros::new(micros).ok()).unwrap_or(Micros::MAX)
}
