//! The shell around the protocol: does each step that it says, and tells it what came of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use feature::Micros;
use offline::{DeadLetter, DeadLetters, Log, OfflineError};
use online::{OnlineError, Reader, Writer};

use super::feed::{Arrival, Feed, FeedError};
use super::judge::{Before, Counts, Judge, Taken};
use super::positions;
use super::protocol::{Bounds, Event, Halt, Located, Move, Protocol, Share, Step};
use super::report::{Flushed, StreamReport};
use super::watch::{Marks, Watch};
use super::working::{NoRoom, Touched, Working, Write};
use crate::error::MaterializerError;
use crate::history::{Materializer, Target};
use crate::{seam, sync};

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
        online: &materializer.online,
        clock,
        target,
        following,
        feed,
        protocol: Protocol::new(following.bounds, following.share, clock()),
        judge: Judge::new(target, &materializer.project)?,
        log: materializer.offline.log(view).await?,
        letters: materializer.offline.dead_letters(&view.id).await?,
        refused_before: BTreeSet::new(),
        seam: Seam::default(),
        working: Working::new(view, following.max_fold_bytes),
        flush: Flush::default(),
        report: StreamReport::new(view.id.clone()),
        ends: BTreeMap::new(),
        lag_seen_at: None,
    };
    follower.run().await?;
    Ok(follower.report)
}

struct Follower<'a, W, F> {
    online: &'a W,
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
}

/// From when the stream counts, and whether the log says so already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seam {
    from: Option<Micros>,
    is_recorded: bool,
}

