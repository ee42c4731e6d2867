//! How many requests a client sends beyond one for each call. Where all servers have too much to do, requests that are
//! repeated make it worse; with a budget they cannot be many.

use std::sync::atomic::{AtomicI64, Ordering};

/// The bound of requests that are repeated or hedged: a share of the calls, and a number that may be used up at once.
///
/// Over any time, these requests are at most `burst` and `percent` of the calls in that time. A request for which no connection was
/// made, so that no server had anything to do with it, does not count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RetryBudget {
    /// The share of calls, in percent.
    pub percent: u32,
    /// How many are allowed at once after a quiet time, and at the start.
    pub burst: u32,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self { percent: 10, burst: 10 }
    }
}

/// Parts of one request.
const ONE: i64 = 100;

/// A token bucket that calls fill.
#[derive(Debug)]
pub(super) struct Budget {
    left: AtomicI64,
    earned: i64,
    most: i64,
}

impl Budget {
    pub fn new(bounds: RetryBudget) -> Self {
        let most = i64::from(bounds.burst) * ONE;
        Self { left: AtomicI64::new(most), earned: i64::from(bounds.percent), most }
    }

    /// A call begins.
    pub fn earn(&self) {
        let more = |left: i64| (left < self.most).then(|| (left + self.earned).min(self.most));
        // Full is full.
        let _ = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }

    /// Takes one request, where there is one.
    pub fn spend(&self) -> bool {
        let less = |left: i64| (left >= ONE).then_some(left - ONE);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_time_has_more_than_the_burst_and_the_share_of_its_calls(
            percent in 0..50_u32,
            burst in 0..8_u32,
            steps in prop::collection::vec(prop::bool::weighted(0.6), 1..300),
            from in 0..300_usize,
        ) {
            let budget = Budget::new(RetryBudget { percent, burst });
            let (mut calls, mut extra) = (0, 0);
            for (index, is_call) in steps.into_iter().enumerate() {
                if is_call {
                    budget.earn();
                    calls += u32::from(index >= from);
                } else if budget.spend() {
                    extra += u32::from(index >= from);
                }
                prop_assert!(extra * 100 <= burst * 100 + calls * percent, "{extra} beside {calls}");
            }
        }
    }

    #[test]
    fn what_was_spent_comes_back_with_calls() {
        let budget = Budget::new(RetryBudget { percent: 10, burst: 1 });
        assert_eq!([budget.spend(), budget.spend()], [true, false]);
        (0..9).for_each(|_| budget.earn());
        assert!(!budget.spend());
        budget.earn();
        assert!(budget.spend());
    }
}
