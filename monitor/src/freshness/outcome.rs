//! Whether one read was fresh. An entity may be quiet for days, so its own row does not say whether the pipeline is
//! behind: a read is as stale as the newest event that the pipeline of its view has brought online, or as its own row
//! where that is newer.

use feature::{Micros, Span};

/// How old the knowledge of a pipeline may be and still be taken as of the moment of the read, in microseconds: it is
/// carried from the process that follows the stream to the one that answers.
const CARRIED_WITHIN_US: i64 = 10_000_000;

/// How far the pipeline of a view is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pipeline {
    /// The newest event time that is online.
    pub newest: Micros,
    /// When that was so.
    pub as_of: Micros,
}

/// What a read counts as; the order is that in which the worst of several counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ReadOutcome {
    /// The entity was never seen: nothing can be said of its freshness.
    Missing,
    /// At most as stale as promised.
    Good,
    /// It is not known how far the pipeline is.
    Unknown,
    /// Staler than promised.
    Bad,
}

impl ReadOutcome {
    /// Every outcome, in order.
    pub const ALL: [ReadOutcome; 4] =
        [ReadOutcome::Missing, ReadOutcome::Good, ReadOutcome::Unknown, ReadOutcome::Bad];

    /// What metrics call it.
    pub const fn name(self) -> &'static str {
        match self {
            ReadOutcome::Missing => "missing",
            ReadOutcome::Good => "good",
            ReadOutcome::Unknown => "unknown",
            ReadOutcome::Bad => "bad",
        }
    }

    /// The outcome of a read at a moment: of the row with this event time, `None` if the entity has no row.
    pub fn of_read(at: Micros, within: Span, row: Option<Micros>, pipeline: Option<Pipeline>) -> Self {
        match row {
            None => Self::Missing,
            Some(row) if at.since(row) <= within.micros() => Self::Good,
            Some(_) => Self::of_pipeline(at, within, pipeline),
        }
    }

    /// The outcome of a read of any entity: what a probe counts where nobody reads.
    pub fn of_pipeline(at: Micros, within: Span, pipeline: Option<Pipeline>) -> Self {
        match pipeline {
            None => Self::Unknown,
            Some(pipeline) if pipeline.staleness_us(at) <= within.micros() => Self::Good,
            Some(_) => Self::Bad,
        }
    }
}

impl Pipeline {
    /// What is known of it at a moment. Of a moment before it was looked at nothing is, if it has events since.
    pub fn known_at(self, at: Micros) -> Option<Self> {
        (at >= self.as_of || self.newest <= at).then_some(self)
    }

    /// The same for whoever reads nothing that happened after a moment.
    #[must_use]
    pub fn up_to(self, moment: Micros) -> Self {
        Self { newest: self.newest.min(moment), ..self }
    }

    /// How far it is behind at a moment, in microseconds. Knowledge that is a few seconds old is taken as it was then;
    /// older knowledge means that nobody carries on, so the time since counts.
    pub fn staleness_us(&self, at: Micros) -> i64 {
        let is_current = at.since(self.as_of) <= CARRIED_WITHIN_US;
        let seen_at = if is_current { self.as_of.min(at) } else { at };
        seen_at.since(self.newest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_moment_before_newer_events_a_pipeline_says_nothing() {
        let at = |seconds: i64| Micros::new(seconds * 1_000_000).unwrap();
        let pipeline = Pipeline { newest: at(50), as_of: at(100) };
        assert_eq!(pipeline.known_at(at(200)), Some(pipeline));
        assert_eq!(pipeline.known_at(at(60)), Some(pipeline));
        assert_eq!(pipeline.known_at(at(40)), None);
        // A producer's clock is ahead.
        let ahead = Pipeline { newest: at(150), ..pipeline };
        assert_eq!(ahead.known_at(at(120)), Some(ahead));
    }

    #[test]
    fn what_came_after_the_last_good_moment_makes_no_read_fresh() {
        let at = |seconds: i64| Micros::new(seconds * 1_000_000).unwrap();
        let pipeline = Pipeline { newest: at(99), as_of: at(100) };
        let outcome = |pipeline| ReadOutcome::of_read(at(100), Span::MINUTE, Some(at(3)), Some(pipeline));
        assert_eq!(outcome(pipeline), ReadOutcome::Good);
        assert_eq!(outcome(pipeline.up_to(at(50))), ReadOutcome::Good);
        assert_eq!(outcome(pipeline.up_to(at(30))), ReadOutcome::Bad);
    }
}
