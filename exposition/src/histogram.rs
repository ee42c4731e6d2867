//! A histogram with fixed bounds: what is observed costs two additions, and nothing ever waits.

use std::sync::atomic::{AtomicU64, Ordering};

/// How often values up to each bound were observed, and their sum.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    /// One for each bound, and one for what is beyond them all.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// What a histogram has counted up to one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counts {
    /// Each bound with how many values were at most that.
    pub up_to: Vec<(u64, u64)>,
    /// How many values there were.
    pub count: u64,
    /// Their sum.
    pub sum: u64,
}

impl Histogram {
    /// An empty one; the bounds ascend.
    pub fn new(bounds: &'static [u64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum: AtomicU64::new(0) }
    }

    /// Counts a value.
    pub fn observe(&self, value: u64) {
        let index = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get(index) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        // A sum that would overflow stays at the largest one.
        if self.sum.fetch_add(value, Ordering::Relaxed).checked_add(value).is_none() {
            self.sum.store(u64::MAX, Ordering::Relaxed);
        }
    }

    /// Whether nothing was observed yet.
    pub fn is_empty(&self) -> bool {
        self.counts.iter().all(|count| count.load(Ordering::Relaxed) == 0)
    }

    /// How many values lie in each bucket, with its bound; `None` is beyond the last bound.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<u64>, u64)> {
        let bounds = self.bounds.iter().map(|bound| Some(*bound)).chain([None]);
        bounds.zip(self.counts.iter().map(|count| count.load(Ordering::Relaxed)))
    }

    /// The bound of the bucket that holds this share of the values; `None` if there are no values, or if it lies beyond
    /// the last bound.
    pub fn quantile(&self, share: f64) -> Option<u64> {
        let buckets: Vec<(Option<u64>, u64)> = self.buckets().collect();
        let count: u64 = buckets.iter().map(|(_, count)| count).sum();
        let rank = (count as f64 * share).ceil() as u64;
        let mut seen = 0;
        let bucket = buckets.into_iter().find(|(_, count)| {
            seen += count;
            seen >= rank && seen > 0
        });
        bucket?.0
    }

    /// What it has counted. Values that are observed meanwhile may be in the sum and not yet in the counts.
    pub fn counts(&self) -> Counts {
        let mut count = 0;
        let mut so_far = |counted: &AtomicU64| {
            count += counted.load(Ordering::Relaxed);
            count
        };
        let up_to = self.bounds.iter().zip(&self.counts).map(|(bound, n)| (*bound, so_far(n))).collect();
        if let Some(beyond) = self.counts.last() {
            so_far(beyond);
        }
        Counts { up_to, count, sum: self.sum.load(Ordering::Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_counts_under_every_bound_that_it_does_not_pass() {
        let histogram = Histogram::new(&[1, 10]);
        [0, 1, 2, 10, 11].into_iter().for_each(|value| histogram.observe(value));
        assert_eq!(histogram.counts(), Counts { up_to: vec![(1, 2), (10, 4)], count: 5, sum: 24 });
    }

    #[test]
    fn a_quantile_is_the_bound_of_the_bucket_that_holds_it() {
        let histogram = Histogram::new(&[10_000, 50_000]);
        assert_eq!(histogram.quantile(0.5), None);
        (0..98).for_each(|_| histogram.observe(7_000));
        histogram.observe(40_000);
        histogram.observe(u64::MAX);
        assert_eq!(histogram.quantile(0.5), Some(10_000));
        assert_eq!(histogram.quantile(0.99), Some(50_000));
        assert_eq!(histogram.quantile(1.0), None);
        assert_eq!(histogram.counts().sum, u64::MAX);
    }
}
