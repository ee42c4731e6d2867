//! Whether a request that failed is sent again, and when: a pure function of how it failed.

use std::time::Duration;

use super::failure::Cause;

/// The longest pause before the second request; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// What a failed request leaves behind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Situation {
    /// How often it was sent.
    pub attempts: u32,
    pub most_attempts: u32,
    /// Whether sending it twice does what sending it once does.
    pub is_safe_twice: bool,
    /// Whether there is a server that is ready and to which it was not sent.
    pub has_other: bool,
    /// Whether there is a server to which it was not sent, ready or not.
    pub has_untried: bool,
    /// From 0 to 1.
    pub jitter: f64,
}

/// What is done next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    /// It is sent again after so long; `costs` where a server had something to do with it.
    After {
        wait: Duration,
        costs: bool,
    },
    GiveUp,
}

pub(super) fn next(cause: &Cause, situation: &Situation) -> Next {
    let Situation { attempts, most_attempts, is_safe_twice, has_other, has_untried, jitter } = *situation;
    // As a failed connection costs no server anything, the others are tried all the same.
    let is_free = *cause == Cause::NotSent && has_untried;
    if attempts >= most_attempts && !is_free {
        return Next::GiveUp;
    }
    let doubled = FIRST_PAUSE * 2_u32.saturating_pow(attempts.saturating_sub(1).min(16));
    let pause =
        if has_other || is_free { Duration::ZERO } else { doubled.min(LONGEST_PAUSE).mul_f64(jitter) };
    match *cause {
        // No server saw it, so that also a push is sent again.
        Cause::NotSent => Next::After { wait: pause, costs: false },
        // It was refused before anything of it was done.
        Cause::Busy(wait) => Next::After { wait: if has_other { Duration::ZERO } else { wait }, costs: true },
        Cause::TokenReplaced => Next::After { wait: Duration::ZERO, costs: true },
        Cause::Broken if is_safe_twice => Next::After { wait: pause, costs: true },
        // The store behind all servers may be what does not answer: it is given a moment.
        Cause::Unavailable if is_safe_twice => {
            Next::After { wait: doubled.min(LONGEST_PAUSE).mul_f64(jitter), costs: true }
        }
        Cause::Broken | Cause::Unavailable | Cause::Late | Cause::Refused => Next::GiveUp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUSY: Cause = Cause::Busy(Duration::from_millis(300));

    fn after(cause: Cause, change: impl FnOnce(&mut Situation)) -> Next {
        let mut situation = Situation {
            attempts: 1,
            most_attempts: 3,
            is_safe_twice: true,
            has_other: false,
            has_untried: false,
            jitter: 1.0,
        };
        change(&mut situation);
        next(&cause, &situation)
    }

    fn millis(wait: u64) -> Next {
        Next::After { wait: Duration::from_millis(wait), costs: true }
    }

    #[test]
    fn a_push_is_sent_again_only_where_no_server_has_begun_with_it() {
        let push = |cause| after(cause, |situation| situation.is_safe_twice = false);
        for cause in [Cause::Broken, Cause::Unavailable, Cause::Late, Cause::Refused] {
            assert_eq!(push(cause), Next::GiveUp, "{cause:?}");
        }
        assert_eq!(push(BUSY), millis(300));
        assert!(matches!(push(Cause::NotSent), Next::After { costs: false, .. }));
    }

    #[test]
    fn what_would_be_refused_again_is_not_sent_again() {
        assert_eq!([Cause::Late, Cause::Refused].map(|cause| after(cause, |_| {})), [Next::GiveUp; 2]);
        for cause in [Cause::Broken, Cause::Unavailable, BUSY, Cause::NotSent] {
            assert_eq!(after(cause, |situation| situation.attempts = 3), Next::GiveUp, "{cause:?}");
        }
    }

    #[test]
    fn another_server_is_tried_at_once_and_the_same_one_after_its_hint_or_a_pause_that_doubles() {
        assert_eq!(after(BUSY, |situation| situation.has_other = true), millis(0));
        assert_eq!(after(BUSY, |_| {}), millis(300));
        assert_eq!(after(Cause::Broken, |situation| situation.has_other = true), millis(0));
        let paused = |attempts| {
            after(Cause::Broken, |situation| {
                (situation.attempts, situation.most_attempts) = (attempts, 100);
            })
        };
        assert_eq!([1, 2, 3, 99].map(paused), [millis(10), millis(20), millis(40), millis(250)]);
        assert_eq!(after(Cause::Unavailable, |situation| situation.jitter = 0.5), millis(5));
    }

    #[test]
    fn every_server_is_tried_where_connections_cannot_be_made() {
        let next = after(Cause::NotSent, |situation| {
            (situation.attempts, situation.has_untried) = (9, true);
        });
        assert_eq!(next, Next::After { wait: Duration::ZERO, costs: false });
    }
}
