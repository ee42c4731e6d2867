//! The loop of a follower: the protocol's steps that are not of one flush, performed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use feature::Micros;
use offline::Forgotten;
use online::{FoldedCommit, Mender};

use super::state::{Beside, Flush, Follower, FollowerStart};
use super::stream_options::StreamOptions;
use crate::error::{FeedError, Halt, MaterializerError};
use crate::fold::{prefix, sync};
use crate::history::is_offline_first;
use crate::maintenance;
use crate::materializer::{Materializer, Target};
use crate::statistics::{Scans, StatisticsKeeper};
use crate::stream::committed;
use crate::stream::fault_injection::{FaultPoint, Guard};
use crate::stream::feed::{Arrival, Feed};
use crate::stream::fold_cache::FoldCache;
use crate::stream::protocol::{Event, Located, Protocol, Step};
use crate::stream::record_validator::RecordValidator;
use crate::stream::stream_metrics::LatencyStage;
use crate::stream::stream_report::StreamReport;
use crate::stream_start;

/// The longest wait for a source before the stop flag is checked.
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// How often it is noted up to which commit the online rows are folded, in microseconds.
const NOTED_EVERY_US: i64 = 1_000_000;

/// How often the ends of partitions are fetched from the source, in microseconds.
const LAG_EVERY_US: i64 = 5_000_000;

/// How often statistics are kept, in microseconds.
const STATISTICS_EVERY_US: i64 = 60_000_000;

/// Follows one view's stream into both stores until it is stopped or cannot go on. Its steps block on disks and on the
/// source: call it on a thread of its own.
pub async fn follow<W: Mender, F: Feed>(
    materializer: &Materializer<W>,
    target: &Target,
    feed: F,
    options: &StreamOptions,
) -> Result<StreamReport, MaterializerError> {
    let clock = materializer.clock;
    let view = &target.view;
    let mut follower = Follower {
        offline: &materializer.offline,
        online: &materializer.online,
        first_use: &materializer.first_use,
        clock,
        target,
        options,
        feed,
        protocol: Protocol::new(options.bounds, options.bad_row_limit, clock()),
        validator: RecordValidator::new(
            target,
            &materializer.project,
            materializer.schema_registry.as_ref(),
        )?,
        log: materializer.offline.log(view).await?,
        dead_letters: materializer.offline.dead_letters(&view.id).await?,
        refused_before: BTreeSet::new(),
        start: FollowerStart::default(),
        forgotten: Forgotten::default(),
        may_replay_forgotten: false,
        cache: FoldCache::new(view, options.max_fold_bytes, options.faults.has(Guard::Positions)),
        flush: Flush::default(),
        statistics: StatisticsKeeper::default(),
        statistics_kept_at: None,
        turn: None,
        folded_noted_at: None,
        report: StreamReport::new(view.id.clone()),
        ends: BTreeMap::new(),
        beside: Beside::default(),
        lag_seen_at: None,
        is_unreachable: false,
    };
    follower.run().await?;
    Ok(follower.report)
}

