//! The shell around the protocol: does each step that it says, and tells it what came of it.

mod flush;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use feature::Micros;
use offline::{DeadLetters, Log, OfflineStore};
use online::{Reader, Writer};

use super::feed::{Arrival, Feed, FeedError};
use super::judge::Judge;
use super::positions;
use super::protocol::{Bounds, Event, Halt, Located, Protocol, Share, Step};
use super::report::StreamReport;
use super::trial::{Guard, Point, Trial};
use super::watch::Watch;
use super::working::Working;
use crate::error::MaterializerError;
use crate::first_use::FirstUse;
use crate::history::{Materializer, Target};
use crate::{seam, sync};
use flush::Flush;

/// The longest that a source is waited for before it is asked whether to stop.
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// How often the source is asked how far it is, in microseconds.
const LAG_EVERY_US: i64 = 5_000_000;

/// How a stream is followed.
#[derive(Clone, Debug)]
pub struct Following {
    /// When a flush begins, and how long a step that failed rests.
    pub bounds: Bounds,
    /// The share of bad rows that stops it.
    pub share: Share,
    /// Bytes of folds that are kept in memory.
    pub max_fold_bytes: usize,
    /// Told how it goes.
    pub watch: Arc<Watch>,
    /// Whether to stop once everything is in the log that the source had when its partitions were given.
    pub until_caught_up: bool,
    /// Told to stop: what was received is flushed first.
    pub stop: Arc<AtomicBool>,
    /// What a test does to it; nothing otherwise.
    pub trial: Arc<Trial>,
}

/// Follows one view's stream into both stores until it is told to stop or cannot go on. Its steps wait
/// for disks and for the source, so it wants a thread of its own.
pub async fn follow<W: Reader + Writer, F: Feed>(
    materializer: &Materializer<W>,
    target: &Target,
    feed: F,
    following: &Following,
) -> Result<StreamReport, MaterializerError> {
    let clock = materializer.clock;
    let view = &target.view;
    let mut follower = Follower {
        offline: &materializer.offline,
        online: &materializer.online,
        first_use: &materializer.first_use,
        clock,
        target,
        following,
        feed,
        protocol: Protocol::new(following.bounds, following.share, clock()),
        judge: Judge::new(target, &materializer.project, materializer.schema_registry.as_ref())?,
        log: materializer.offline.log(view).await?,
        letters: materializer.offline.dead_letters(&view.id).await?,
        refused_before: BTreeSet::new(),
        seam: Seam::default(),
        working: Working::new(view, following.max_fold_bytes, following.trial.has(Guard::Positions)),
        flush: Flush::default(),
        report: StreamReport::new(view.id.clone()),
        ends: BTreeMap::new(),
        lag_seen_at: None,
        is_unreachable: false,
    };
    follower.run().await?;
    Ok(follower.report)
}

struct Follower<'a, W, F> {
    offline: &'a OfflineStore,
    online: &'a W,
    first_use: &'a FirstUse,
    clock: fn() -> Micros,
    target: &'a Target,
    following: &'a Following,
    feed: F,
    protocol: Protocol,
    judge: Judge,
    log: Log,
    letters: DeadLetters,
    /// What is in the dead letters beyond the log's places: it was refused before a crash, and stays so.
    refused_before: BTreeSet<(u32, u64)>,
    seam: Seam,
    working: Working,
    flush: Flush,
    report: StreamReport,
    /// Where each partition ended when it was given to this process for the first time.
    ends: BTreeMap<u32, u64>,
    lag_seen_at: Option<Micros>,
    /// Whether the source said that it cannot be reached, and gave nothing since.
    is_unreachable: bool,
}

/// From when the stream counts, and whether the log says so already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seam {
    from: Option<Micros>,
    is_recorded: bool,
}