/// What is known of the flush that is under way.
#[derive(Default)]
struct Flush {
    taken: Option<Taken>,
    touched: Touched,
    /// The moment at which its rows are folded.
    folded_at: Option<Micros>,
    stamp: Option<Micros>,
    /// What the online store's applied time was raised to.
    applied_at: Option<Micros>,
    letters: Vec<DeadLetter>,
    counts: Counts,
    marks: Marks,
    written: usize,
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
                step => match self.step(step).await {
                    Ok(event) => event,
                    Err(error) => self.failed(error)?,
                },
            };
            self.protocol.on(event);
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
        match self.feed.next(wait) {
            Ok(Arrival::Record(record)) => {
                let now = record.received_at;
                Ok(Event::Received(record, now))
            }
            Ok(Arrival::Assigned(partitions)) => Ok(Event::Assigned(partitions)),
            Ok(Arrival::Revoked(partitions)) => Ok(Event::Revoked(partitions)),
            Ok(Arrival::Nothing) => Ok(Event::Idle((self.clock)())),
            Err(FeedError::OutOfRange) => Ok(Event::Overtaken),
            Err(error @ FeedError::Unreachable(_)) => {
                tracing::warn!("{}: {error}", self.target.view.id);
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
        let may_pass = match &error {
            MaterializerError::Offline(error) => matches!(
                error,
                OfflineError::Conflict { .. } | OfflineError::Full { .. } | OfflineError::Table { .. }
            ),
            MaterializerError::Online(error) => !matches!(
                error,
                OnlineError::Damaged { .. }
                    | OnlineError::Newer { .. }
                    | OnlineError::TooLarge { .. }
                    | OnlineError::Url { .. }
            ),
            MaterializerError::OnlineConflict { .. } => true,
            MaterializerError::Feed { error, .. } => matches!(error, FeedError::Unreachable(_)),
            _ => false,
        };
        if !may_pass {
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
        let entities = sync::sync(&mut self.log, self.online, (self.clock)()).await?;
        self.online.replace(&self.target.view.id, &[], Some((self.clock)())).await?;
        self.working.look(self.online, None).await?;
        self.report.rebuilt += 1;
        tracing::warn!("{}: {entities} entities were folded anew", self.target.view.id);
        Ok(())
    }

    async fn transform(&mut self) -> Result<Event, MaterializerError> {
        let now = (self.clock)();
        let mut flush = Flush { folded_at: Some(now), ..Flush::default() };
        self.settle_seam().await?;
        let before = Before { refused: &self.refused_before, seam: self.seam.from };
        let (taken, letters) = self.judge.judge(self.protocol.records(), &before, &mut flush.counts)?;
        flush.letters = letters;
        let (batch, _) = self.judge.log_batch(&taken, now)?;
        flush.touched = Touched::of(&self.target.view, &batch)?;
        let Some(refused) = self.working.fold(self.online, &flush.touched, now).await? else {
            self.rebuild().await?;
            return Ok(Event::Overtaken);
        };
        flush.taken = Some(taken);
        flush.marks.transformed((self.clock)());
        self.flush = flush;
        self.leave_out(&refused, NoRoom::TooManyWaiting)?;
        Ok(Event::Transformed { refused: self.flush.letters.len() })
    }

    /// Before the first commit: where history ends and the stream begins.
    async fn settle_seam(&mut self) -> Result<(), MaterializerError> {
        if self.seam.is_recorded || self.target.source.batch.is_none() {
            return Ok(());
        }
        let first = self.protocol.records().iter().map(|record| record.timestamp).min();
        self.seam.from = self.seam.from.or(first);
        match self.seam.from {
            Some(from) => seam::check(&self.log, from).await,
            None => Ok(()),
        }
    }

    /// Takes rows out of the flush for which their entity has no room.
    fn leave_out(&mut self, refused: &BTreeSet<usize>, why: NoRoom) -> Result<(), MaterializerError> {
        let Some(taken) = &self.flush.taken else { return Ok(()) };
        if refused.is_empty() {
            return Ok(());
        }
        let records = self.protocol.records();
        let origins = refused.iter().filter_map(|place| taken.origins.get(*place));
        let letters: Vec<DeadLetter> = origins
            .filter_map(|origin| records.get(*origin))
            .map(|record| self.judge.no_room(record, why))
            .collect();
        *self.flush.counts.refused.entry(why.kind().to_owned()).or_default() += letters.len() as u64;
        self.flush.letters.extend(letters);
        let taken = taken.without(refused)?;
        // Places are counted anew, so the rows are put together anew.
        let now = self.flush.folded_at.unwrap_or_else(self.clock);
        let (batch, _) = self.judge.log_batch(&taken, now)?;
        self.flush.touched = Touched::of(&self.target.view, &batch)?;
        self.flush.taken = Some(taken);
        Ok(())
    }

    async fn refuse(&mut self) -> Result<Event, MaterializerError> {
        let letters = self.flush.letters.clone();
        let at = letters
            .iter()
            .map(|letter| letter.position.parts())
            .map(|(_, partition, offset)| (partition, offset));
        let at: Vec<(u32, u64)> = at.collect();
        self.letters.refresh().await?;
        self.letters.append_new(letters, (self.clock)()).await?;
        self.refused_before.extend(at);
        self.flush.letters.clear();
        Ok(Event::Refused)
    }

    async fn write(&mut self) -> Result<Event, MaterializerError> {
        let now = self.flush.folded_at.unwrap_or_else(self.clock);
        match self.working.write(self.online, &self.flush.touched, now).await? {
            Write::Done { written, folded_anew } => {
                self.flush.written = written;
                self.report.folded_anew += folded_anew as u64;
            }
            Write::Refused { places, why } => {
                self.leave_out(&places, why)?;
                return Ok(Event::RefusedMore(places.len()));
            }
        }
        if self.working.has_lost(self.online).await? {
            self.rebuild().await?;
            return Ok(Event::Overtaken);
        }
        Ok(Event::Written)
    }

    /// The moment that the log will say, and the online store's applied time with it.
    async fn stamp(&mut self) -> Result<Event, MaterializerError> {
        let stamp = (self.clock)();
        self.flush.marks.acknowledged(stamp);
        let any_visible = self.flush.taken.as_ref().is_some_and(|taken| {
            let folded_at = self.flush.folded_at.map_or(i64::MAX, Micros::get);
            taken.event_times().iter().any(|event| *event <= folded_at)
        });
        let applied_at = any_visible.then_some(stamp);
        if any_visible {
            self.online.replace(&self.target.view.id, &[], applied_at).await?;
        }
        (self.flush.stamp, self.flush.applied_at) = (Some(stamp), applied_at);
        Ok(Event::Stamped)
    }

    async fn commit(&mut self, moves: &[Move]) -> Result<Event, MaterializerError> {
        match self.try_commit(moves).await {
            Ok(()) => Ok(Event::Committed),
            Err(MaterializerError::Offline(error)) => {
                tracing::info!("{}: a commit is uncertain: {error}", self.target.view.id);
                Ok(Event::Uncertain((self.clock)()))
            }
            Err(error) => Err(error),
        }
    }

    /// The snapshot that is committed on is the one on which the places were read, or the follower's own
    /// commit after it: another writer's move of them is a conflict, whenever it came.
    async fn try_commit(&mut self, moves: &[Move]) -> Result<(), MaterializerError> {
        let stamp = self.flush.stamp.unwrap_or_else(self.clock);
        let mut appender = self.log.appender().await?;
        if let Some(taken) = self.flush.taken.as_ref().filter(|taken| taken.len() > 0) {
            let (batch, late) = self.judge.log_batch(taken, stamp)?;
            appender.write(batch).await?;
            self.flush.marks.late = late;
        }
        let mut markers = positions::markers(self.judge.topic(), moves, self.flush.applied_at);
        markers.extend(self.seam.from.filter(|_| !self.seam.is_recorded).map(seam::marker));
        appender.commit(&markers).await?;
        self.seam.is_recorded = self.seam.from.is_some();
        Ok(())
    }

    async fn compare(&mut self, moves: &[Move]) -> Result<Event, MaterializerError> {
        self.log.refresh().await?;
        // Another process may have been the first to say from when the stream counts.
        let recorded = seam::recorded(&self.log).await?;
        if recorded.is_some() && recorded != self.seam.from {
            return Ok(Event::Overtaken);
        }
        self.seam.is_recorded = recorded.is_some();
        let mut stands = Vec::with_capacity(moves.len());
        for step in moves {
            stands.push(positions::place(&self.log, self.judge.topic(), step.partition).await?.next);
        }
        let all = |at: fn(&Move) -> Option<u64>| {
            moves.iter().zip(&stands).all(|(step, stands)| at(step) == *stands)
        };
        Ok(if all(|step| Some(step.to)) {
            Event::StandsAfter
        } else if all(|step| step.from) {
            Event::StandsBefore
        } else {
            tracing::warn!("{}: another process has these partitions now", self.target.view.id);
            Event::Overtaken
        })
    }

    fn finish(&mut self, ends: &[(u32, u64)]) {
        let flush = std::mem::take(&mut self.flush);
        self.refused_before.retain(|(partition, offset)| {
            ends.iter().all(|(other, end)| other != partition || offset >= end)
        });
        let taken = flush.taken.as_ref();
        let records = self.protocol.records();
        self.following.watch.count(&flush.marks, taken, records, (self.clock)());
        let late = flush.marks.late;
        self.report.flushed(Flushed { taken, late, counts: flush.counts, ends, records });
        self.report.entities_written += flush.written as u64;
        self.report.entities_in_memory = self.working.entities() as u64;
        self.look_at_lag();
        self.following.watch.publish(&self.report);
        tracing::debug!("{}: rows of {} entities committed", self.target.view.id, flush.touched.len());
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
