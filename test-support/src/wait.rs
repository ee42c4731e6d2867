//! Waiting for a condition, with a bound.

use std::time::{Duration, Instant};

/// How long a server may take to do what a test waits for.
pub const BOUND: Duration = Duration::from_secs(60);

/// Waits until a condition holds. Panics with `what` if it never does.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < BOUND, "never: {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}
