//! What a run saw, in numbers: rates a second, latencies in microseconds.

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::drive::Seen;
use crate::schedule::Arrivals;

/// Answers a second.
pub fn rate(seen: &Seen) -> f64 {
    seen.answered as f64 / seen.took.as_secs_f64()
}

/// Of a closed loop.
pub fn closed(seen: &Seen) -> Value {
    json!({
        "requests_per_s": rate(seen),
        "answered": seen.answered,
        "refused": seen.refused,
        "unfinished": seen.unfinished,
        "checked": seen.checked,
        "generator_busy": seen.busy,
    })
}

/// Of an open loop. Latencies count from when a request was due.
pub fn open(seen: &Seen, wanted: f64, arrivals: Arrivals) -> Value {
    json!({
        "rate": wanted,
        "arrivals": arrivals.name(),
        "requests_per_s": rate(seen),
        "answered": seen.answered,
        "refused": seen.refused,
        "unfinished": seen.unfinished,
        "checked": seen.checked,
        "latency_us": quantiles(&seen.latency),
        "own_delay_us": quantiles(&seen.own_delay),
        "generator_busy": seen.busy,
    })
}

fn quantiles(histogram: &Histogram<u64>) -> Value {
    json!({
        "p50": histogram.value_at_quantile(0.5),
        "p99": histogram.value_at_quantile(0.99),
        "p999": histogram.value_at_quantile(0.999),
        "max": histogram.max(),
    })
}
