//! The kinds of loads of history: which rows they take, and how these become available.

use super::event_range::EventRange;

/// How rows become available.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    /// The log first, with declared or simulated availability; then the online store from it.
    Backfill(EventRange),
    /// The online store first; then the log, stamped with the moment of the acknowledgement.
    Materialize,
    /// The same for the rows of a file that was quarantined, by its number, in the range in which it was validated.
    Release(u32, EventRange),
}

impl Mode {
    /// The event times that are loaded.
    pub(crate) fn range(self) -> EventRange {
        match self {
            Mode::Backfill(range) | Mode::Release(_, range) => range,
            Mode::Materialize => EventRange::default(),
        }
    }

    /// Whether its rows are of the past.
    pub(crate) fn is_backfill(self) -> bool {
        matches!(self, Mode::Backfill(_))
    }

    /// Whether rows are online before they are in the log.
    pub(crate) fn is_online_first(self) -> bool {
        !self.is_backfill()
    }

    /// The number of the quarantined file that is released.
    pub(crate) fn released(self) -> Option<u32> {
        match self {
            Mode::Release(number, _) => Some(number),
            Mode::Backfill(_) | Mode::Materialize => None,
        }
    }

    /// Whether everything that is new in the source is loaded.
    pub(crate) fn is_whole(self) -> bool {
        !matches!(self, Mode::Release(..)) && self.range().is_all()
    }
}
