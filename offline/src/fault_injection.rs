//! What tests do to a batch command from inside: they end the process at a point, stop it there, or take one of
//! its guards away, so that a checker that finds nothing wrong is known to look. A process has one trial, which
//! its command line sets before anything else; without it nothing here has an effect.

use std::process::Command;
use std::str::FromStr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

static TRIAL: OnceLock<BatchTrial> = OnceLock::new();

/// A point of a batch command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BatchPoint {
    /// The content of a source's files was hashed, and nothing was read yet.
    Hashed,
    /// The rows of a file were read.
    Read,
    /// The turn of the load is in the log.
    TurnTaken,
    /// Refused rows are in the dead letters.
    Refused,
    /// The first rows of a write are online.
    HalfOnline,
    /// All rows of a chunk are online.
    Online,
    /// A file with rows is written, and no commit names it.
    FileWritten,
    /// A commit was made.
    Committed,
    /// A load is done and its turn settled.
    Settled,
    /// The files of a compaction were read.
    CompactionRead,
    /// The first rows of a rebuild are written.
    Rebuilding,
    /// The file of a training set was begun.
    TrainingBegun,
    /// A training set and its manifest are written under other names.
    TrainingWritten,
    /// The old manifest of a training set is gone.
    ManifestRemoved,
    /// A training set has its name, and its manifest does not.
    DataNamed,
}

/// A rule that keeps the log, the online store and training sets right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BatchGuard {
    /// A commit is a conflict where a counter moved on which it was decided.
    Snapshot,
    /// A compaction is a conflict where another removed the same files.
    RemovedFiles,
    /// A file that was replaced while it was read is not committed.
    Content,
    /// A load that was cut off is found by the next one.
    Settled,
    /// A training set takes its name once it is whole.
    Rename,
    /// The old manifest goes before the new training set comes.
    ManifestFirst,
    /// One load of a view at a time.
    LoadLock,
}

const POINTS: [(&str, BatchPoint); 15] = [
    ("hashed", BatchPoint::Hashed),
    ("read", BatchPoint::Read),
    ("turn-taken", BatchPoint::TurnTaken),
    ("refused", BatchPoint::Refused),
    ("half-online", BatchPoint::HalfOnline),
    ("online", BatchPoint::Online),
    ("file-written", BatchPoint::FileWritten),
    ("committed", BatchPoint::Committed),
    ("settled", BatchPoint::Settled),
    ("compaction-read", BatchPoint::CompactionRead),
    ("rebuilding", BatchPoint::Rebuilding),
    ("training-begun", BatchPoint::TrainingBegun),
    ("training-written", BatchPoint::TrainingWritten),
    ("manifest-removed", BatchPoint::ManifestRemoved),
    ("data-named", BatchPoint::DataNamed),
];

const GUARDS: [(&str, BatchGuard); 7] = [
    ("snapshot", BatchGuard::Snapshot),
    ("removed-files", BatchGuard::RemovedFiles),
    ("content", BatchGuard::Content),
    ("settled", BatchGuard::Settled),
    ("rename", BatchGuard::Rename),
    ("manifest-first", BatchGuard::ManifestFirst),
    ("load-lock", BatchGuard::LoadLock),
];

/// What is done to the batch command of this process; by default nothing.
#[derive(Debug, Default)]
pub struct BatchTrial {
    strike: Option<Strike>,
    without: Option<BatchGuard>,
}

#[derive(Debug)]
struct Strike {
    at: BatchPoint,
    passes_left: AtomicU64,
    stops: bool,
}

impl BatchTrial {
    /// Ends the process, or stops it where `stops`, at the pass of a point that has this number, from 1.
    #[must_use]
    pub fn strike(self, at: BatchPoint, pass: u64, stops: bool) -> Self {
        let strike = Strike { at, passes_left: AtomicU64::new(pass.max(1)), stops };
        Self { strike: Some(strike), ..self }
    }

    /// Takes a guard away.
    #[must_use]
    pub fn without(self, guard: BatchGuard) -> Self {
        Self { without: Some(guard), ..self }
    }

    /// Makes it the trial of this process. Only the first one counts.
    pub fn begin(self) {
        let _ = TRIAL.set(self);
    }

    fn strikes_at(&self, point: BatchPoint) -> Option<&Strike> {
        let here = self.strike.as_ref().filter(|strike| strike.at == point);
        here.filter(|strike| strike.passes_left.fetch_sub(1, Ordering::Relaxed) == 1)
    }
}

impl BatchPoint {
    /// Whether something is done at this point: then there is to be one in small work too.
    pub fn is_awaited(self) -> bool {
        TRIAL.get().and_then(|trial| trial.strike.as_ref()).is_some_and(|strike| strike.at == self)
    }

    /// Says that the process is at this point.
    pub fn pass(self) {
        let Some(strike) = TRIAL.get().and_then(|trial| trial.strikes_at(self)) else { return };
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
    /// Whether the guard is there.
    pub fn is_there(self) -> bool {
        TRIAL.get().is_none_or(|trial| trial.without != Some(self))
    }
}

impl FromStr for BatchPoint {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        named("point", name, &POINTS)
    }
}

impl FromStr for BatchGuard {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        named("guard", name, &GUARDS)
    }
}

fn named<T: Copy>(what: &str, name: &str, all: &[(&str, T)]) -> Result<T, String> {
    let found = all.iter().find(|(known, _)| *known == name).map(|(_, found)| *found);
    found.ok_or_else(|| {
        let known: Vec<&str> = all.iter().map(|(known, _)| *known).collect();
        format!("`{name}` is not a {what} of a batch command: name one of {}", known.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_strikes_once_at_the_named_pass_of_its_point() {
        let trial = BatchTrial::default().strike(BatchPoint::Online, 2, false);
        assert!(trial.strikes_at(BatchPoint::Read).is_none());
        assert!(trial.strikes_at(BatchPoint::Online).is_none());
        assert!(trial.strikes_at(BatchPoint::Online).is_some());
        assert!(trial.strikes_at(BatchPoint::Online).is_none());
    }

    #[test]
    fn an_unknown_point_or_guard_is_refused_with_those_that_there_are() {
        assert!("nowhere".parse::<BatchPoint>().unwrap_err().contains("half-online"));
        assert!("nothing".parse::<BatchGuard>().unwrap_err().contains("removed-files"));
        assert_eq!("settled".parse(), Ok(BatchPoint::Settled));
    }
}
