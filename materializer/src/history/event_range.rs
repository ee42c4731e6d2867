//! The range of event times that a backfill loads.

use feature::Micros;

/// The event times that a backfill loads: from inclusive, to exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventRange {
    /// The first moment; `None` for the beginning.
    pub from: Option<Micros>,
    /// The moment before which to stop; `None` for the end.
    pub to: Option<Micros>,
}

impl EventRange {
    /// Whether every row is in it.
    pub fn is_all(self) -> bool {
        self.from.is_none() && self.to.is_none()
    }

    pub(crate) fn contains(self, event_time: i64) -> bool {
        self.from.is_none_or(|from| from.get() <= event_time)
            && self.to.is_none_or(|to| event_time < to.get())
    }
}
