//! How long requests take, as counts of bounded size in which newer ones weigh more, for the 95th percentile.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Buckets of one doubling: a bound is at most an eighth too large.
const FINE: u64 = 8;
/// Up to 2^36 microseconds, which is nineteen hours.
const BUCKETS: usize = 36 * FINE as usize;
/// Requests until a percentile is worth something, and between two computations of it.
const EVERY: u32 = 32;
/// When so many are counted, all counts are halved.
const MOST: u32 = 1_024;

#[derive(Debug)]
pub(super) struct Latencies {
    counts: [AtomicU32; BUCKETS],
    seen: AtomicU32,
    /// 0 where there is none yet.
    p95_us: AtomicU64,
}

impl Default for Latencies {
    fn default() -> Self {
        let counts = [const { AtomicU32::new(0) }; BUCKETS];
        Self { counts, seen: AtomicU32::new(0), p95_us: AtomicU64::new(0) }
    }
}

/// A request that is timed until it is dropped.
pub(super) struct Timed<'a> {
    latencies: &'a Latencies,
    began: Instant,
}

impl Drop for Timed<'_> {
    fn drop(&mut self) {
        self.latencies.took(self.began.elapsed());
    }
}

impl Latencies {
    pub fn time(&self) -> Timed<'_> {
        Timed { latencies: self, began: Instant::now() }
    }

    /// The time that 95 of 100 requests take at most; `None` until enough were seen.
    pub fn p95(&self) -> Option<Duration> {
        let micros = self.p95_us.load(Ordering::Relaxed);
        (micros > 0).then(|| Duration::from_micros(micros))
    }

    fn took(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        if let Some(count) = self.counts.get(bucket(micros)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let seen = self.seen.fetch_add(1, Ordering::Relaxed) + 1;
        if seen.is_multiple_of(EVERY) {
            self.compute();
        }
        if seen >= MOST {
            self.halve();
        }
    }

    fn compute(&self) {
        let counts: Vec<u32> = self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        let all: u64 = counts.iter().map(|count| u64::from(*count)).sum();
        let mut below = 0;
        for (index, count) in counts.into_iter().enumerate() {
            below += u64::from(count);
            if below * 100 >= all * 95 {
                self.p95_us.store(bound(index), Ordering::Relaxed);
                return;
            }
        }
    }

    /// Requests that are counted meanwhile may be lost: it is an estimate.
    fn halve(&self) {
        for count in &self.counts {
            count.store(count.load(Ordering::Relaxed) / 2, Ordering::Relaxed);
        }
        self.seen.store(MOST / 2, Ordering::Relaxed);
    }
}

/// The bucket of a time: those of each doubling are equally wide.
fn bucket(micros: u64) -> usize {
    let micros = micros.max(FINE);
    let doubling = u64::from(micros.ilog2()) - u64::from(FINE.ilog2());
    let within = (micros >> doubling) - FINE;
    usize::try_from(doubling * FINE + within).unwrap_or(usize::MAX).min(BUCKETS - 1)
}

/// The least time that is above a bucket.
fn bound(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    (bucket % FINE + FINE + 1) << (bucket / FINE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_time_is_below_the_bound_of_its_bucket_by_an_eighth_at_most(micros in 8..1_u64 << 38) {
            let bound = bound(bucket(micros));
            prop_assert!(micros >= 1 << 39 || bound > micros && bound <= micros + micros / 8 + 1, "{bound}");
        }
    }

    #[test]
    fn the_percentile_is_that_of_the_newer_requests() {
        let latencies = Latencies::default();
        let took = |times, millis| (0..times).for_each(|_| latencies.took(Duration::from_millis(millis)));
        took(31, 10);
        assert_eq!(latencies.p95(), None);
        took(1, 10);
        let about = |millis: u64| {
            let p95 = latencies.p95().unwrap();
            assert!(
                p95 > Duration::from_millis(millis) && p95 <= Duration::from_millis(millis) * 9 / 8,
                "{p95:?}"
            );
        };
        about(10);
        took(3_000, 40);
        about(40);
        took(9_000, 5);
        about(5);
    }
}