impl<W: Mender, F: Feed> Follower<'_, W, F> {
    async fn run(&mut self) -> Result<(), MaterializerError> {
        loop {
            if self.options.stop.load(Ordering::Relaxed) || self.is_caught_up().await? {
                self.protocol.on(Event::Stop);
            }
            let event = match self.protocol.step() {
                Step::Done => {
                    self.statistics.keep(self.offline, &self.log, Scans::Few).await;
                    self.note_folded(0).await;
                    return Ok(());
                }
                Step::Halt(halt) => return Err(self.halted(halt)),
                Step::Receive { until } => self.receive(until)?,
                Step::Rest { until } => self.rest(until).await,
                step => {
                    let (leads_to, stage) = (FaultPoint::after(&step), stage_of(&step));
                    match self.step(step).await {
                        Ok(event) => {
                            self.pass(leads_to);
                            event
                        }
                        Err(error) => self.failed(error, stage)?,
                    }
                }
            };
            self.protocol.on(event);
        }
    }

    fn pass(&self, point: Option<FaultPoint>) {
        if let Some(point) = point {
            self.options.faults.pass(point);
        }
    }

    async fn step(&mut self, step: Step) -> Result<Event, MaterializerError> {
        if matches!(step, Step::Refuse | Step::Write | Step::Commit(_)) {
            self.begin_use().await?;
        }
        let is_last = matches!(step, Step::Commit(_));
        let event = self.take_step(step).await;
        // What precedes another write is checked there.
        if is_last {
            self.begin_use().await?;
        }
        event
    }

    /// Refused where the version is retired. Whoever retired it frees it, perhaps before the last step wrote.
    async fn begin_use(&self) -> Result<(), MaterializerError> {
        let used = self.first_use.begin(&self.target.view).await;
        if matches!(used, Err(MaterializerError::NotUsable { is_retired: true, .. })) {
            maintenance::remove(self.offline, self.online, &self.target.view).await?;
        }
        used
    }

    async fn take_step(&mut self, step: Step) -> Result<Event, MaterializerError> {
        match step {
            Step::Forget => {
                self.cache.clear();
                Ok(Event::Forgotten)
            }
            Step::Locate(partitions) => self.locate(&partitions).await,
            Step::Transform => self.transform().await,
            Step::Refuse => self.refuse().await,
            Step::Write => self.write().await,
            Step::Stamp => self.stamp().await,
            Step::Commit(moves) => self.commit(&moves).await,
            Step::Compare(moves) => self.compare(&moves).await,
            Step::Acknowledge(ends) => {
                self.write_beside_load().await?;
                self.feed.acknowledge(&ends);
                self.finish(&ends);
                self.keep_statistics().await;
                self.note_folded(NOTED_EVERY_US).await;
                Ok(Event::Acknowledged)
            }
            Step::Receive { .. } | Step::Rest { .. } | Step::Done | Step::Halt(_) => {
                Ok(Event::Idle((self.clock)()))
            }
        }
    }

    fn receive(&mut self, until: Micros) -> Result<Event, MaterializerError> {
        let wait = Duration::from_micros(until.since((self.clock)()).max(0) as u64).min(LONGEST_WAIT);
        let arrived = self.feed.next(wait);
        if matches!(arrived, Ok(Arrival::Record(_))) && std::mem::take(&mut self.is_unreachable) {
            self.options.metrics.note_stuck(None);
        }
        match arrived {
            Ok(Arrival::Record(record)) => Ok(Event::Received(record, (self.clock)())),
            Ok(Arrival::Assigned(partitions)) => Ok(Event::Assigned(partitions)),
            Ok(Arrival::Revoked(partitions)) => Ok(Event::Revoked(partitions)),
            Ok(Arrival::Nothing) => Ok(Event::Idle((self.clock)())),
            Err(FeedError::OutOfRange) => Ok(Event::Overtaken),
            Err(error @ FeedError::Unreachable(_)) => {
                // Reported once for each outage.
                if !self.is_unreachable {
                    tracing::warn!("{}: {error}; waiting for it", self.target.view.id);
                }
                self.is_unreachable = true;
                self.options.metrics.note_stuck(Some((LatencyStage::Received, error.to_string())));
                Ok(Event::Idle((self.clock)()))
            }
            Err(error) => Err(self.feed_failed(error)),
        }
    }

    async fn rest(&self, until: Micros) -> Event {
        let wait = Duration::from_micros(until.since((self.clock)()).max(0) as u64).min(LONGEST_WAIT);
        tokio::time::sleep(wait).await;
        Event::Idle((self.clock)())
    }

    /// A step that failed rests and is tried again, unless trying again cannot help.
    fn failed(&self, error: MaterializerError, stage: LatencyStage) -> Result<Event, MaterializerError> {
        if !error.may_pass() {
            return Err(error);
        }
        self.options.metrics.note_stuck(Some((stage_of_error(&error).unwrap_or(stage), error.to_string())));
        tracing::warn!("{}: {error}; trying again", self.target.view.id);
        Ok(Event::Failed((self.clock)()))
    }

    async fn locate(&mut self, partitions: &[u32]) -> Result<Event, MaterializerError> {
        // Files that are open are as they were before an entity was taken out of them.
        let noted = self.online.folded_commit(&self.target.view.id).await?;
        self.log = self.offline.log(&self.target.view).await?;
        if let Some(noted) = noted {
            prefix::check_log(&self.log, noted).await?;
        }
        self.forgotten = self.offline.forgotten_as_of(&self.log).await?;
        self.may_replay_forgotten = true;
        self.start = FollowerStart {
            from: stream_start::find(&self.log, &self.target.source).await?,
            is_recorded: stream_start::recorded(&self.log).await?.is_some(),
        };
        let mut located = Vec::with_capacity(partitions.len());
        let mut stamped = None;
        for partition in partitions {
            let committed = committed::partition(&self.log, self.validator.topic(), *partition).await?;
            stamped = stamped.max(committed.stamp);
            let (earliest, end) = self.feed.extent(*partition).map_err(|error| self.feed_failed(error))?;
            located.push(Located { partition: *partition, committed: committed.next, earliest, end });
        }
        let beyond = located.iter().map(|at| (at.partition, at.committed.unwrap_or(0)));
        self.refused_before.extend(self.dead_letters.beyond(&beyond.collect()).await?);
        self.cache.observe(self.online, stamped).await?;
        if self.cache.has_lost(self.online).await?
            || self.is_online_empty().await?
            || self.lacks_rows(noted).await?
        {
            self.rebuild().await?;
        }
        prefix::note(&self.log, self.online).await?;
        let offsets: Vec<(u32, u64)> =
            located.iter().map(|at| (at.partition, at.committed.unwrap_or(at.earliest))).collect();
        if located.iter().all(|at| at.committed.is_none_or(|next| (at.earliest..=at.end).contains(&next))) {
            self.feed.begin(&offsets).map_err(|error| self.feed_failed(error))?;
        }
        self.report.located(&located);
        self.report.too_many_bad(&self.protocol.too_many_bad());
        self.options.metrics.publish(&self.report);
        self.options.metrics.note_stuck(None);
        for at in &located {
            self.ends.entry(at.partition).or_insert(at.end);
        }
        Ok(Event::Located(located))
    }

    /// Whether the online store is older than the log by what was noted of it.
    async fn lacks_rows(&self, noted: Option<FoldedCommit>) -> Result<bool, MaterializerError> {
        match noted {
            Some(noted) => prefix::lacks_rows(&self.log, self.online, noted).await,
            None => Ok(false),
        }
    }

    /// Whether the log has rows, and the online store none.
    async fn is_online_empty(&self) -> Result<bool, MaterializerError> {
        let is_empty = self.log.row_count() > 0 && self.online.stats(&self.target.view.id).await?.rows == 0;
        Ok(is_empty && !is_offline_first(&self.log).await?)
    }

    /// Folds the whole log into the online store, which lost rows.
    pub(super) async fn rebuild(&mut self) -> Result<(), MaterializerError> {
        tracing::warn!(
            "{}: the online store lost rows; they are folded again from the log",
            self.target.view.id
        );
        self.cache.clear();
        let mut now = (self.clock)();
        for partition in self.protocol.owned().keys() {
            // If the clock is behind, what was visible stays visible.
            let committed = committed::partition(&self.log, self.validator.topic(), *partition).await?;
            now = committed.stamp.map_or(now, |stamp| stamp.max(now));
        }
        self.log = self.offline.log(&self.target.view).await?;
        let entities = sync::sync(&mut self.log, self.online, || now).await?;
        if self.has_forgotten_more()? {
            // What was folded may have been read before.
            sync::sync_and_take_back(
                &mut self.offline.log(&self.target.view).await?,
                self.online,
                self.clock,
            )
            .await?;
        }
        self.online.replace(&self.target.view.id, &[], Some(now)).await?;
        self.cache.observe(self.online, None).await?;
        prefix::note(&self.log, self.online).await?;
        self.report.rebuilt += 1;
        self.options.faults.pass(FaultPoint::Rebuilt);
        tracing::warn!("{}: {entities} entities were folded again", self.target.view.id);
        Ok(())
    }

    /// Keeps what was counted, now and then.
    async fn keep_statistics(&mut self) {
        let now = (self.clock)();
        let kept_at = *self.statistics_kept_at.get_or_insert(now);
        if now.since(kept_at) >= STATISTICS_EVERY_US {
            self.statistics_kept_at = Some(now);
            self.statistics.keep(self.offline, &self.log, Scans::Few).await;
        }
    }

    /// Notes up to which commit the online rows are folded, if that was not done for so long.
    async fn note_folded(&mut self, every_us: i64) {
        let now = (self.clock)();
        if self.folded_noted_at.is_some_and(|at| now.since(at) < every_us) {
            return;
        }
        self.folded_noted_at = Some(now);
        // A note that lags behind is looked at again when the stream starts the next time.
        if let Err(error) = prefix::note(&self.log, self.online).await {
            tracing::debug!("{}: the folded commit was not noted: {error}", self.target.view.id);
        }
    }

    /// Fetches the ends of partitions from the source, now and then.
    pub(super) fn fetch_lag(&mut self) {
        let now = (self.clock)();
        if self.lag_seen_at.is_some_and(|at| now.since(at) < LAG_EVERY_US) {
            return;
        }
        self.lag_seen_at = Some(now);
        for partition in self.protocol.owned().keys() {
            if let Ok((_, end)) = self.feed.extent(*partition) {
                self.report.partitions.entry(*partition).or_default().end = end;
            }
        }
    }

    pub(super) fn feed_failed(&self, error: FeedError) -> MaterializerError {
        MaterializerError::Feed {
            view: self.target.view.id.clone(),
            topic: self.validator.topic().to_owned(),
            error,
        }
    }

    fn halted(&self, halt: Halt) -> MaterializerError {
        MaterializerError::Halted {
            view: self.target.view.id.clone(),
            topic: self.validator.topic().to_owned(),
            halt,
        }
    }
}

/// The stage of a row's way that a step belongs to.
fn stage_of(step: &Step) -> LatencyStage {
    match step {
        Step::Transform | Step::Refuse => LatencyStage::Transformed,
        Step::Write | Step::Stamp => LatencyStage::Acknowledged,
        Step::Commit(_) | Step::Compare(_) | Step::Acknowledge(_) => LatencyStage::Committed,
        _ => LatencyStage::Received,
    }
}

/// The stage whose part does not answer, whatever the step that asks it; `None` if the error does not say.
fn stage_of_error(error: &MaterializerError) -> Option<LatencyStage> {
    match error {
        MaterializerError::Online(_) => Some(LatencyStage::Acknowledged),
        MaterializerError::Offline(_) => Some(LatencyStage::Committed),
        MaterializerError::Feed { .. } => Some(LatencyStage::Received),
        _ => None,
    }
}
