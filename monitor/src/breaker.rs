//! When the circuit breaker of a view opens by itself, stays open, and closes: from counts and moments alone.

use std::collections::VecDeque;

use feature::{Bound, Micros, Span};

/// How many of some rows are bad.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BadShare {
    /// Bad ones.
    pub bad: u64,
    /// All of them.
    pub rows: u64,
}

impl BadShare {
    /// Whether more than this share of them is bad. Of fewer rows than `least` nothing is said, unless none at all may be bad.
    pub fn exceeds(self, bound: Bound, least: u64) -> bool {
        let is_enough = self.rows >= least.max(1) || bound.get() == 0.0;
        is_enough && self.bad as f64 > bound.get() * self.rows as f64
    }
}

/// What was counted in the last while, from counters that only grow; one that is smaller than before has begun again.
#[derive(Clone, Debug, Default)]
pub struct ShareWindow {
    newest: BadShare,
    /// What each look found to be new, the oldest first.
    looks: VecDeque<(Micros, BadShare)>,
}

impl ShareWindow {
    /// Counts what is new at a moment, and forgets what is older than the window.
    pub fn count(&mut self, total: BadShare, window: Span, at: Micros) {
        let has_begun_again = total.rows < self.newest.rows || total.bad < self.newest.bad;
        let before = if has_begun_again { BadShare::default() } else { self.newest };
        let new = BadShare { bad: total.bad - before.bad, rows: total.rows - before.rows };
        self.newest = total;
        if new.rows > 0 {
            self.looks.push_back((at, new));
        }
        while self.looks.front().is_some_and(|(look, _)| at.since(*look) > window.micros()) {
            self.looks.pop_front();
        }
    }

    /// Forgets what was counted so far: what comes from now on decides.
    pub fn forget(&mut self) {
        self.looks.clear();
    }

    /// All of the window.
    pub fn share(&self) -> BadShare {
        self.looks.iter().fold(BadShare::default(), |sum, (_, look)| BadShare {
            bad: sum.bad + look.bad,
            rows: sum.rows + look.rows,
        })
    }
}

/// What is done with a breaker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BreakerStep {
    /// Nothing.
    Stay,
    /// It is opened.
    Open,
    /// It is open, and a rule is still broken.
    HoldOpen,
    /// It is closed.
    Close,
}

/// What is done with a breaker that was last found broken at `open_since` if a rule has opened it, `None` if it is closed.
/// `is_broken` is `None` where the rule cannot be checked here.
pub fn breaker_step(
    open_since: Option<Micros>,
    is_broken: Option<bool>,
    close_after: Span,
    now: Micros,
) -> BreakerStep {
    match (open_since, is_broken) {
        (None, Some(true)) => BreakerStep::Open,
        (Some(_), Some(true)) => BreakerStep::HoldOpen,
        (Some(broken_at), Some(false)) if now.since(broken_at) >= close_after.micros() => BreakerStep::Close,
        _ => BreakerStep::Stay,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Micros {
        Micros::new(seconds * 1_000_000).unwrap()
    }

    fn bound(share: f64) -> Bound {
        Bound::new(share).unwrap()
    }

    #[test]
    fn a_share_is_exceeded_by_more_than_the_bound_of_enough_rows() {
        let share = |bad, rows| BadShare { bad, rows };
        assert!(!share(5, 100).exceeds(bound(0.05), 100));
        assert!(share(6, 100).exceeds(bound(0.05), 100));
        assert!(!share(99, 99).exceeds(bound(0.05), 100));
        assert!(share(1, 3).exceeds(bound(0.0), 100), "where none may be bad, one is enough");
        assert!(!share(0, 0).exceeds(bound(0.0), 0));
    }

    #[test]
    fn a_window_that_is_forgotten_begins_with_what_comes_next() {
        let mut window = ShareWindow::default();
        window.count(BadShare { bad: 5, rows: 10 }, Span::MINUTE, at(0));
        window.forget();
        assert_eq!(window.share(), BadShare::default());
        window.count(BadShare { bad: 6, rows: 14 }, Span::MINUTE, at(1));
        assert_eq!(window.share(), BadShare { bad: 1, rows: 4 });
    }

    #[test]
    fn a_window_holds_what_came_in_it_also_if_the_counters_begin_again() {
        let mut window = ShareWindow::default();
        let mut count = |bad, rows, seconds| {
            window.count(BadShare { bad, rows }, Span::MINUTE, at(seconds));
            let BadShare { bad, rows } = window.share();
            (bad, rows)
        };
        assert_eq!(count(1, 10, 0), (1, 10));
        assert_eq!(count(3, 20, 30), (3, 20));
        assert_eq!(count(3, 20, 60), (3, 20));
        assert_eq!(count(3, 20, 61), (2, 10), "what came at 0 is older than a minute");
        assert_eq!(count(4, 5, 62), (6, 15), "the stream began again");
        assert_eq!(count(4, 5, 200), (0, 0));
    }

    #[test]
    fn a_breaker_opens_where_a_rule_is_broken_and_closes_once_it_was_kept_for_long_enough() {
        let step = |open, is_broken, now| breaker_step(open, is_broken, Span::MINUTE, at(now));
        assert_eq!(step(None, Some(true), 0), BreakerStep::Open);
        assert_eq!(step(None, Some(false), 0), BreakerStep::Stay);
        assert_eq!(step(Some(at(0)), Some(true), 1_000), BreakerStep::HoldOpen);
        assert_eq!(step(Some(at(0)), Some(false), 59), BreakerStep::Stay);
        assert_eq!(step(Some(at(0)), Some(false), 60), BreakerStep::Close);
        assert_eq!(step(Some(at(0)), None, 1_000), BreakerStep::Stay, "nobody closes what they cannot check");
    }
}
