//! The faults that tests inject into a batch command from inside: the end of the process at a point, its suspension
//! there, or a guard that is off. A process has one set of faults, which its command line sets before anything else.

use std::process::Command;
use std::str::FromStr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{BatchGuard, BatchPoint};

static FAULTS: OnceLock<BatchFaults> = OnceLock::new();

const POINTS: [(&str, BatchPoint); 36] = [
    ("extract-begun", BatchPoint::ExtractBegun),
    ("extract-written", BatchPoint::ExtractWritten),
    ("extracted", BatchPoint::Extracted),
    ("hashed", BatchPoint::Hashed),
    ("read", BatchPoint::Read),
    ("turn-taken", BatchPoint::TurnTaken),
    ("refused", BatchPoint::Refused),
    ("quarantined", BatchPoint::Quarantined),
    ("released", BatchPoint::Released),
    ("half-online", BatchPoint::HalfOnline),
    ("online", BatchPoint::Online),
    ("file-written", BatchPoint::FileWritten),
    ("committed", BatchPoint::Committed),
    ("settled", BatchPoint::Settled),
    ("date-kept", BatchPoint::DateKept),
    ("compaction-read", BatchPoint::CompactionRead),
    ("rebuilding", BatchPoint::Rebuilding),
    ("training-begun", BatchPoint::TrainingBegun),
    ("training-written", BatchPoint::TrainingWritten),
    ("manifest-removed", BatchPoint::ManifestRemoved),
    ("data-named", BatchPoint::DataNamed),
    ("retired", BatchPoint::Retired),
    ("online-freed", BatchPoint::OnlineFreed),
    ("log-set-aside", BatchPoint::LogSetAside),
    ("log-freed", BatchPoint::LogFreed),
    ("forgetting-noted", BatchPoint::ForgettingNoted),
    ("file-forgotten", BatchPoint::FileForgotten),
    ("commit-forgotten", BatchPoint::CommitForgotten),
    ("checkpoints-forgotten", BatchPoint::CheckpointsForgotten),
    ("rows-forgotten", BatchPoint::RowsForgotten),
    ("online-forgotten", BatchPoint::OnlineForgotten),
    ("forgotten", BatchPoint::Forgotten),
    ("expired", BatchPoint::Expired),
    ("online-expired", BatchPoint::OnlineExpired),
    ("vacuum-noted", BatchPoint::VacuumNoted),
    ("file-vacuumed", BatchPoint::FileVacuumed),
];

const GUARDS: [(&str, BatchGuard); 9] = [
    ("snapshot", BatchGuard::Snapshot),
    ("removed-files", BatchGuard::RemovedFiles),
    ("content", BatchGuard::Content),
    ("settled", BatchGuard::Settled),
    ("rename", BatchGuard::Rename),
    ("manifest-first", BatchGuard::ManifestFirst),
    ("load-lock", BatchGuard::LoadLock),
    ("forgotten", BatchGuard::Forgotten),
    ("vacuum", BatchGuard::Vacuum),
];

/// The faults of the batch command of this process; by default none.
#[derive(Debug, Default)]
pub struct BatchFaults {
    strike: Option<Strike>,
    without: Option<BatchGuard>,
}

#[derive(Debug)]
struct Strike {
    at: BatchPoint,
    passes_left: AtomicU64,
    stops: bool,
}

impl BatchFaults {
    /// Ends the process, or stops it where `stops`, at the pass of a point that has this number, from 1.
    #[must_use]
    pub fn strike(self, at: BatchPoint, pass: u64, stops: bool) -> Self {
        let strike = Strike { at, passes_left: AtomicU64::new(pass.max(1)), stops };
        Self { strike: Some(strike), ..self }
    }

    /// Switches a guard off.
    #[must_use]
    pub fn without(self, guard: BatchGuard) -> Self {
        Self { without: Some(guard), ..self }
    }

    /// Makes these the faults of this process. Only the first call has an effect.
    pub fn begin(self) {
        let _ = FAULTS.set(self);
    }

    fn strikes_at(&self, point: BatchPoint) -> Option<&Strike> {
        let here = self.strike.as_ref().filter(|strike| strike.at == point);
        here.filter(|strike| strike.passes_left.fetch_sub(1, Ordering::Relaxed) == 1)
    }
}

impl BatchPoint {
    /// Whether a test acts at this point, so that small work passes it too.
    pub fn is_awaited(self) -> bool {
        FAULTS.get().and_then(|faults| faults.strike.as_ref()).is_some_and(|strike| strike.at == self)
    }

    /// Reports that the process is at this point.
    pub fn pass(self) {
        let Some(strike) = FAULTS.get().and_then(|faults| faults.strikes_at(self)) else { return };
        if !strike.stops || !suspend() {
            // As a kill does: nothing is flushed and no destructor runs.
            std::process::abort();
        }
    }
}

/// Stops the process, all threads at this point at the latest; whether that worked. The signal is one of the whole
/// process: until one of its threads has taken it, the others go on.
pub fn suspend() -> bool {
    const STOP: u64 = 1 << 18;
    let own = std::process::id().to_string();
    if !Command::new("kill").args(["-STOP", &own]).status().is_ok_and(|status| status.success()) {
        return false;
    }
    let is_pending = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let pending = status.lines().find_map(|line| line.strip_prefix("ShdPnd:"));
        pending
            .and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok())
            .is_some_and(|bits| bits & STOP != 0)
    };
    while is_pending() {
        std::thread::yield_now();
    }
    true
}

impl BatchGuard {
    /// Whether the guard is on.
    pub fn is_on(self) -> bool {
        FAULTS.get().is_none_or(|faults| faults.without != Some(self))
    }
}

impl FromStr for BatchPoint {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        parse("point", name, &POINTS)
    }
}

impl FromStr for BatchGuard {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        parse("guard", name, &GUARDS)
    }
}

fn parse<T: Copy>(what: &str, name: &str, all: &[(&str, T)]) -> Result<T, String> {
    let parsed = all.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    parsed.ok_or_else(|| {
        let known: Vec<&str> = all.iter().map(|(known, _)| *known).collect();
        format!("`{name}` is not a {what} of a batch command: name one of {}", known.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_strikes_once_at_the_named_pass_of_its_point() {
        let faults = BatchFaults::default().strike(BatchPoint::Online, 2, false);
        assert!(faults.strikes_at(BatchPoint::Read).is_none());
        assert!(faults.strikes_at(BatchPoint::Online).is_none());
        assert!(faults.strikes_at(BatchPoint::Online).is_some());
        assert!(faults.strikes_at(BatchPoint::Online).is_none());
    }

    #[test]
    fn an_unknown_point_or_guard_is_refused_with_the_valid_ones() {
        assert!("nowhere".parse::<BatchPoint>().unwrap_err().contains("half-online"));
        assert!("nothing".parse::<BatchGuard>().unwrap_err().contains("removed-files"));
        assert_eq!("settled".parse(), Ok(BatchPoint::Settled));
    }
}
