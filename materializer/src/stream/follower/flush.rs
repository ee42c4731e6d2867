//! The steps of one flush: its records through the transform, the online store and the log.

use std::collections::{BTreeMap, BTreeSet};

use feature::Micros;
use offline::DeadLetter;
use online::{Reader, Writer};

use super::{Follower, Seam};
use crate::error::MaterializerError;
use crate::stream::feed::Feed;
use crate::stream::judge::{BEFORE_STREAM, Before, Counts, Judgement, Taken};
use crate::stream::positions;
use crate::stream::protocol::{Event, Move, Refused};
use crate::stream::report::Flushed;
use crate::stream::trial::{Guard, Point};
use crate::stream::watch::Marks;
use crate::stream::working::{NoRoom, Touched, Write};
use crate::{loaded, seam};

/// What is known of the flush that is under way.
#[derive(Default)]
pub(super) struct Flush {
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
    /// What time it is, and never before the flush's records were there: a clock that is behind makes no row
    /// available earlier than its broker had it.
    fn no_earlier_than_received(&self) -> Micros {
        let received = self.protocol.records().iter().map(|record| record.received_at).max();
        received.max(Some((self.clock)())).unwrap_or(Micros::MAX)
    }

    pub(super) async fn transform(&mut self) -> Result<Event, MaterializerError> {
        let now = self.no_earlier_than_received();
        let mut flush = Flush { folded_at: Some(now), ..Flush::default() };
        self.settle_seam().await?;
        self.judge.prepare(self.protocol.records()).await?;
        let before = Before { refused: &self.refused_before, start: self.seam.from };
        let Judgement { taken, letters, counts, .. } = self.judge.judge(self.protocol.records(), &before)?;
        (flush.letters, flush.counts) = (letters, counts);
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
        Ok(Event::Transformed { refused: self.refused() })
    }

    /// The rows that are to be kept as refused, and of which partitions those are that are bad: one that
    /// happened before the stream counts is not.
    fn refused(&self) -> Refused {
        let mut bad: BTreeMap<u32, u64> = BTreeMap::new();
        for letter in self.flush.letters.iter().filter(|letter| letter.reason != BEFORE_STREAM) {
            let (_, partition, _) = letter.position.parts();
            *bad.entry(partition).or_default() += 1;
        }
        Refused { rows: self.flush.letters.len(), bad }
    }

