//! How a consumer is held to its share: the generic cell rate algorithm, a bucket of one number. A consumer that was
//! refused loses nothing by it, and what is refused costs the others nothing.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::consumer::Rate;

const NANOS: u64 = 1_000_000_000;

/// What one consumer has taken: when its share would be whole again, in nanoseconds of whoever says what now is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Bucket {
    whole_at: u64,
}

impl Bucket {
    /// Takes so many, or says how long it takes until there are as many. More than a burst are never there at once: they
    /// are taken once the bucket is full, and the next wait for them.
    pub fn take(&mut self, rate: Rate, count: u64, now: u64) -> Result<(), Duration> {
        let each = NANOS / u64::from(rate.per_second.max(1));
        let burst = u64::from(rate.burst.max(1));
        let depth = each.saturating_mul(burst);
        let needed = each.saturating_mul(count.min(burst));
        let from = self.whole_at.max(now);
        let allowed_at = from.saturating_add(needed).saturating_sub(depth);
        if allowed_at > now {
            return Err(Duration::from_nanos(allowed_at - now));
        }
        self.whole_at = from.saturating_add(each.saturating_mul(count));
        Ok(())
    }

    fn is_whole(&self, now: u64) -> bool {
        self.whole_at <= now
    }
}

/// A bucket for each consumer, by its name. Those that are whole are forgotten once there are many.
#[derive(Debug, Default)]
pub struct Buckets(Mutex<HashMap<String, Bucket>>);

impl Buckets {
    /// How many are kept; at one more, those that are whole are forgotten, and where none is, all.
    pub const MOST: usize = 10_000;

    /// Takes so many from the share of a consumer, or says how long it takes until there are as many.
    pub fn take(&self, consumer: &str, rate: Rate, count: u64, now: u64) -> Result<(), Duration> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get_mut(consumer) {
            return bucket.take(rate, count, now);
        }
        if buckets.len() >= Self::MOST {
            buckets.retain(|_, bucket| !bucket.is_whole(now));
        }
        if buckets.len() >= Self::MOST {
            buckets.clear();
        }
        buckets.entry(consumer.to_owned()).or_default().take(rate, count, now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RATE: Rate = Rate { per_second: 10, burst: 5 };

    #[test]
    fn a_burst_is_taken_at_once_and_then_so_many_a_second() {
        let mut bucket = Bucket::default();
        for _ in 0..5 {
            assert_eq!(bucket.take(RATE, 1, 0), Ok(()));
        }
        assert_eq!(bucket.take(RATE, 1, 0), Err(Duration::from_millis(100)));
        assert_eq!(bucket.take(RATE, 1, NANOS / 10), Ok(()));
        assert_eq!(bucket.take(RATE, 2, NANOS / 10), Err(Duration::from_millis(200)));
    }

    #[test]
    fn more_than_a_burst_is_taken_from_a_full_bucket_and_paid_for_afterwards() {
        let mut bucket = Bucket::default();
        assert_eq!(bucket.take(RATE, 20, 0), Ok(()));
        assert_eq!(bucket.take(RATE, 1, NANOS), Err(Duration::from_millis(600)));
        assert_eq!(bucket.take(RATE, 1, 16 * NANOS / 10), Ok(()));
    }

    #[test]
    fn one_consumer_takes_nothing_from_another_and_many_are_bounded() {
        let buckets = Buckets::default();
        assert_eq!(buckets.take("a", RATE, 5, 0), Ok(()));
        assert!(buckets.take("a", RATE, 1, 0).is_err());
        assert_eq!(buckets.take("b", RATE, 5, 0), Ok(()));
        for consumer in 0..2 * Buckets::MOST {
            let _ = buckets.take(&format!("c{consumer}"), RATE, 1, consumer as u64 * NANOS);
        }
        assert!(buckets.0.lock().unwrap().len() <= Buckets::MOST);
    }

    proptest! {
        /// Whatever is tried when, no more is taken in any time than the rate and one burst.
        #[test]
        fn never_more_is_taken_than_the_rate_and_one_burst(
            tries in proptest::collection::vec((0_u64..NANOS, 1_u64..4), 1..200)
        ) {
            let mut bucket = Bucket::default();
            let (mut now, mut taken) = (0, Vec::new());
            for (pause, count) in tries {
                now += pause / 4;
                if bucket.take(RATE, count, now).is_ok() {
                    taken.push((now, count));
                }
            }
            for (index, (begin, _)) in taken.iter().enumerate() {
                for (end, _) in &taken[index..] {
                    let sum: u64 = taken.iter().filter(|(at, _)| at >= begin && at <= end).map(|(_, n)| n).sum();
                    prop_assert!(sum <= u64::from(RATE.burst) + (end - begin) * 10 / NANOS + 1, "{sum}");
                }
            }
        }
    }
}