impl<W: Reader + Writer, F: Feed> Follower<'_, W, F> {
    async fn run(&mut self) -> Result<(), MaterializerError> {
        loop {
            if self.following.stop.load(Ordering::Relaxed) || self.is_caught_up() {
                self.protocol.on(Event::Stop);
            }
            let event = match self.protocol.step() {
                Step::Done => return Ok(()),
                Step::Halt(halt) => return Err(self.halted(halt)),
                Step::Receive { until } => self.receive(until)?,
                Step::Rest { until } => self.rest(until),
                step => {
                    let leads_to = Point::after(&step);
                    match self.step(step).await {
                        Ok(event) => {
                            self.pass(leads_to);
                            event
                        }
                        Err(error) => self.failed(error)?,
                    }
                }
            };
            self.protocol.on(event);
        }
    }

    fn pass(&self, point: Option<Point>) {
        if let Some(point) = point {
            self.following.trial.pass(point);
        }
    }

    fn is_caught_up(&self) -> bool {
        let owned = self.protocol.owned();
        let has_all = |partition: &u32| {
            let next = self.report.partitions.get(partition).map(|place| place.next);
            self.ends.get(partition).is_some_and(|end| next >= Some(*end))
        };
        self.following.until_caught_up && !owned.is_empty() && owned.keys().all(has_all)
    }

    async fn step(&mut self, step: Step) -> Result<Event, MaterializerError> {
        if matches!(step, Step::Refuse | Step::Write | Step::Commit(_)) {
            self.first_use.begin(&self.target.view).await?;
        }
        match step {
            Step::Forget => {
                self.working.forget();
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
                self.feed.acknowledge(&ends);
                self.finish(&ends);
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
        if matches!(arrived, Ok(Arrival::Record(_))) {
            self.is_unreachable = false;
        }
        match arrived {
            Ok(Arrival::Record(record)) => Ok(Event::Received(record, (self.clock)())),
            Ok(Arrival::Assigned(partitions)) => Ok(Event::Assigned(partitions)),
            Ok(Arrival::Revoked(partitions)) => Ok(Event::Revoked(partitions)),
            Ok(Arrival::Nothing) => Ok(Event::Idle((self.clock)())),
            Err(FeedError::OutOfRange) => Ok(Event::Overtaken),
            Err(error @ FeedError::Unreachable(_)) => {
                // Said once: it goes on until it is over.
                if !self.is_unreachable {
                    tracing::warn!("{}: {error}; waiting for it", self.target.view.id);
                }
                self.is_unreachable = true;
                Ok(Event::Idle((self.clock)()))
            }
            Err(error) => Err(self.feed_failed(error)),
        }
    }

    fn rest(&self, until: Micros) -> Event {
        let wait = Duration::from_micros(until.since((self.clock)()).max(0) as u64).min(LONGEST_WAIT);
        std::thread::sleep(wait);
        Event::Idle((self.clock)())
    }

    /// A step that failed rests and is tried again, unless trying again is of no use.
    fn failed(&self, error: MaterializerError) -> Result<Event, MaterializerError> {
        if !error.may_pass() {
            return Err(error);
        }
        tracing::warn!("{}: {error}; trying again", self.target.view.id);
        Ok(Event::Failed((self.clock)()))
    }

    async fn locate(&mut self, partitions: &[u32]) -> Result<Event, MaterializerError> {
        self.log.refresh().await?;
        self.seam = Seam {
            from: seam::find(&self.log, &self.target.source).await?,
            is_recorded: seam::recorded(&self.log).await?.is_some(),
        };
        let mut located = Vec::with_capacity(partitions.len());
        let mut stamped = None;
        for partition in partitions {
            let place = positions::place(&self.log, self.judge.topic(), *partition).await?;
            stamped = stamped.max(place.stamp);
            let (earliest, end) = self.feed.extent(*partition).map_err(|error| self.feed_failed(error))?;
            located.push(Located { partition: *partition, committed: place.next, earliest, end });
        }
        let beyond = located.iter().map(|place| (place.partition, place.committed.unwrap_or(0)));
        self.refused_before.extend(self.letters.beyond(&beyond.collect()).await?);
        self.working.look(self.online, stamped).await?;
        if self.working.has_lost(self.online).await? || self.is_online_empty().await? {
            self.rebuild().await?;
        }
        let places: Vec<(u32, u64)> = located
            .iter()
            .map(|place| (place.partition, place.committed.unwrap_or(place.earliest)))
            .collect();
        if located
            .iter()
            .all(|place| place.committed.is_none_or(|next| (place.earliest..=place.end).contains(&next)))
        {
            self.feed.begin(&places).map_err(|error| self.feed_failed(error))?;
        }
        self.report.located(&located);
        self.report.too_many_bad(&self.protocol.too_many_bad());
        self.following.watch.publish(&self.report);
        for place in &located {
            self.ends.entry(place.partition).or_insert(place.end);
        }
        Ok(Event::Located(located))
    }

    /// Whether the log has rows, and the online store none.
    async fn is_online_empty(&self) -> Result<bool, MaterializerError> {
        Ok(self.log.row_count() > 0 && self.online.stats(&self.target.view.id).await?.rows == 0)
    }

    /// Folds the whole log into the online store, which lost rows.
    async fn rebuild(&mut self) -> Result<(), MaterializerError> {
        tracing::warn!(
            "{}: the online store lost rows; they are folded anew from the log",
            self.target.view.id
        );
        self.working.forget();
        let mut now = (self.clock)();
        for partition in self.protocol.owned().keys() {
            // Where the clock is behind, what was visible stays so.
            now = positions::place(&self.log, self.judge.topic(), *partition)
                .await?
                .stamp
                .max(Some(now))
                .unwrap_or(now);
        }
        let entities = sync::sync(&mut self.log, self.online, || now).await?;
        self.online.replace(&self.target.view.id, &[], Some(now)).await?;
        self.working.look(self.online, None).await?;
        self.report.rebuilt += 1;
        self.following.trial.pass(Point::Rebuilt);
        tracing::warn!("{}: {entities} entities were folded anew", self.target.view.id);
        Ok(())
    }

    /// Asks the source now and then how far it is.
    fn look_at_lag(&mut self) {
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

    fn feed_failed(&self, error: FeedError) -> MaterializerError {
        MaterializerError::Feed {
            view: self.target.view.id.clone(),
            topic: self.judge.topic().to_owned(),
            error,
        }
    }

    fn halted(&self, halt: Halt) -> MaterializerError {
        MaterializerError::Halted {
            view: self.target.view.id.clone(),
            topic: self.judge.topic().to_owned(),
            halt,
        }
    }
}