    /// Before the first commit: where history ends and the stream begins.
    async fn settle_seam(&mut self) -> Result<(), MaterializerError> {
        if self.seam.is_recorded || self.target.source.batch.is_none() {
            return Ok(());
        }
        if let Some(named) = self.seam.from {
            return seam::check(&self.log, named).await;
        }
        let Some(first) = self.protocol.records().iter().map(|record| record.timestamp).min() else {
            return Ok(());
        };
        let from = seam::settle(self.offline, &self.target.view, first).await?;
        self.seam = Seam { from: Some(from), is_recorded: true };
        Ok(())
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

    pub(super) async fn refuse(&mut self) -> Result<Event, MaterializerError> {
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

    pub(super) async fn write(&mut self) -> Result<Event, MaterializerError> {
        let now = self.flush.folded_at.unwrap_or_else(self.clock);
        if self.following.trial.strikes_at(Point::HalfWritten) {
            self.working.write(self.online, &self.flush.touched.half(), now).await?;
            self.following.trial.strike_now();
        }
        match self.working.write(self.online, &self.flush.touched, now).await? {
            Write::Done { written, folded_anew } => {
                self.flush.written = written;
                self.report.folded_anew += folded_anew as u64;
            }
            Write::Refused { places, why } => {
                self.leave_out(&places, why)?;
                return Ok(Event::RefusedMore(self.refused()));
            }
        }
        if self.working.has_lost(self.online).await? {
            self.rebuild().await?;
            return Ok(Event::Overtaken);
        }
        Ok(Event::Written)
    }

    /// The moment that the log will say, and the online store's applied time with it.
    pub(super) async fn stamp(&mut self) -> Result<Event, MaterializerError> {
        let stamp = self.no_earlier_than_received();
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

    pub(super) async fn commit(&mut self, moves: &[Move]) -> Result<Event, MaterializerError> {
        match self.try_commit(moves).await {
            Ok(()) => Ok(Event::Committed),
            Err(MaterializerError::Offline(error)) => {
                tracing::warn!("{}: a commit failed, and is looked for: {error}", self.target.view.id);
                Ok(Event::Uncertain((self.clock)()))
            }
            Err(error) => Err(error),
        }
    }

    /// The snapshot that is committed on is the one on which the places were read, or the follower's own
    /// commit after it: another writer's move of them is a conflict, whenever it came. So is a move of a partition that
    /// this flush has nothing of, since the next flush may; and history, until it is recorded where it ends.
    async fn try_commit(&mut self, moves: &[Move]) -> Result<(), MaterializerError> {
        let stamp = self.flush.stamp.unwrap_or_else(self.clock);
        let owned: Vec<String> = self.protocol.owned().keys().map(|one| positions::next(*one)).collect();
        let history: &[&str] = if self.decides_start() { &loaded::HISTORY } else { &[] };
        let reads: Vec<&str> = owned.iter().map(String::as_str).chain(history.iter().copied()).collect();
        let mut appender = self.log.appender().await?;
        if let Some(taken) = self.flush.taken.as_ref().filter(|taken| taken.len() > 0) {
            let (batch, late) = self.judge.log_batch(taken, stamp)?;
            appender.write(batch).await?;
            self.flush.marks.late = late;
            if !self.following.trial.has(Guard::OneCommit) {
                appender.commit(&[], &[]).await?;
                appender = self.log.appender().await?;
            }
            self.following.trial.pass(Point::FileWritten);
        }
        let mut markers = positions::markers(self.judge.topic(), moves, self.flush.applied_at);
        markers.extend(self.seam.from.filter(|_| !self.seam.is_recorded).map(seam::marker));
        appender.commit(&markers, &reads).await?;
        self.seam.is_recorded = self.seam.from.is_some();
        Ok(())
    }

    /// Whether the flush's commit is the one that records from when the stream counts.
    fn decides_start(&self) -> bool {
        !self.seam.is_recorded && self.target.source.batch.is_some()
    }

    pub(super) async fn compare(&mut self, moves: &[Move]) -> Result<Event, MaterializerError> {
        self.log.refresh().await?;
        // Another process may have been the first to say from when the stream counts.
        let recorded = seam::recorded(&self.log).await?;
        if recorded.is_some() && recorded != self.seam.from {
            return Ok(Event::Overtaken);
        }
        if recorded.is_none() && self.decides_start() {
            // History may have come between, which decides where the stream begins.
            return Ok(Event::Overtaken);
        }
        self.seam.is_recorded = recorded.is_some();
        for (partition, held) in self.protocol.owned() {
            let is_moved = moves.iter().any(|step| step.partition == *partition);
            let place = positions::place(&self.log, self.judge.topic(), *partition).await?;
            if !is_moved && place.next != *held {
                return Ok(Event::Overtaken);
            }
        }
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

    pub(super) fn finish(&mut self, ends: &[(u32, u64)]) {
        let flush = std::mem::take(&mut self.flush);
        self.refused_before.retain(|(partition, offset)| {
            ends.iter().all(|(other, end)| other != partition || offset >= end)
        });
        let taken = flush.taken.as_ref();
        let records = self.protocol.records();
        self.following.watch.count(&flush.marks, taken, records, (self.clock)());
        let late = flush.marks.late;
        self.report.flushed(Flushed { taken, late, counts: flush.counts, ends, records });
        self.report.too_many_bad(&self.protocol.too_many_bad());
        self.report.entities_written += flush.written as u64;
        self.report.entities_in_memory = self.working.entities() as u64;
        self.look_at_lag();
        self.following.watch.publish(&self.report);
        tracing::debug!("{}: rows of {} entities committed", self.target.view.id, flush.touched.len());
    }
}
