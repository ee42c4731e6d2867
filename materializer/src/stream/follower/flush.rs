//! The steps of one flush: its records through the transform, the online store and the log.

use std::collections::{BTreeMap, BTreeSet};

use feature::{EntityKey, Micros};
use offline::{DeadLetter, FORGOTTEN, FORGOTTEN_WHOLE};
use online::Mender;

use super::state::{Flush, Follower, FollowerStart};
use crate::error::MaterializerError;
use crate::fold::again;
use crate::load_turn::LoadTurn;
use crate::markers::{self, HISTORY_READS, next_offset};
use crate::rows::reason::RefusalReason;
use crate::stream::committed;
use crate::stream::fault_injection::{FaultPoint, Guard};
use crate::stream::feed::Feed;
use crate::stream::fold_cache::{DoesNotFit, RowsByEntity, Write};
use crate::stream::protocol::{Event, Move, Refused};
use crate::stream::record_validator::{Before, ValidatedRecords};
use crate::stream::stream_report::Flushed;
use crate::stream_start;

impl<W: Mender, F: Feed> Follower<'_, W, F> {
    /// The current time, and never before the flush's records were received: a clock that is behind makes no row
    /// available earlier than its broker had it.
    fn no_earlier_than_received(&self) -> Micros {
        let records = self.protocol.records().iter();
        records.map(|record| record.received_at).fold((self.clock)(), Micros::max)
    }

    pub(super) async fn transform(&mut self) -> Result<Event, MaterializerError> {
        let now = self.no_earlier_than_received();
        let mut flush = Flush { folded_at: Some(now), ..Flush::default() };
        if self.has_forgotten_more()? {
            return Ok(Event::Overtaken);
        }
        self.settle_start().await?;
        self.validator.prepare(self.protocol.records()).await?;
        let before =
            Before { refused: &self.refused_before, start: self.start.from, forgotten: &self.forgotten };
        let ValidatedRecords { accepted, dead_letters, counts, .. } =
            self.validator.validate(self.protocol.records(), &before)?;
        (flush.dead_letters, flush.counts) = (dead_letters, counts);
        self.take_back(&flush.counts.forgotten_keys).await?;
        let (batch, _) = self.validator.log_batch(&accepted, now)?;
        flush.by_entity = RowsByEntity::of(&self.target.view, &batch)?;
        let Some(refused) = self.cache.fold(self.online, &flush.by_entity, now).await? else {
            self.rebuild().await?;
            return Ok(Event::Overtaken);
        };
        flush.accepted = Some(accepted);
        flush.times.transformed((self.clock)());
        self.flush = flush;
        self.leave_out(&refused, DoesNotFit::TooManyWaiting)?;
        Ok(Event::Transformed { refused: self.refused() })
    }

    /// The rows to keep as refused, and how many of each partition are bad: a row that happened before the stream starts
    /// is not bad.
    fn refused(&self) -> Refused {
        let mut bad: BTreeMap<u32, u64> = BTreeMap::new();
        for dead_letter in self
            .flush
            .dead_letters
            .iter()
            .filter(|dead_letter| dead_letter.reason != RefusalReason::BeforeStream.as_str())
        {
            let (_, partition, _) = dead_letter.position.parts();
            *bad.entry(partition).or_default() += 1;
        }
        Refused { rows: self.flush.dead_letters.len(), bad }
    }

    /// Before the first commit: decides where history ends and the stream starts.
    async fn settle_start(&mut self) -> Result<(), MaterializerError> {
        if self.start.is_recorded || self.target.source.batch.is_none() {
            return Ok(());
        }
        if let Some(named) = self.start.from {
            return stream_start::check(&self.log, named).await;
        }
        let Some(first) = self.protocol.records().iter().map(|record| record.timestamp).min() else {
            return Ok(());
        };
        let from = stream_start::settle(self.offline, &self.target.view, first).await?;
        self.start = FollowerStart { from: Some(from), is_recorded: true };
        Ok(())
    }

    /// Removes rows from the flush that do not fit into the packed row of their entity.
    fn leave_out(&mut self, refused: &BTreeSet<usize>, why: DoesNotFit) -> Result<(), MaterializerError> {
        let Some(accepted) = &self.flush.accepted else { return Ok(()) };
        if refused.is_empty() {
            return Ok(());
        }
        let records = self.protocol.records();
        let origins = refused.iter().filter_map(|row| accepted.origins.get(*row));
        let dead_letters: Vec<DeadLetter> = origins
            .filter_map(|origin| records.get(*origin))
            .map(|record| self.validator.refuse(record, why.reason(), why.to_string()))
            .collect();
        *self.flush.counts.refused.entry(why.reason().as_str().to_owned()).or_default() +=
            dead_letters.len() as u64;
        self.flush.dead_letters.extend(dead_letters);
        let keep: Vec<bool> = (0..accepted.len()).map(|row| !refused.contains(&row)).collect();
        let accepted = accepted.clone().filtered(&keep)?;
        // The rows have other indexes now, so they are grouped again.
        let now = self.folded_at()?;
        let (batch, _) = self.validator.log_batch(&accepted, now)?;
        self.flush.by_entity = RowsByEntity::of(&self.target.view, &batch)?;
        self.flush.accepted = Some(accepted);
        Ok(())
    }

    pub(super) async fn refuse(&mut self) -> Result<Event, MaterializerError> {
        let dead_letters = self.flush.dead_letters.clone();
        let at = dead_letters
            .iter()
            .map(|dead_letter| dead_letter.position.parts())
            .map(|(_, partition, offset)| (partition, offset));
        let at: Vec<(u32, u64)> = at.collect();
        self.dead_letters.refresh().await?;
        self.dead_letters.append_new(dead_letters, (self.clock)()).await?;
        self.refused_before.extend(at);
        self.flush.dead_letters.clear();
        Ok(Event::Refused)
    }

    pub(super) async fn write(&mut self) -> Result<Event, MaterializerError> {
        let now = self.folded_at()?;
        if self.has_forgotten_more()? {
            return Ok(Event::Overtaken);
        }
        if self.options.faults.strikes_at(FaultPoint::HalfWritten) {
            self.cache.write(self.online, &self.flush.by_entity.half(), now).await?;
            self.options.faults.strike_now();
        }
        if std::mem::replace(&mut self.flush.write_began, true) {
            let Some(refused) = self.cache.fold_dropped(self.online, &self.flush.by_entity, now).await?
            else {
                self.rebuild().await?;
                return Ok(Event::Overtaken);
            };
            if !refused.is_empty() {
                self.leave_out(&refused, DoesNotFit::TooManyWaiting)?;
                return Ok(Event::RefusedMore(self.refused()));
            }
        }
        match self.cache.write(self.online, &self.flush.by_entity, now).await? {
            Write::Done { written, folded_again } => {
                self.flush.written = written;
                self.report.folded_again += folded_again as u64;
            }
            Write::Refused { rows, why } => {
                self.leave_out(&rows, why)?;
                return Ok(Event::RefusedMore(self.refused()));
            }
        }
        if self.cache.has_lost(self.online).await? {
            self.rebuild().await?;
            return Ok(Event::Overtaken);
        }
        Ok(Event::Written)
    }

    /// The moment that the log will say, and the online store's applied time with it.
    pub(super) async fn stamp(&mut self) -> Result<Event, MaterializerError> {
        let stamp = self.no_earlier_than_received();
        self.flush.times.acknowledged(stamp);
        let folded_at = self.folded_at()?;
        let any_visible = self
            .flush
            .accepted
            .as_ref()
            .is_some_and(|accepted| accepted.event_times.iter().any(|event| *event <= folded_at.get()));
        let applied_at = any_visible.then_some(stamp);
        if any_visible {
            self.online.replace(&self.target.view.id, &[], applied_at).await?;
        }
        (self.flush.stamp, self.flush.applied_at) = (Some(stamp), applied_at);
        Ok(Event::Stamped)
    }

    pub(super) async fn commit(&mut self, moves: &[Move]) -> Result<Event, MaterializerError> {
        let committed = self.try_commit(moves).await;
        if committed.is_err() {
            self.statistics.forget();
        }
        match committed {
            Ok(()) => Ok(Event::Committed),
            Err(MaterializerError::Offline(error)) => {
                tracing::warn!(
                    "{}: a commit failed, and is looked for in the log: {error}",
                    self.target.view.id
                );
                Ok(Event::Uncertain((self.clock)()))
            }
            Err(error) => Err(error),
        }
    }

    /// Commits on the snapshot on which the offsets were read, or on the follower's own commit after it: a move of them
    /// by another writer is a conflict, whenever it came. So is a move of a partition that this flush has nothing
    /// of, since the next flush may; and a load of history, until it is recorded where the stream starts.
    async fn try_commit(&mut self, moves: &[Move]) -> Result<(), MaterializerError> {
        let stamp =
            self.flush.stamp.ok_or_else(|| self.broken("a flush is committed before it is stamped"))?;
        let owned: Vec<String> = self.protocol.owned().keys().map(|one| next_offset(*one)).collect();
        let history: &[&str] = if self.decides_start() { &HISTORY_READS } else { &[] };
        let forgotten = [FORGOTTEN, FORGOTTEN_WHOLE];
        let reads = owned.iter().map(String::as_str).chain(history.iter().copied()).chain(forgotten);
        let reads: Vec<&str> = reads.collect();
        let refused = match self.refused_before.is_empty() {
            true => None,
            false => markers::refused(&self.log).await?,
        };
        let mut appender = self.log.appender().await?;
        if let Some(accepted) = self.flush.accepted.as_ref().filter(|accepted| accepted.len() > 0) {
            let (batch, late) = self.validator.log_batch(accepted, stamp)?;
            self.statistics.count(&self.target.view, &batch);
            appender.write(batch);
            self.flush.times.late = late;
            if !self.options.faults.has(Guard::OneCommit) {
                appender.commit(&[], &[]).await?;
                appender = self.log.appender().await?;
            }
            self.options.faults.pass(FaultPoint::FileWritten);
        }
        let mut markers = committed::markers(self.validator.topic(), moves, self.flush.applied_at);
        markers.extend(self.start.from.filter(|_| !self.start.is_recorded).map(stream_start::marker));
        markers.extend(refused);
        let written = appender.finish().await?;
        self.offline.check_forgotten(&self.forgotten, &self.log)?;
        self.log.commit(&written, &markers, &reads).await?;
        self.statistics.committed(&written);
        self.start.is_recorded = self.start.from.is_some();
        Ok(())
    }

    /// Writes the rows of a committed flush once more where a load or a rebuild ran beside it. Either folds the log without
    /// this flush into rows that are lost or damaged, and cannot know what those had folded.
    pub(super) async fn write_beside_load(&mut self) -> Result<(), MaterializerError> {
        let turn = LoadTurn::next(&self.log).await?;
        if (turn.follows_unsettled() || self.turn != Some(turn)) && self.flush.by_entity.len() > 0 {
            let now = self.folded_at()?;
            let by_entity = &self.flush.by_entity;
            let is_folded = self.cache.fold_dropped(self.online, by_entity, now).await?;
            let is_written = is_folded.is_some_and(|refused| refused.is_empty())
                && matches!(self.cache.write(self.online, by_entity, now).await?, Write::Done { .. });
            let has_forgotten_more = self.has_forgotten_more()?;
            if !is_written || has_forgotten_more {
                let keys = self.flush.by_entity.keys().cloned().collect();
                // The follower's own snapshot stays: commits are decided on it.
                let mut log = self.offline.log(&self.target.view).await?;
                if has_forgotten_more {
                    // Rows of a forgotten entity may be back that were removed meanwhile.
                    again::fold_again(&mut log, self.online, keys, self.clock).await?;
                } else {
                    again::fold_present(&mut log, self.online, keys, self.clock).await?;
                }
            }
        }
        self.turn = Some(turn);
        Ok(())
    }

    /// Whether the flush's commit is the one that records where the stream starts.
    fn decides_start(&self) -> bool {
        !self.start.is_recorded && self.target.source.batch.is_some()
    }

    pub(super) async fn compare(&mut self, moves: &[Move]) -> Result<Event, MaterializerError> {
        self.log.refresh().await?;
        if self.has_forgotten_more()? {
            return Ok(Event::Overtaken);
        }
        // Another process may have been the first to record where the stream starts.
        let recorded = stream_start::recorded(&self.log).await?;
        if recorded.is_some() && recorded != self.start.from {
            return Ok(Event::Overtaken);
        }
        if recorded.is_none() && self.decides_start() {
            // A load of history may have come in between, which decides where the stream starts.
            return Ok(Event::Overtaken);
        }
        self.start.is_recorded = recorded.is_some();
        for (partition, next) in self.protocol.owned() {
            let is_moved = moves.iter().any(|step| step.partition == *partition);
            let committed = committed::partition(&self.log, self.validator.topic(), *partition).await?;
            if !is_moved && committed.next != *next {
                return Ok(Event::Overtaken);
            }
        }
        let mut stands = Vec::with_capacity(moves.len());
        for step in moves {
            let committed = committed::partition(&self.log, self.validator.topic(), step.partition).await?;
            stands.push(committed.next);
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

    /// Whether a key of the view's entity was forgotten since the partitions were located: what is under way may hold
    /// rows of it.
    pub(super) fn has_forgotten_more(&self) -> Result<bool, MaterializerError> {
        Ok(!self.offline.forgotten()?.is_same_of(&self.target.view.entity, &self.forgotten))
    }

    /// Removes the online rows that a flush wrote which was overtaken by a forgetting, this process's or another's: its
    /// records are those of the first flush after that.
    async fn take_back(&mut self, keys: &BTreeSet<EntityKey>) -> Result<(), MaterializerError> {
        if std::mem::take(&mut self.may_replay_forgotten) && !keys.is_empty() {
            let keys = keys.iter().cloned().collect();
            // The follower's own snapshot stays: commits are decided on it.
            let mut log = self.offline.log(&self.target.view).await?;
            again::fold_again(&mut log, self.online, keys, self.clock).await?;
        }
        Ok(())
    }

    /// The moment at which the flush's rows are folded.
    fn folded_at(&self) -> Result<Micros, MaterializerError> {
        self.flush.folded_at.ok_or_else(|| self.broken("a flush goes on before it is transformed"))
    }

    fn broken(&self, what: &'static str) -> MaterializerError {
        MaterializerError::invariant(&self.target.view.id, what)
    }

    pub(super) fn finish(&mut self, ends: &[(u32, u64)]) {
        let flush = std::mem::take(&mut self.flush);
        self.refused_before.retain(|(partition, offset)| {
            ends.iter().all(|(other, end)| other != partition || offset >= end)
        });
        let accepted = flush.accepted.as_ref();
        let records = self.protocol.records();
        self.options.metrics.count(&flush.times, accepted, records, (self.clock)());
        let late = flush.times.late;
        self.report.flushed(Flushed { accepted, late, counts: flush.counts, ends, records });
        self.report.too_many_bad(&self.protocol.too_many_bad());
        self.report.entities_written += flush.written as u64;
        self.report.entities_in_memory = self.cache.entities() as u64;
        self.fetch_lag();
        self.options.metrics.publish(&self.report);
        self.options.metrics.note_stuck(None);
        tracing::debug!("{}: rows of {} entities committed", self.target.view.id, flush.by_entity.len());
    }
}
