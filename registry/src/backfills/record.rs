//! One backfill by dates, and the outcome for each of its dates.

use feature::{EventDate, Micros, Span, VersionId};
use locks::Process;
use serde::{Deserialize, Serialize};

use crate::first_use::as_text;
use crate::lineage::from_text;

/// A backfill by dates.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct BackfillRecord {
    /// The view that it loads.
    pub view: VersionId,
    /// Its number among those of the view, from 1.
    pub number: u64,
    /// Whether the newest date comes first.
    pub newest_first: bool,
    /// The first event time that it loads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Micros>,
    /// The event time before which it stops.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Micros>,
    /// How many rows are read in a second, at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rows_per_second: Option<u64>,
    /// How much memory rows may take, in bytes.
    pub max_memory: u64,
    /// How many files are read side by side.
    pub jobs: u64,
    /// Dates whose columns are not checked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accepted: Vec<EventDate>,
    /// Who started it, or resumed it last; `None` if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// The process that executes it, or did so last; `None` if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    /// When it was started.
    #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
    pub started_at: Micros,
    /// When its process began.
    #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
    pub resumed_at: Micros,
    /// When this was recorded.
    #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
    pub updated_at: Micros,
    /// How far it is.
    pub state: BackfillState,
    /// Why it stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// After which delay its rows count as available; `None` before that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<BackfillDelay>,
    /// Rows that its process has read.
    pub rows_read: u64,
}

/// After which delay the rows of a backfill count as available.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BackfillDelay {
    /// The delay; `None` if the source declares when rows were available, or assumes no delay.
    pub delay: Option<Span>,
    /// The view version from whose live rows it was measured; `None` if the source assumes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured_of: Option<VersionId>,
    /// From how many rows.
    #[serde(default)]
    pub measured_rows: u64,
}

/// How far a backfill by dates is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackfillState {
    /// A process executes it.
    Running,
    /// Its process ended before it did. It is recorded as running: who reads it sees that the process is gone.
    Interrupted,
    /// It was paused by a request.
    Paused,
    /// Dates have failed, and all others are loaded.
    Incomplete,
    /// It ended with an error.
    Stopped,
    /// It was cancelled.
    Cancelled,
    /// All of its dates are loaded, and online.
    Done,
}

impl BackfillState {
    const ALL: [BackfillState; 7] = [
        BackfillState::Running,
        BackfillState::Interrupted,
        BackfillState::Paused,
        BackfillState::Incomplete,
        BackfillState::Stopped,
        BackfillState::Cancelled,
        BackfillState::Done,
    ];

    /// Its name, as it is stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            BackfillState::Running => "running",
            BackfillState::Interrupted => "interrupted",
            BackfillState::Paused => "paused",
            BackfillState::Incomplete => "incomplete",
            BackfillState::Stopped => "stopped",
            BackfillState::Cancelled => "cancelled",
            BackfillState::Done => "done",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether it is to go on.
    pub fn is_open(self) -> bool {
        !matches!(self, BackfillState::Cancelled | BackfillState::Done)
    }
}

impl BackfillRecord {
    /// The same, executed by this process from now on.
    #[must_use]
    pub fn executed_here(self, actor: Option<String>, at: Micros) -> Self {
        Self {
            actor,
            process: Process::current(),
            resumed_at: at,
            updated_at: at,
            state: BackfillState::Running,
            error: None,
            rows_read: 0,
            ..self
        }
    }

    /// How far it is: one whose process is gone was interrupted.
    pub fn state_now(&self) -> BackfillState {
        let is_alive = self.process.as_ref().and_then(Process::is_alive);
        match self.state {
            BackfillState::Running if is_alive == Some(false) => BackfillState::Interrupted,
            state => state,
        }
    }
}

/// What somebody wants of a backfill that a process executes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BackfillRequest {
    /// It ends, and can be resumed.
    Pause,
    /// It ends for good.
    Cancel,
}

impl BackfillRequest {
    /// Its name, as it is stored.
    pub fn name(self) -> &'static str {
        match self {
            BackfillRequest::Pause => "pause",
            BackfillRequest::Cancel => "cancel",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        [BackfillRequest::Pause, BackfillRequest::Cancel].into_iter().find(|request| request.name() == name)
    }
}

/// How far a date is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackfillDateState {
    /// It is to be loaded.
    Waiting,
    /// Its rows are being read.
    Running,
    /// Its rows are in the log.
    Done,
    /// It was set aside.
    Failed,
}

impl BackfillDateState {
    /// Its name, as it is shown.
    pub fn name(self) -> &'static str {
        match self {
            BackfillDateState::Waiting => "waiting",
            BackfillDateState::Running => "running",
            BackfillDateState::Done => "done",
            BackfillDateState::Failed => "failed",
        }
    }
}

/// A date of a backfill.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct BackfillDate {
    /// Which.
    pub date: EventDate,
    /// How far it is.
    pub state: BackfillDateState,
    /// Rows of the source.
    pub rows: u64,
    /// Rows that are new in the log.
    #[serde(default)]
    pub loaded: u64,
    /// Rows that were in the log already.
    #[serde(default)]
    pub known: u64,
    /// Rows that were left out.
    #[serde(default)]
    pub left_out: u64,
    /// Rows that were refused.
    #[serde(default)]
    pub refused: u64,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// When it was done or had failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Micros>,
    /// What the columns of its rows hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<KeptColumn>,
}

impl BackfillDate {
    /// A date that is to be loaded.
    pub fn waiting(date: EventDate, rows: u64) -> Self {
        Self {
            date,
            state: BackfillDateState::Waiting,
            rows,
            loaded: 0,
            known: 0,
            left_out: 0,
            refused: 0,
            reasons: Vec::new(),
            ended_at: None,
            columns: Vec::new(),
        }
    }
}

/// What a column of a date holds.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct KeptColumn {
    /// What the log calls it.
    pub column: String,
    /// Its rows.
    pub rows: u64,
    /// Its nulls.
    pub nulls: u64,
    /// The least finite number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least: Option<f64>,
    /// The greatest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub greatest: Option<f64>,
}

/// A backfill with what is wanted of it.
#[derive(Clone, PartialEq, Debug)]
pub struct KeptBackfill {
    /// The backfill.
    pub record: BackfillRecord,
    /// What somebody wants of it.
    pub request: Option<BackfillRequest>,
}
