//! What is counted of reads for freshness objectives, where they are answered: of each request a hundredth of its rows,
//! at least one, each weighing as many as it stands for; of views that are marked critical every row. One time for each
//! view says how far its pipeline is. Counting takes no lock and no memory.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};

use feature::{Micros, Name, Span};
use monitor::{Pipeline, ReadCounts, ReadOutcome};
use read::{ReadResult, ReadRow};

/// One in so many rows of a request is looked at.
const SAMPLED: usize = 100;

/// Nothing is known of a pipeline.
const NEVER: i64 = i64::MIN;

/// Reads by their outcome.
#[derive(Debug, Default)]
pub struct ReadCounter([AtomicU64; ReadOutcome::ALL.len()]);

impl ReadCounter {
    /// Counts reads of one outcome.
    pub fn add(&self, outcome: ReadOutcome, reads: u64) {
        if let Some(count) = self.0.get(outcome as usize) {
            count.fetch_add(reads, Ordering::Relaxed);
        }
    }

    /// What was counted so far.
    pub fn counts(&self) -> ReadCounts {
        ReadOutcome::ALL.into_iter().zip(&self.0).fold(ReadCounts::default(), |counts, (outcome, count)| {
            counts.with(outcome, count.load(Ordering::Relaxed))
        })
    }
}

/// How far the pipeline of a view is, as far as it is known here.
#[derive(Debug)]
pub struct PipelineTime {
    newest: AtomicI64,
    as_of: AtomicI64,
}

impl Default for PipelineTime {
    fn default() -> Self {
        Self { newest: AtomicI64::new(NEVER), as_of: AtomicI64::new(NEVER) }
    }
}

impl PipelineTime {
    /// Takes on what is known; `None` if it cannot be found out.
    pub fn set(&self, pipeline: Option<Pipeline>) {
        let (newest, as_of) =
            pipeline.map_or((NEVER, NEVER), |pipeline| (pipeline.newest.get(), pipeline.as_of.get()));
        self.newest.store(newest, Ordering::Relaxed);
        self.as_of.store(as_of, Ordering::Relaxed);
    }

    /// What is known; `None` if nothing is.
    pub fn get(&self) -> Option<Pipeline> {
        let moment = |micros: &AtomicI64| Micros::new(micros.load(Ordering::Relaxed)).ok();
        Some(Pipeline { newest: moment(&self.newest)?, as_of: moment(&self.as_of)? })
    }
}

/// A view with a freshness objective.
#[derive(Clone, Debug)]
pub struct WatchedView {
    /// How stale a good read of it is at most; `None` if only consumers say so.
    pub within: Option<Span>,
    /// Whether every row counts, and not a sample.
    pub is_critical: bool,
    /// How far its pipeline is.
    pub pipeline: Arc<PipelineTime>,
    /// Its reads.
    pub reads: Arc<ReadCounter>,
    /// Its features that have objectives of their own.
    pub features: Vec<WatchedFeature>,
}

/// A feature with a freshness objective of its own.
#[derive(Clone, Debug)]
pub struct WatchedFeature {
    /// What it is called.
    pub name: Name,
    /// Its index in the view.
    pub feature: usize,
    /// How stale a good read of it is at most.
    pub within: Span,
    /// Its reads.
    pub reads: Arc<ReadCounter>,
}

/// A consumer with a freshness objective of its own.
#[derive(Clone, Debug)]
pub struct WatchedConsumer {
    /// How stale a good read is at most; `None` if that of each view counts.
    pub within: Option<Span>,
    /// Its reads: each is as good as the worst of its views'.
    pub reads: Arc<ReadCounter>,
}

/// What is watched of the reads of one service.
pub struct WatchedReads {
    /// For each lookup of the plan its view, if an objective is about it.
    views: Vec<Option<WatchedView>>,
    consumer: Option<WatchedConsumer>,
    is_critical: bool,
    /// Turns through the rows of requests.
    turn: AtomicUsize,
}

impl WatchedReads {
    /// Watches these views, one for each lookup of the service's plan, and its consumer.
    pub fn new(views: Vec<Option<WatchedView>>, consumer: Option<WatchedConsumer>) -> Self {
        let is_critical = views.iter().flatten().any(|view| view.is_critical);
        Self { views, consumer, is_critical, turn: AtomicUsize::new(0) }
    }

    /// Counts what was read at the moment of the read.
    pub(crate) fn count(&self, result: &ReadResult) {
        if self.views.iter().all(Option::is_none) {
            return;
        }
        let rows = result.rows;
        let picked = if self.is_critical { rows } else { rows.div_ceil(SAMPLED) };
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        for index in 0..picked {
            // Each of the picked rows stands for a part of the request, and is another one each time.
            let (from, to) = (index * rows / picked, (index + 1) * rows / picked);
            if let Some(into) = turn.checked_rem(to - from) {
                self.count_row(result, from + into, (to - from) as u64);
            }
        }
    }

    /// Counts one row of a request as so many reads.
    fn count_row(&self, result: &ReadResult, row: usize, reads: u64) {
        let mut worst = None;
        // What one lookup read in parts is one read, and as good as the worst of them.
        let mut of_lookup: Option<(usize, ReadOutcome)> = None;
        for ReadRow { lookup, features, times, good_until } in result.read_for(row) {
            let Some(view) = self.views.get(lookup).and_then(Option::as_ref) else { continue };
            let (event, pipeline) = (times.map(|times| times.event_time), view.pipeline.get());
            // Whatever came after the last good moment was not read.
            let pipeline = match good_until {
                Some(good_until) => pipeline.map(|pipeline| pipeline.up_to(good_until)),
                None => pipeline,
            };
            let outcome = |within| ReadOutcome::of_read(result.at, within, event, pipeline);
            for watched in view.features.iter().filter(|watched| features.contains(&watched.feature)) {
                watched.reads.add(outcome(watched.within), reads);
            }
            let of_view = view.within.map(outcome);
            if let Some(outcome) = of_view {
                let before = of_lookup.filter(|(before, _)| *before == lookup).map(|(_, outcome)| outcome);
                if before.is_none() {
                    self.add(of_lookup, reads);
                }
                of_lookup = Some((lookup, before.map_or(outcome, |before| before.max(outcome))));
            }
            if let Some(consumer) = &self.consumer {
                worst = worst.max(consumer.within.map(outcome).or(of_view));
            }
        }
        self.add(of_lookup, reads);
        if let (Some(consumer), Some(worst)) = (&self.consumer, worst) {
            consumer.reads.add(worst, reads);
        }
    }

    /// Counts what one lookup read.
    fn add(&self, of_lookup: Option<(usize, ReadOutcome)>, reads: u64) {
        let Some((lookup, outcome)) = of_lookup else { return };
        if let Some(view) = self.views.get(lookup).and_then(Option::as_ref) {
            view.reads.add(outcome, reads);
        }
    }
}

impl fmt::Debug for WatchedReads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchedReads").finish_non_exhaustive()
    }
}
