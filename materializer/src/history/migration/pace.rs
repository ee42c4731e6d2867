//! How fast rows are read: a bucket of tokens that bounds it, and what it says of the time that is left. Pure: time is
//! an argument. Where a clock goes back, no time has passed.

use std::num::NonZeroU64;
use std::time::Duration;

use feature::Micros;

const SECOND_US: i64 = 1_000_000;

/// Bounds how many rows are read in a second: each row takes a token, and tokens come at the rate of the bound. It never
/// holds more than a second's worth, so that a pause is not followed by a burst.
#[derive(Clone, Debug)]
pub(crate) struct TokenBucket {
    rate: NonZeroU64,
    /// In millionths of a token; negative where more were taken than there were.
    tokens: i128,
    at: Micros,
}

impl TokenBucket {
    /// A bucket that is empty at this moment.
    pub(crate) fn new(rows_per_second: NonZeroU64, at: Micros) -> Self {
        Self { rate: rows_per_second, tokens: 0, at }
    }

    /// Takes a token for each of these rows. Gives for how long the next rows have to wait.
    pub(crate) fn take(&mut self, rows: u64, now: Micros) -> Duration {
        let rate = i128::from(self.rate.get());
        let passed = i128::from(now.since(self.at).max(0));
        self.at = now;
        self.tokens = (self.tokens + passed * rate).min(rate * i128::from(SECOND_US));
        self.tokens -= i128::from(rows) * i128::from(SECOND_US);
        let missing = (-self.tokens).max(0);
        let wait = (missing + rate - 1) / rate;
        Duration::from_micros(u64::try_from(wait).unwrap_or(u64::MAX))
    }
}

/// Rows a second, and the time that is left at that rate.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Pace {
    /// Rows that were read in a second; `None` before there is anything to say.
    pub rows_per_second: Option<f64>,
    /// How long the rows that are left take; `None` if that is not known.
    pub left: Option<Duration>,
}

impl Pace {
    /// The pace of a process that has read `rows` since `began`, and has `left` to read.
    pub fn of(rows: u64, began: Micros, now: Micros, left: u64) -> Self {
        let seconds = now.since(began) as f64 / SECOND_US as f64;
        let rate = (seconds > 0.0 && rows > 0).then(|| rows as f64 / seconds);
        let time = rate.map(|rate| left as f64 / rate);
        Self { rows_per_second: rate, left: time.and_then(|time| Duration::try_from_secs_f64(time).ok()) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(micros: i64) -> Micros {
        Micros::new(micros).unwrap()
    }

    fn rate(rows: u64) -> NonZeroU64 {
        NonZeroU64::new(rows).unwrap()
    }

    #[test]
    fn rows_beyond_the_rate_wait_for_their_tokens() {
        let mut bucket = TokenBucket::new(rate(1_000), at(0));
        assert_eq!(bucket.take(500, at(0)), Duration::from_millis(500));
        assert_eq!(bucket.take(500, at(500_000)), Duration::from_millis(500));
        // Idle for an hour, it gives one second's worth and no more.
        assert_eq!(bucket.take(2_000, at(3_600_000_000)), Duration::from_secs(1));
    }

    #[test]
    fn a_clock_that_goes_back_neither_gives_tokens_nor_takes_any() {
        let mut bucket = TokenBucket::new(rate(1_000), at(10_000_000));
        assert_eq!(bucket.take(1_000, at(10_000_000)), Duration::from_secs(1));
        assert_eq!(bucket.take(0, at(2_000_000)), Duration::from_secs(1));
        // From there on its time goes on.
        assert_eq!(bucket.take(0, at(2_400_000)), Duration::from_millis(600));
        let pace = Pace::of(1_000, at(10_000_000), at(2_000_000), 1_000);
        assert_eq!((pace.rows_per_second, pace.left), (None, None));
    }

    #[test]
    fn the_time_that_is_left_follows_the_rate_so_far() {
        let pace = Pace::of(2_000, at(0), at(4_000_000), 1_000);
        assert_eq!((pace.rows_per_second, pace.left), (Some(500.0), Some(Duration::from_secs(2))));
        assert_eq!(Pace::of(0, at(0), at(4_000_000), 1_000).left, None);
    }

    proptest! {
        #[test]
        fn who_waits_as_long_as_it_says_never_reads_faster_than_the_rate(
            batches in prop::collection::vec(1_u64..5_000, 1..50), limit in 1_u64..10_000,
        ) {
            let mut bucket = TokenBucket::new(rate(limit), at(0));
            let (mut now, mut rows) = (0_u64, 0_u64);
            for batch in batches {
                now += bucket.take(batch, at(now as i64)).as_micros() as u64;
                rows += batch;
                prop_assert!(u128::from(rows) * 1_000_000 <= u128::from(limit) * u128::from(now));
            }
        }
    }
}
