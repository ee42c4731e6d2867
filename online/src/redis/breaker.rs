//! When a server that does not answer is left alone, and how many calls may be repeated: a pure state
//! machine, with time as an argument.
//!
//! Closed, all calls go through. After some failures in a row it opens: calls are refused at once, so
//! that nobody waits for what will not come. After a while one call is let through to see; its answer
//! closes the breaker, its failure opens it again. A repeated call costs a token; a call that succeeds
//! earns a tenth of one and a second a whole one, so that repeats stay a small part of the load when much
//! fails, and a quiet caller whose idle connection was closed always has one.

use std::time::Duration;

/// Tokens in tenths that are there at most, and at first.
const MOST_TENTHS: u32 = 100;
/// What a repeat costs.
const REPEAT_TENTHS: u32 = 10;

/// When it opens, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Failures in a row that open it.
    pub(super) failures: u32,
    /// How long it then refuses.
    pub(super) open_for: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// With so many failures in a row.
    Closed(u32),
    /// Until this moment.
    Open(Duration),
    /// One call was let through, and counts as failed from this moment on.
    Trying(Duration),
}

/// The breaker. Times are since any fixed moment.
#[derive(Debug)]
pub(super) struct Breaker {
    limits: Limits,
    state: State,
    tenths: u32,
    /// Up to when seconds have earned their tokens.
    earned: Duration,
}

impl Breaker {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, state: State::Closed(0), tenths: MOST_TENTHS, earned: Duration::ZERO }
    }

    /// Whether a call may go through now. One that may has to be followed by [`Breaker::succeeded`] or
    /// [`Breaker::failed`]; one that is dropped before is forgotten in the time that the breaker stays open.
    pub(super) fn admit(&mut self, now: Duration) -> bool {
        match self.state {
            State::Closed(_) => true,
            State::Open(until) | State::Trying(until) if now < until => false,
            State::Open(_) | State::Trying(_) => {
                self.state = State::Trying(now + self.limits.open_for);
                true
            }
        }
    }

    /// The server answered, whatever it said.
    pub(super) fn succeeded(&mut self) {
        self.state = State::Closed(0);
        self.tenths = (self.tenths + 1).min(MOST_TENTHS);
    }

    /// The server did not answer. Whether this opened the breaker.
    pub(super) fn failed(&mut self, now: Duration) -> bool {
        let failures = match self.state {
            State::Closed(failures) => failures + 1,
            // What was under way when it opened tells nothing new.
            State::Open(_) => return false,
            State::Trying(_) => self.limits.failures,
        };
        let opens = failures >= self.limits.failures;
        self.state = if opens { State::Open(now + self.limits.open_for) } else { State::Closed(failures) };
        opens
    }

    /// Whether a call may be repeated; pays for it.
    pub(super) fn repeat(&mut self, now: Duration) -> bool {
        let seconds = now.saturating_sub(self.earned).as_secs();
        self.earned += Duration::from_secs(seconds);
        let earned = u32::try_from(seconds).unwrap_or(u32::MAX).saturating_mul(REPEAT_TENTHS);
        self.tenths = self.tenths.saturating_add(earned).min(MOST_TENTHS);
        match self.tenths.checked_sub(REPEAT_TENTHS) {
            Some(left) => {
                self.tenths = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn breaker() -> Breaker {
        Breaker::new(Limits { failures: 3, open_for: at(10) })
    }

    fn opened() -> Breaker {
        let mut breaker = breaker();
        assert!(!breaker.failed(at(0)) && !breaker.failed(at(0)) && breaker.failed(at(0)));
        breaker
    }

    #[test]
    fn failures_in_a_row_open_it_and_an_answer_in_between_does_not_count_as_one() {
        let mut breaker = breaker();
        for _ in 0..10 {
            assert!(!breaker.failed(at(0)) && !breaker.failed(at(0)));
            breaker.succeeded();
            assert!(breaker.admit(at(0)));
        }
        let mut opened = opened();
        assert!(!opened.admit(at(0)) && !opened.admit(at(9)));
    }

    #[test]
    fn after_a_while_one_call_is_let_through_and_decides() {
        let mut breaker = opened();
        assert!(breaker.admit(at(10)) && !breaker.admit(at(10)));
        assert!(breaker.failed(at(11)), "it opens again");
        assert!(!breaker.admit(at(20)) && breaker.admit(at(21)));
        breaker.succeeded();
        assert!(breaker.admit(at(21)) && breaker.admit(at(21)));
        assert!(!breaker.failed(at(21)), "it begins again");
    }

    #[test]
    fn a_call_that_never_ended_does_not_hold_it_open() {
        let mut breaker = opened();
        assert!(breaker.admit(at(10)));
        assert!(!breaker.admit(at(19)) && breaker.admit(at(20)));
    }

    #[test]
    fn what_was_under_way_when_it_opened_does_not_keep_it_open() {
        let mut breaker = opened();
        assert!(!breaker.failed(at(9)));
        assert!(breaker.admit(at(10)));
    }

    #[test]
    fn repeats_are_paid_for_by_calls_that_succeed_and_by_time() {
        let mut breaker = breaker();
        assert_eq!((0..20).filter(|_| breaker.repeat(at(0))).count(), 10);
        for _ in 0..9 {
            breaker.succeeded();
        }
        assert!(!breaker.repeat(at(0)));
        breaker.succeeded();
        assert!(breaker.repeat(at(0)) && !breaker.repeat(at(0)));
        assert!(breaker.repeat(at(1)) && !breaker.repeat(at(1)));
        assert_eq!((0..20).filter(|_| breaker.repeat(at(1000))).count(), 10);
    }
}
