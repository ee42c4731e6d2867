//! What tests do to a stream from inside: they end the process after a step of the protocol, or put it to
//! sleep there, or take one of its guards away, so that a checker that finds nothing wrong is known to look. Nobody else does.

use std::process::Command;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use super::protocol::Step;

/// A place at which the process ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Point {
    /// The places of partitions are known, and nothing was read yet.
    Located,
    /// A flush is transformed and folded in memory.
    Transformed,
    /// Its refused rows are in the dead letters.
    Refused,
    /// Half of its entities are online.
    HalfWritten,
    /// All of its entities are online.
    Written,
    /// The moment of the acknowledgement is taken.
    Stamped,
    /// The file with its rows is there, and no commit that names it.
    FileWritten,
    /// Its rows and positions are committed.
    Committed,
    /// The broker was told.
    Acknowledged,
    /// An online store that lost rows has those of the log again, and the flush begins anew.
    Rebuilt,
}

impl Point {
    /// Every place, in the order of a flush.
    pub const ALL: [Point; 10] = [
        Point::Located,
        Point::Transformed,
        Point::Refused,
        Point::HalfWritten,
        Point::Written,
        Point::Stamped,
        Point::FileWritten,
        Point::Committed,
        Point::Acknowledged,
        Point::Rebuilt,
    ];

    /// What settings and reports call it.
    pub const fn name(self) -> &'static str {
        match self {
            Point::Located => "located",
            Point::Transformed => "transformed",
            Point::Refused => "refused",
            Point::HalfWritten => "half-written",
            Point::Written => "written",
            Point::Stamped => "stamped",
            Point::FileWritten => "file-written",
            Point::Committed => "committed",
            Point::Acknowledged => "acknowledged",
            Point::Rebuilt => "rebuilt",
        }
    }

    /// The place that a step which succeeded leads to.
    pub(crate) fn after(step: &Step) -> Option<Self> {
        match step {
            Step::Locate(_) => Some(Point::Located),
            Step::Transform => Some(Point::Transformed),
            Step::Refuse => Some(Point::Refused),
            Step::Write => Some(Point::Written),
            Step::Stamp => Some(Point::Stamped),
            Step::Commit(_) => Some(Point::Committed),
            Step::Acknowledge(_) => Some(Point::Acknowledged),
            Step::Receive { .. }
            | Step::Forget
            | Step::Compare(_)
            | Step::Rest { .. }
            | Step::Done
            | Step::Halt(_) => None,
        }
    }
}

/// What keeps rows from being lost, doubled or taken back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Guard {
    /// A fold passes over rows at or below the position that it holds.
    Positions,
    /// An online row is written only where the one that is there has folded nothing else.
    CompareAndSet,
    /// Positions lie in the commit of their rows.
    OneCommit,
}

/// What is done to a stream; by default nothing.
#[derive(Debug, Default)]
pub struct Trial {
    strike: Option<Strike>,
    without: Option<Guard>,
}

/// Where the process ends or falls asleep, and how often it passes there before.
#[derive(Debug)]
struct Strike {
    at: Point,
    passes_left: AtomicU64,
    is_sleep: bool,
}

impl Trial {
    /// Ends the process as soon as it has been at a place so many times.
    pub fn end(at: Point, times: u64) -> Self {
        Self::strike(at, times, false)
    }

    /// Puts the process to sleep as soon as it has been at a place so many times, until somebody wakes it.
    pub fn sleep(at: Point, times: u64) -> Self {
        Self::strike(at, times, true)
    }

    fn strike(at: Point, times: u64, is_sleep: bool) -> Self {
        let strike = Strike { at, passes_left: AtomicU64::new(times.max(1)), is_sleep };
        Self { strike: Some(strike), without: None }
    }

    /// The same without a guard.
    #[must_use]
    pub fn without(self, guard: Guard) -> Self {
        Self { without: Some(guard), ..self }
    }

    /// Whether the process ends or sleeps here, or goes on: says that it was at a place.
    pub(crate) fn strikes_at(&self, point: Point) -> bool {
        self.strike
            .as_ref()
            .filter(|strike| strike.at == point)
            .is_some_and(|strike| strike.passes_left.fetch_sub(1, Ordering::Relaxed) == 1)
    }

    /// Ends the process, as a kill does: nothing is flushed, nothing is told. Or stops all of it, until it is
    /// woken.
    pub(crate) fn strike_now(&self) {
        if self.strike.as_ref().is_none_or(|strike| !strike.is_sleep) {
            std::process::abort();
        }
        let own = std::process::id().to_string();
        if !Command::new("kill").args(["-STOP", &own]).status().is_ok_and(|status| status.success()) {
            std::process::abort();
        }
    }

    /// Strikes where it is to strike.
    pub(crate) fn pass(&self, point: Point) {
        if self.strikes_at(point) {
            self.strike_now();
        }
    }

    /// Whether a guard is there.
    pub fn has(&self, guard: Guard) -> bool {
        self.without != Some(guard)
    }
}

impl FromStr for Point {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Point::ALL.into_iter().find(|point| point.name() == name);
        found.ok_or_else(|| {
            format!("`{name}` is no place to end at: name one of {}", Point::ALL.map(Point::name).join(", "))
        })
    }
}

impl FromStr for Guard {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "positions" => Ok(Guard::Positions),
            "compare-and-set" => Ok(Guard::CompareAndSet),
            "one-commit" => Ok(Guard::OneCommit),
            _ => Err(format!("`{name}` is no guard: name `positions`, `compare-and-set` or `one-commit`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_ends_at_the_pass_that_is_named_and_nowhere_else() {
        let trial = Trial::end(Point::Written, 2);
        assert!(!trial.strikes_at(Point::Stamped));
        assert!(!trial.strikes_at(Point::Written));
        assert!(trial.strikes_at(Point::Written));
        assert!(Point::ALL.into_iter().all(|point| !Trial::default().strikes_at(point)));
    }

    #[test]
    fn every_place_is_found_by_its_name() {
        for point in Point::ALL {
            assert_eq!(point.name().parse(), Ok(point));
        }
        assert!("elsewhere".parse::<Point>().unwrap_err().contains("half-written"));
    }
}
