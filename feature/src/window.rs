//! Law 4: windows are sawtooth. The tail moves in hops aligned to the epoch, the head is exact.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::time::{Micros, Span, floor};

/// A window of a length and a hop; the length is a multiple of the hop.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Window {
    length: Span,
    hop: Span,
}

/// A window whose length is not a multiple of its hop.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("a window of {length} is not a multiple of its hop of {hop}: the nearest that is, is {nearest}")]
pub struct WindowError {
    length: Span,
    hop: Span,
    nearest: Span,
}

impl Window {
    /// A window of `length` whose tail moves in steps of `hop`, or of the default hop of that
    /// length: 30 seconds under 1 hour, 5 minutes under 12 hours, 1 hour under 12 days, else 1 day.
    pub fn new(length: Span, hop: Option<Span>) -> Result<Window, WindowError> {
        let hop = hop.unwrap_or_else(|| default_hop(length));
        let (w, h) = (length.micros(), hop.micros());
        if w % h == 0 {
            return Ok(Window { length, hop });
        }
        let hops = ((w + h / 2) / h).max(1);
        let nearest = Span::of(hops, hop).unwrap_or(hop);
        Err(WindowError { length, hop, nearest })
    }

    /// How far back the window reaches from the start of the current hop.
    pub const fn length(self) -> Span {
        self.length
    }

    /// The step by which the tail moves.
    pub const fn hop(self) -> Span {
        self.hop
    }

    /// The earliest event time that the window at `at` holds, in microseconds: floor(at − W, H).
    pub fn tail(self, at: Micros) -> i64 {
        floor(at.get() - self.length.micros(), self.hop)
    }

    /// Whether the window at `at` holds a row of this event time. Both ends are inclusive.
    pub fn contains(self, event_time: Micros, at: Micros) -> bool {
        self.tail(at) <= event_time.get() && event_time <= at
    }

    /// The first moment, in microseconds, at which the window no longer holds a row of this
    /// event time: floor(event_time, H) + H + W.
    pub fn leaves_at(self, event_time: Micros) -> i64 {
        event_time.floor(self.hop) + self.hop.micros() + self.length.micros()
    }

    /// How many tiles of one hop the window spans, its head included: W / H + 1.
    pub fn tiles(self) -> i64 {
        self.length.micros() / self.hop.micros() + 1
    }
}

fn default_hop(length: Span) -> Span {
    match length {
        w if w < Span::HOUR => Span::HALF_MINUTE,
        w if w < Span::HALF_DAY => Span::FIVE_MINUTES,
        w if w < Span::TWELVE_DAYS => Span::HOUR,
        _ => Span::DAY,
    }
}

impl Span {
    const HALF_MINUTE: Span = Span::MINUTE.scaled(1, 2);
    const FIVE_MINUTES: Span = Span::MINUTE.scaled(5, 1);
    const HALF_DAY: Span = Span::DAY.scaled(1, 2);
    const TWELVE_DAYS: Span = Span::DAY.scaled(12, 1);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn window(length: &str) -> Window {
        Window::new(length.parse().unwrap(), None).unwrap()
    }

    #[test]
    fn the_default_hop_follows_the_length() {
        for (length, hop) in [("59m", "30s"), ("1h", "5m"), ("12h", "1h"), ("11d", "1h"), ("12d", "1d")] {
            assert_eq!(window(length).hop().to_string(), hop, "{length}");
        }
    }

    #[test]
    fn a_length_that_is_no_multiple_of_its_hop_names_the_nearest_that_is() {
        let error = Window::new("100m".parse().unwrap(), Some("15m".parse().unwrap())).unwrap_err();
        assert!(error.to_string().contains("the nearest that is, is 105m"), "{error}");
        let error = Window::new("10s".parse().unwrap(), None).unwrap_err();
        assert!(error.to_string().contains("30s"), "{error}");
    }

    proptest! {
        #[test]
        fn a_row_is_in_the_window_from_its_event_until_it_leaves(
            event in -10_000_000_000_i64..10_000_000_000,
            after in 0_i64..20_000_000_000,
            length in prop::sample::select(vec!["1m", "1h", "90m"]),
        ) {
            let window = window(length);
            let event_time = Micros::new(event).unwrap();
            let at = Micros::new(event + after).unwrap();
            prop_assert_eq!(window.contains(event_time, at), at.get() < window.leaves_at(event_time));
        }
    }
}
