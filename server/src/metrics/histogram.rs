//! A histogram with fixed bounds: what is observed costs two additions, and nothing ever waits.

use std::sync::atomic::{AtomicU64, Ordering};

/// How often values up to each bound were observed, and their sum.
#[derive(Debug)]
pub(crate) struct Histogram {
    bounds: &'static [u64],
    /// One for each bound, and one for what is beyond them all.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// What a histogram held at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Held {
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
        let place = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get(place) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// What it holds. Values that are observed meanwhile may be in the sum and not yet in the counts.
    pub fn held(&self) -> Held {
        let mut count = 0;
        let mut so_far = |counted: &AtomicU64| {
            count += counted.load(Ordering::Relaxed);
            count
        };
        let up_to = self.bounds.iter().zip(&self.counts).map(|(bound, n)| (*bound, so_far(n))).collect();
        if let Some(beyond) = self.counts.last() {
            so_far(beyond);
        }
        Held { up_to, count, sum: self.sum.load(Ordering::Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_counts_under_every_bound_that_it_does_not_pass() {
        let histogram = Histogram::new(&[1, 10]);
        [0, 1, 2, 10, 11].into_iter().for_each(|value| histogram.observe(value));
        assert_eq!(histogram.held(), Held { up_to: vec![(1, 2), (10, 4)], count: 5, sum: 24 });
    }
}
