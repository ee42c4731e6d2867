//! The faults that tests inject into a stream: the end of the process after a step of the protocol, its suspension there,
//! or a guard that is off.

use std::str::FromStr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use offline::suspend;

use super::{FaultPoint, Guard};

/// The faults of a stream; by default none.
#[derive(Debug, Default)]
pub struct FaultInjection {
    /// Each counts its passes from when the one before it struck.
    strikes: Vec<Strike>,
    struck: AtomicUsize,
    without: Option<Guard>,
}

/// Where the process ends or is suspended, and how often it passes there before.
#[derive(Debug)]
struct Strike {
    at: FaultPoint,
    passes_left: AtomicU64,
    is_suspension: bool,
}

impl FaultInjection {
    /// Ends the process once it has been at a point this many times.
    #[must_use]
    pub fn end(self, at: FaultPoint, times: u64) -> Self {
        self.strike(at, times, false)
    }

    /// Suspends the process once it has been at a point this many times, until it is resumed.
    #[must_use]
    pub fn suspend(self, at: FaultPoint, times: u64) -> Self {
        self.strike(at, times, true)
    }

    fn strike(mut self, at: FaultPoint, times: u64, is_suspension: bool) -> Self {
        self.strikes.push(Strike { at, passes_left: AtomicU64::new(times.max(1)), is_suspension });
        self
    }

    fn next(&self) -> Option<&Strike> {
        self.strikes.get(self.struck.load(Ordering::Relaxed))
    }

    /// The same with a guard switched off.
    #[must_use]
    pub fn without(self, guard: Guard) -> Self {
        Self { without: Some(guard), ..self }
    }

    /// Counts a pass of a point, and returns whether the process ends or is suspended there.
    pub(crate) fn strikes_at(&self, point: FaultPoint) -> bool {
        self.next()
            .filter(|strike| strike.at == point)
            .is_some_and(|strike| strike.passes_left.fetch_sub(1, Ordering::Relaxed) == 1)
    }

    /// Ends the process as a kill does: nothing is flushed. Or suspends all of it, until it is resumed.
    pub(crate) fn strike_now(&self) {
        if self.next().is_none_or(|strike| !strike.is_suspension) {
            std::process::abort();
        }
        self.struck.fetch_add(1, Ordering::Relaxed);
        if !suspend() {
            std::process::abort();
        }
    }

    /// Passes a point, and strikes if it is due there.
    pub(crate) fn pass(&self, point: FaultPoint) {
        if self.strikes_at(point) {
            self.strike_now();
        }
    }

    /// Whether a guard is on.
    pub fn has(&self, guard: Guard) -> bool {
        self.without != Some(guard)
    }
}

impl FaultPoint {
    /// Every point, in the order of a flush.
    pub const ALL: [FaultPoint; 10] = [
        FaultPoint::Located,
        FaultPoint::Transformed,
        FaultPoint::Refused,
        FaultPoint::HalfWritten,
        FaultPoint::Written,
        FaultPoint::Stamped,
        FaultPoint::FileWritten,
        FaultPoint::Committed,
        FaultPoint::Acknowledged,
        FaultPoint::Rebuilt,
    ];

    /// What settings and reports call it.
    pub const fn name(self) -> &'static str {
        match self {
            FaultPoint::Located => "located",
            FaultPoint::Transformed => "transformed",
            FaultPoint::Refused => "refused",
            FaultPoint::HalfWritten => "half-written",
            FaultPoint::Written => "written",
            FaultPoint::Stamped => "stamped",
            FaultPoint::FileWritten => "file-written",
            FaultPoint::Committed => "committed",
            FaultPoint::Acknowledged => "acknowledged",
            FaultPoint::Rebuilt => "rebuilt",
        }
    }
}

impl FromStr for FaultPoint {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = FaultPoint::ALL.into_iter().find(|point| point.name() == name);
        found.ok_or_else(|| {
            format!(
                "`{name}` is not a point of a stream: name one of {}",
                FaultPoint::ALL.map(FaultPoint::name).join(", ")
            )
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
            _ => Err(format!(
                "`{name}` is not a guard of a stream: name `positions`, `compare-and-set` or `one-commit`"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_ends_at_the_pass_that_is_named_and_nowhere_else() {
        let faults = FaultInjection::default().end(FaultPoint::Written, 2);
        assert!(!faults.strikes_at(FaultPoint::Stamped));
        assert!(!faults.strikes_at(FaultPoint::Written));
        assert!(faults.strikes_at(FaultPoint::Written));
        assert!(FaultPoint::ALL.into_iter().all(|point| !FaultInjection::default().strikes_at(point)));
    }

    #[test]
    fn every_point_is_found_by_its_name() {
        for point in FaultPoint::ALL {
            assert_eq!(point.name().parse(), Ok(point));
        }
        assert!("elsewhere".parse::<FaultPoint>().unwrap_err().contains("half-written"));
    }
}
