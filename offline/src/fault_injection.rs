//! Points of a batch command at which a test ends or suspends the process, and the guards that a test switches off, so
//! that a checker that finds nothing wrong is known to work. Only the feature `fault-injection` compiles what is done
//! there: without it a point does nothing, and every guard is on.

#[cfg(feature = "fault-injection")]
mod batch_faults;

#[cfg(feature = "fault-injection")]
pub use batch_faults::{BatchFaults, suspend};

/// A point of a batch command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BatchPoint {
    /// An extract of a query has its first row, and not its name.
    ExtractBegun,
    /// An extract is synced, and has not its name.
    ExtractWritten,
    /// An extract has its name, and nothing of it is loaded.
    Extracted,
    /// The content of a source's files was hashed, and nothing was read yet.
    Hashed,
    /// The rows of a file were read.
    Read,
    /// The turn of the load is in the log.
    TurnTaken,
    /// Refused rows are in the dead letters.
    Refused,
    /// A batch is in the quarantine, and the log does not say so yet.
    Quarantined,
    /// The log says that a quarantined batch is released, and has none of its rows.
    Released,
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
    /// The rows of a date are in the log, and it was reported.
    DateKept,
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
    /// A version is recorded as retired, and all that is stored of it is there.
    Retired,
    /// The online rows of a retired view are gone.
    OnlineFreed,
    /// A table of a retired view has the name under which it is removed, and its files are there.
    LogSetAside,
    /// The log of a retired view is gone.
    LogFreed,
    /// A forgotten entity is in the list, and all its rows are there.
    ForgettingNoted,
    /// A file of rows is without those of a forgotten entity.
    FileForgotten,
    /// A commit is without what it said of the rows of a forgotten entity.
    CommitForgotten,
    /// The checkpoints that said something of them are gone.
    CheckpointsForgotten,
    /// A forgotten entity is in no log, and its online rows are there.
    RowsForgotten,
    /// Its online rows are gone.
    OnlineForgotten,
    /// Everything is gone, and not reported yet.
    Forgotten,
    /// Dates beyond retention are in the log no more, and their entities are online.
    Expired,
    /// Entities without other rows are online no more.
    OnlineExpired,
    /// The log says which versions a vacuum leaves whole, and every file is there.
    VacuumNoted,
    /// A file is gone that only older versions had.
    FileVacuumed,
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
    /// The rows of a forgotten entity are left out by every load.
    Forgotten,
    /// A commit that adds files is a conflict where a vacuum may have removed them.
    Vacuum,
}

#[cfg(not(feature = "fault-injection"))]
impl BatchPoint {
    /// Whether a test acts at this point, so that small work passes it too.
    pub const fn is_awaited(self) -> bool {
        false
    }

    /// Reports that the process is at this point.
    pub const fn pass(self) {}
}

#[cfg(not(feature = "fault-injection"))]
impl BatchGuard {
    /// Whether the guard is on.
    pub const fn is_on(self) -> bool {
        true
    }
}
