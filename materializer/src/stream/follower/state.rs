//! What a follower keeps: between flushes, and of the flush that is under way.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use feature::Micros;
use offline::{DeadLetter, DeadLetters, Forgotten, Log, OfflineStore};

use super::stream_options::StreamOptions;
use crate::first_use::FirstUse;
use crate::load_turn::LoadTurn;
use crate::materializer::Target;
use crate::rows::accepted::AcceptedRows;
use crate::rows::counts::RowCounts;
use crate::statistics::StatisticsKeeper;
use crate::stream::fold_cache::{FoldCache, RowsByEntity};
use crate::stream::protocol::Protocol;
use crate::stream::record_validator::RecordValidator;
use crate::stream::stream_metrics::FlushTimes;
use crate::stream::stream_report::StreamReport;

pub(super) struct Follower<'a, W, F> {
    pub(super) offline: &'a OfflineStore,
    pub(super) online: &'a W,
    pub(super) first_use: &'a FirstUse,
    pub(super) clock: fn() -> Micros,
    pub(super) target: &'a Target,
    pub(super) options: &'a StreamOptions,
    pub(super) feed: F,
    pub(super) protocol: Protocol,
    pub(super) validator: RecordValidator,
    pub(super) log: Log,
    pub(super) dead_letters: DeadLetters,
    /// The positions of dead letters beyond the log's offsets: what was refused before a crash stays refused.
    pub(super) refused_before: BTreeSet<(u32, u64)>,
    pub(super) start: FollowerStart,
    /// The entities whose rows are left out, by the snapshot at which the partitions were located.
    pub(super) forgotten: Forgotten,
    /// Whether the next flush may replay rows of forgotten entities that another process put online.
    pub(super) may_replay_forgotten: bool,
    pub(super) cache: FoldCache,
    pub(super) flush: Flush,
    /// The statistics of rows that are committed, and when they were kept last.
    pub(super) statistics: StatisticsKeeper,
    pub(super) statistics_kept_at: Option<Micros>,
    /// The turn of a load that would be next when the last flush was committed.
    pub(super) turn: Option<LoadTurn>,
    /// When it was noted last up to which commit the online rows are folded.
    pub(super) folded_noted_at: Option<Micros>,
    pub(super) report: StreamReport,
    /// The end of each partition when it was assigned to this process for the first time.
    pub(super) ends: BTreeMap<u32, u64>,
    /// What is waited for of other processes.
    pub(super) beside: Beside,
    pub(super) lag_seen_at: Option<Micros>,
    /// Whether the source reported that it cannot be reached, and gave nothing since.
    pub(super) is_unreachable: bool,
}

/// Where the stream starts, and whether the log records it already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FollowerStart {
    pub(super) from: Option<Micros>,
    pub(super) is_recorded: bool,
}

/// The flush that is under way.
#[derive(Default)]
pub(super) struct Flush {
    pub(super) accepted: Option<AcceptedRows>,
    pub(super) by_entity: RowsByEntity,
    /// The moment at which its rows are folded.
    pub(super) folded_at: Option<Micros>,
    /// The moment of the acknowledgement.
    pub(super) stamp: Option<Micros>,
    /// What the online store's applied time was raised to.
    pub(super) applied_at: Option<Micros>,
    pub(super) dead_letters: Vec<DeadLetter>,
    pub(super) counts: RowCounts,
    pub(super) times: FlushTimes,
    pub(super) written: usize,
    /// Whether its write was begun before: a try that failed may have dropped folds.
    pub(super) write_began: bool,
}

/// What a stream that catches up waits for of other processes.
#[derive(Default)]
pub(super) struct Beside {
    pub(super) log: Option<Log>,
    /// The first offset and the end of each of their partitions, when it was first seen that others read it.
    pub(super) extents: BTreeMap<u32, (u64, u64)>,
    /// How many rows were left, and since when it is so many.
    pub(super) left: Option<(u64, Instant)>,
    pub(super) looked_at: Option<Instant>,
}
