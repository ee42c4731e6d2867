//! One run: a load, a stream, a training set, or what drops storage, with what it read, what it wrote and how that went.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use feature::{AsOf, Micros, Provenance, Span, VersionId};
use locks::Process;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::first_use::as_text;

/// The files of a load that are recorded by name. Of more, the number is.
pub const MAX_FILES: usize = 1_000;

/// The identity of a run: a UUID whose order is that of the moments at which runs began (version 7, RFC 9562).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct RunId(Uuid);

impl RunId {
    /// A new identity of a run that begins at this moment.
    pub fn new(at: Micros) -> Self {
        let millis = u64::try_from(at.get().div_euclid(1_000)).unwrap_or(0);
        let mut random = [0; 10];
        fastrand::fill(&mut random);
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for RunId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// What a run does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Job {
    /// It loads history into a view.
    Backfill,
    /// It loads what is new in a view's batch source.
    Materialize,
    /// It follows a view's stream.
    Stream,
    /// It builds a training set of a service.
    TrainingSet,
    /// It drops the rows of a view that are older than its retention.
    Expire,
    /// It removes files that only older versions of a view's log have.
    Vacuum,
}

impl Job {
    /// Every job.
    pub const ALL: [Job; 6] =
        [Job::Backfill, Job::Materialize, Job::Stream, Job::TrainingSet, Job::Expire, Job::Vacuum];

    /// Its name, as it is stored.
    pub fn name(self) -> &'static str {
        match self {
            Job::Backfill => "backfill",
            Job::Materialize => "materialize",
            Job::Stream => "stream",
            Job::TrainingSet => "training_set",
            Job::Expire => "expire",
            Job::Vacuum => "vacuum",
        }
    }

    /// Whether it brings rows into a view.
    pub const fn is_load(self) -> bool {
        matches!(self, Job::Backfill | Job::Materialize | Job::Stream)
    }

    pub(crate) fn named(name: &str) -> Option<Job> {
        Job::ALL.into_iter().find(|job| job.name() == name)
    }
}

/// How far a run is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// It began. What it has committed is in the log.
    Running,
    /// It did all that it was to do.
    Complete,
    /// It ended with an error. What it committed before stays.
    Failed,
    /// It was cancelled. What it committed before stays.
    Cancelled,
    /// Its process ended before it did. It is recorded as running: who reads it sees that the process is gone.
    Interrupted,
}

impl RunState {
    const ALL: [RunState; 5] =
        [RunState::Running, RunState::Complete, RunState::Failed, RunState::Cancelled, RunState::Interrupted];

    /// Its name, as it is stored.
    pub fn name(self) -> &'static str {
        match self {
            RunState::Running => "running",
            RunState::Complete => "complete",
            RunState::Failed => "failed",
            RunState::Cancelled => "cancelled",
            RunState::Interrupted => "interrupted",
        }
    }

    pub(crate) fn named(name: &str) -> Option<RunState> {
        RunState::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// What a run is, what it read and wrote, and how it went.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RunRecord {
    /// Its identity.
    pub id: RunId,
    /// What it does.
    pub job: Job,
    /// The view that it loads, follows or drops something of, or the service that it builds a training set of.
    pub subject: VersionId,
    /// The semantic hash of the subject.
    pub hash: String,
    /// What executes it.
    pub runtime: Runtime,
    /// When it began.
    #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
    pub started_at: Micros,
    /// When it last recorded something of itself.
    #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
    pub updated_at: Micros,
    /// How far it is.
    pub state: RunState,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What it read and wrote; `None` while that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<RunOutcome>,
}

/// What executes a run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Runtime {
    /// The version of twinstore.
    pub twinstore: String,
    /// The version of DataFusion.
    pub datafusion: String,
    /// Who started it; `None` if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// The process; `None` if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
}

impl Runtime {
    /// This process, of these versions.
    pub fn current(twinstore: &str, datafusion: &str, actor: Option<String>) -> Self {
        let (twinstore, datafusion) = (twinstore.to_owned(), datafusion.to_owned());
        Self { twinstore, datafusion, actor, process: Process::current() }
    }
}

