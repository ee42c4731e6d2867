//! The range of event times that a backfill loads.

use std::fmt;

use feature::Micros;

/// The event times that a backfill loads: from inclusive, to exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventRange {
    /// The first moment; `None` for the beginning.
    pub from: Option<Micros>,
    /// The moment before which to stop; `None` for the end.
    pub to: Option<Micros>,
}

impl fmt::Display for EventRange {
    /// As a part of a sentence, such as `from 2013-06-01T00:00:00Z on`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.from, self.to) {
            (None, None) => f.write_str("of all times"),
            (Some(from), None) => write!(f, "from {from} on"),
            (None, Some(to)) => write!(f, "before {to}"),
            (Some(from), Some(to)) => write!(f, "from {from} to {to}"),
        }
    }
}

impl EventRange {
    /// Whether every row is in it.
    pub fn is_all(self) -> bool {
        self.from.is_none() && self.to.is_none()
    }

    /// Whether a row with this event time is in it. One without is if the range has no beginning.
    pub(crate) fn contains_row(self, event_time: Option<i64>) -> bool {
        match event_time {
            Some(event_time) => self.contains(event_time),
            None => self.from.is_none(),
        }
    }

    fn contains(self, event_time: i64) -> bool {
        self.from.is_none_or(|from| from.get() <= event_time)
            && self.to.is_none_or(|to| event_time < to.get())
    }
}