/// What a run read and wrote.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// Of a batch source into the log of a view.
    Load {
        /// The files that it read, in their order; at most [`MAX_FILES`].
        files: Vec<LoadedFile>,
        /// How many more it read.
        more_files: usize,
        /// The files that it set aside, none of whose rows it loaded; at most [`MAX_FILES`].
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        quarantined: Vec<FileSetAside>,
        /// How many more it set aside.
        #[serde(default)]
        more_quarantined: usize,
        /// Of a Delta source: the version up to which it is loaded.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        table_version: Option<u64>,
        /// How the availability of its rows is known.
        provenance: Provenance,
        /// The delay that is assumed where availability is simulated.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        assumed_delay: Option<Span>,
        /// The live rows from which that delay was measured; `None` if the source names it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        measured_delay: Option<MeasuredRows>,
        /// The outcome for its rows.
        rows: RowCounts,
        /// The version of the log afterwards; `None` if nothing was ever loaded.
        log_version: Option<u64>,
    },
    /// Of a topic into the log of a view.
    Stream {
        /// The topic.
        topic: String,
        /// The partitions that it read.
        partitions: Vec<PartitionRead>,
        /// The outcome for its rows.
        rows: RowCounts,
        /// After how long half of the rows could be read online, in microseconds.
        readable_p50_us: Option<i64>,
        /// The same of 99 in 100 rows.
        readable_p99_us: Option<i64>,
    },
    /// Of the logs of views into a file.
    TrainingSet {
        /// The file, as it was named.
        file: String,
        /// The SHA-256 of the file, in hexadecimal.
        sha256: String,
        /// The SHA-256 of its manifest, in hexadecimal.
        manifest_sha256: String,
        /// The spine, as it was named.
        spine: String,
        /// Which rows a label could see.
        as_of: AsOf,
        /// How many rows it has.
        rows: u64,
        /// The views that it was built from.
        views: Vec<ReadView>,
    },
    /// Of the storage of a view.
    Dropped {
        /// Rows.
        rows: u64,
        /// Files, of rows and others.
        files: u64,
        /// The size of the files.
        bytes: u64,
        /// Online rows of entities that have no others.
        online_rows: u64,
    },
}

impl RunOutcome {
    /// How many files a load set aside.
    pub fn quarantined_files(&self) -> usize {
        match self {
            RunOutcome::Load { quarantined, more_quarantined, .. } => quarantined.len() + more_quarantined,
            RunOutcome::Stream { .. } | RunOutcome::TrainingSet { .. } | RunOutcome::Dropped { .. } => 0,
        }
    }
}

/// Live rows from which the delay of history was measured.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MeasuredRows {
    /// The view version that streamed them.
    pub of: VersionId,
    /// How many there are.
    pub rows: u64,
}

/// A file of a batch source that was read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LoadedFile {
    /// Its path below the source's folder.
    pub name: String,
    /// The first 63 bits of the SHA-256 of its bytes, in hexadecimal: what the log records of it.
    pub content: String,
    /// Rows that were read of it, within the requested range.
    pub rows: u64,
}

/// A file of a batch source that was quarantined.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FileSetAside {
    /// The number of its batch.
    pub batch: u32,
    /// Its path below the source's folder.
    pub name: String,
    /// Its rows that passed the view's `where`.
    pub rows: u64,
}

/// The outcome for the rows that a run read.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct RowCounts {
    /// Rows that were read.
    pub read: u64,
    /// Rows that are new in the log.
    pub loaded: u64,
    /// Of these, rows that came later than the source allows.
    pub late: u64,
    /// Rows that were left out: by `where`, a null key, a range, or as the stream's.
    pub left_out: u64,
    /// Rows in the dead-letter table, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Rows that an expectation only warns of, by expectation.
    pub warned: BTreeMap<String, u64>,
    /// The newest event time of the loaded rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest_event_time: Option<Micros>,
}

impl RowCounts {
    /// Adds what another load counted.
    pub fn add(&mut self, other: &Self) {
        self.read += other.read;
        self.loaded += other.loaded;
        self.late += other.late;
        self.left_out += other.left_out;
        for (counts, more) in [(&mut self.refused, &other.refused), (&mut self.warned, &other.warned)] {
            for (name, rows) in more {
                *counts.entry(name.clone()).or_default() += rows;
            }
        }
        self.newest_event_time = self.newest_event_time.max(other.newest_event_time);
    }

    /// Rows that were refused, whatever the reason.
    pub fn refused_rows(&self) -> u64 {
        self.refused.values().sum()
    }
}

/// How far a partition was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PartitionRead {
    /// The partition.
    pub partition: u32,
    /// The next offset, by the log.
    pub next_offset: u64,
}

/// A view that a training set was built from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReadView {
    /// The view.
    pub view: VersionId,
    /// Its semantic hash.
    pub hash: String,
    /// The version of its log.
    pub log_version: u64,
}

impl RunRecord {
    /// The views whose data it read or wrote.
    pub fn views(&self) -> Vec<&VersionId> {
        match (&self.job, &self.outcome) {
            (Job::TrainingSet, Some(RunOutcome::TrainingSet { views, .. })) => {
                views.iter().map(|read| &read.view).collect()
            }
            (Job::TrainingSet, _) => Vec::new(),
            (Job::Backfill | Job::Materialize | Job::Stream | Job::Expire | Job::Vacuum, _) => {
                vec![&self.subject]
            }
        }
    }

    /// How far it is: a run whose process is gone was interrupted.
    pub fn state_now(&self) -> RunState {
        let is_alive = self.runtime.process.as_ref().and_then(Process::is_alive);
        match self.state {
            RunState::Running if is_alive == Some(false) => RunState::Interrupted,
            state => state,
        }
    }
}

pub(crate) fn from_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Micros, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_of_runs_are_ordered_by_their_beginning() {
        let at = |seconds: i64| RunId::new(Micros::new(1_370_000_040_000_000 + seconds * 1_000_000).unwrap());
        let (first, second) = (at(0), at(1));
        assert!(first < second, "{first} {second}");
        assert_ne!(at(0), at(0));
        assert_eq!(first.to_string().parse::<RunId>().unwrap(), first);
        assert_eq!(first.to_string().chars().nth(14), Some('7'));
    }
}
