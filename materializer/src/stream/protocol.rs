//! The write protocol of a stream as a pure state machine: it returns the next step, and takes the event that the
//! step led to. A small shell performs the steps, so every crash point is a unit test.
//!
//! A flush goes through its steps in one order: refused rows are kept, entities are written online, the moment of
//! the acknowledgement is taken, rows and positions are committed together, and last the broker is notified. A
//! partition is read from where the log stands in it; nothing else decides that.

mod bad_rows;
mod batch;
#[cfg(test)]
mod crashes;
#[cfg(test)]
mod world;

use std::collections::{BTreeMap, BTreeSet};

use feature::Micros;

pub use bad_rows::{BadRowLimit, BadRows, Refused};
pub use batch::Bounds;

use crate::error::Halt;
use crate::rows::record::Record;
use batch::Gathered;

/// What to do next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Take what the source has next; wait for it until this moment at the latest.
    Receive {
        /// When to come back although nothing arrived.
        until: Micros,
    },
    /// Drop all folds in memory: another process may have written their entities.
    Forget,
    /// Find out how far the log is in these partitions, and read from there.
    Locate(Vec<u32>),
    /// Transform the flush's records and fold them in memory.
    Transform,
    /// Keep the refused rows of the flush.
    Refuse,
    /// Write the flush's entities online, by compare-and-set.
    Write,
    /// Take the moment of the acknowledgement.
    Stamp,
    /// Commit the flush's rows and these positions in one commit.
    Commit(Vec<Move>),
    /// See whether the log stands where this flush begins, or where it ends.
    Compare(Vec<Move>),
    /// Notify the broker of how far the log is: the next offset of each partition.
    Acknowledge(Vec<(u32, u64)>),
    /// Wait until this moment; then the step that failed comes again.
    Rest {
        /// When to go on.
        until: Micros,
    },
    /// Stop: everything that was received is committed, or will be read again because a store failed.
    Done,
    /// Stop, and report why.
    Halt(Halt),
}

/// How far one flush moves the log in one partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Move {
    /// The partition.
    pub partition: u32,
    /// The next offset before the flush, which the log has to be at; `None` if it never had one.
    pub from: Option<u64>,
    /// The next offset after it.
    pub to: u64,
}

/// How far the log and the source are in a partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Located {
    /// The partition.
    pub partition: u32,
    /// The next offset by the log; `None` if none of its rows was ever committed.
    pub committed: Option<u64>,
    /// The first offset that the source still has.
    pub earliest: u64,
    /// The offset that its next row will have.
    pub end: u64,
}

/// The outcome of a step, or something that happened meanwhile.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// These partitions are to be read from now on.
    Assigned(Vec<u32>),
    /// These partitions are another's from now on.
    Revoked(Vec<u32>),
    /// A record arrived at this moment.
    Received(Record, Micros),
    /// It is this late, and nothing else happened.
    Idle(Micros),
    /// All folds in memory are forgotten.
    Forgotten,
    /// Where partitions stand.
    Located(Vec<Located>),
    /// The records are transformed and folded; these of them were refused.
    Transformed {
        /// Rows that are to be kept as refused.
        refused: Refused,
    },
    /// The refused rows are kept.
    Refused,
    /// All entities are acknowledged.
    Written,
    /// Folding again refused more rows: they are kept before anything else is written.
    RefusedMore(Refused),
    /// The moment of the acknowledgement is taken.
    Stamped,
    /// The log has the flush.
    Committed,
    /// The commit failed at this moment: another process moved the positions of the flush, or it is not known
    /// whether the commit is in the log.
    Uncertain(Micros),
    /// The log stands where the flush begins.
    StandsBefore,
    /// The log stands where the flush ends.
    StandsAfter,
    /// The log is elsewhere: another process has these partitions.
    Overtaken,
    /// The broker knows.
    Acknowledged,
    /// The step failed at this moment and may be tried again.
    Failed(Micros),
    /// Flush what is gathered, and then stop.
    Stop,
}

/// What the protocol is doing now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Receiving,
    Transforming,
    Refusing,
    Writing,
    Stamping,
    Committing,
    Comparing,
    Acknowledging,
}

/// The protocol of one view's stream.
#[derive(Clone, Debug)]
pub struct Protocol {
    bounds: Bounds,
    bad_row_limit: BadRowLimit,
    /// The partitions that are read, and the next offset of each by the log.
    owned: BTreeMap<u32, Option<u64>>,
    /// Partitions that are owned, and whose offset in the log is not known yet.
    unlocated: Vec<u32>,
    /// The bad rows of each partition.
    bad_row_limits: BTreeMap<u32, BadRowLimit>,
    /// Partitions that are no longer read because too many of their rows are bad.
    stopped: BTreeMap<u32, BadRows>,
    must_forget: bool,
    gathered: Gathered,
    /// Whether the source had nothing more when it was last read.
    is_drained: bool,
    phase: Phase,
    /// How often the current step failed, and when to try it again.
    failures: u32,
    rest_until: Option<Micros>,
    now: Micros,
    stopping: bool,
    halt: Option<Halt>,
}

impl Protocol {
    /// A protocol that owns no partition yet.
    pub fn new(bounds: Bounds, bad_row_limit: BadRowLimit, now: Micros) -> Self {
        Self {
            bounds,
            bad_row_limit,
            owned: BTreeMap::new(),
            unlocated: Vec::new(),
            bad_row_limits: BTreeMap::new(),
            stopped: BTreeMap::new(),
            must_forget: false,
            gathered: Gathered::default(),
            is_drained: false,
            phase: Phase::Receiving,
            failures: 0,
            rest_until: None,
            now,
            stopping: false,
            halt: None,
        }
    }

    /// The records of the flush, by partition and offset once it is transformed.
    pub fn records(&self) -> &[Record] {
        self.gathered.records()
    }

    /// The partitions that are read, and the next offset of each by the log.
    pub fn owned(&self) -> &BTreeMap<u32, Option<u64>> {
        &self.owned
    }

    /// Whether a flush is under way: changes of the assignment have to wait.
    #[cfg(test)]
    pub fn is_flushing(&self) -> bool {
        self.phase != Phase::Receiving
    }

    /// The partitions of whose newest rows too many are bad, whether they are still read or not.
    pub fn too_many_bad(&self) -> BTreeMap<u32, BadRows> {
        let read =
            self.bad_row_limits.iter().filter_map(|(partition, limit)| Some((*partition, limit.exceeded()?)));
        read.chain(self.stopped.iter().map(|(partition, bad_rows)| (*partition, *bad_rows))).collect()
    }

    /// Returns what to do next.
    pub fn step(&mut self) -> Step {
        if let Some(halt) = &self.halt {
            return Step::Halt(halt.clone());
        }
        if let Some(until) = self.rest_until {
            // What is not committed is read again by the next process: a stop does not wait for a store that is down.
            return if self.stopping { self.done() } else { Step::Rest { until } };
        }
        if self.must_forget {
            return Step::Forget;
        }
        if !self.unlocated.is_empty() {
            return Step::Locate(self.unlocated.clone());
        }
        if self.phase == Phase::Receiving && self.is_due() {
            self.gathered.sort();
            self.phase = Phase::Transforming;
        }
        match self.phase {
            Phase::Receiving if self.stopping => self.done(),
            Phase::Receiving => Step::Receive { until: self.due_at() },
            Phase::Transforming => Step::Transform,
            Phase::Refusing => Step::Refuse,
            Phase::Writing => Step::Write,
            Phase::Stamping => Step::Stamp,
            Phase::Committing => Step::Commit(self.moves()),
            Phase::Comparing => Step::Compare(self.moves()),
            Phase::Acknowledging => {
                Step::Acknowledge(self.moves().iter().map(|step| (step.partition, step.to)).collect())
            }
        }
    }

    /// Takes what happened.
    pub fn on(&mut self, event: Event) {
        if matches!(event, Event::Located(_) | Event::Written | Event::Committed | Event::StandsAfter) {
            self.failures = 0;
        }
        match event {
            Event::Assigned(partitions) => self.assigned(&partitions),
            Event::Revoked(partitions) => self.revoked(&partitions),
            Event::Received(record, now) => self.received(record, now),
            Event::Idle(now) => {
                self.is_drained = true;
                self.tick(now);
            }
            Event::Forgotten => self.must_forget = false,
            Event::Located(partitions) => {
                partitions.into_iter().for_each(|partition| self.located(partition))
            }
            Event::Transformed { refused } => {
                let mut rows: BTreeMap<u32, u64> = BTreeMap::new();
                for record in self.gathered.records() {
                    *rows.entry(record.partition).or_default() += 1;
                }
                self.count_bad(&rows, &refused);
                self.phase = if refused.rows > 0 { Phase::Refusing } else { Phase::Writing };
            }
            Event::RefusedMore(refused) => {
                self.count_bad(&BTreeMap::new(), &refused);
                self.phase = Phase::Refusing;
            }
            Event::Refused => self.refused(),
            Event::Written => self.phase = Phase::Stamping,
            Event::Stamped => self.phase = Phase::Committing,
            Event::Uncertain(now) => {
                self.phase = Phase::Comparing;
                self.failed(now);
            }
            Event::StandsBefore => self.phase = Phase::Committing,
            Event::Committed | Event::StandsAfter => self.phase = Phase::Acknowledging,
            Event::Overtaken => self.start_over(),
            Event::Acknowledged => self.flushed(),
            Event::Failed(now) => self.failed(now),
            Event::Stop => self.stopping = true,
        }
    }

    fn count_bad(&mut self, rows: &BTreeMap<u32, u64>, refused: &Refused) {
        let partitions: BTreeSet<u32> = rows.keys().chain(refused.bad.keys()).copied().collect();
        for partition in partitions {
            let count = |of: &BTreeMap<u32, u64>| of.get(&partition).copied().unwrap_or(0);
            self.bad_row_limits
                .entry(partition)
                .or_insert(self.bad_row_limit)
                .count(count(rows), count(&refused.bad));
        }
    }

    /// Goes on once refused rows are kept. A partition with too many bad ones is left at the log's offset, and the
    /// others are read on; once there are none, the stream stops.
    fn refused(&mut self) {
        let owned = self.owned.keys();
        let over: Vec<(u32, BadRows)> = owned
            .filter_map(|partition| Some((*partition, self.bad_row_limits.get(partition)?.stops()?)))
            .collect();
        if over.is_empty() {
            self.phase = Phase::Writing;
            return;
        }
        for (partition, bad_rows) in over {
            self.owned.remove(&partition);
            self.bad_row_limits.remove(&partition);
            self.stopped.insert(partition, bad_rows);
        }
        if self.owned.is_empty() {
            self.halt = self.too_many_bad_rows();
        }
        self.start_over();
    }

    /// Done, unless a partition stopped because of its bad rows.
    fn done(&self) -> Step {
        self.too_many_bad_rows().map_or(Step::Done, Step::Halt)
    }

    fn too_many_bad_rows(&self) -> Option<Halt> {
        let (partition, bad_rows) = self.stopped.first_key_value()?;
        Some(Halt::TooManyBad { partition: *partition, bad: bad_rows.bad, rows: bad_rows.rows })
    }

    fn is_due(&self) -> bool {
        let Some(waits) = self.gathered.waits() else { return false };
        let has_waited = |since: Micros| since.saturating_add(self.bounds.wait) <= self.now;
        self.stopping
            || self.gathered.is_full(&self.bounds)
            || has_waited(waits.here)
            || self.is_drained && has_waited(waits.anywhere)
    }

    /// When a flush is due at the latest, or when to look again if nothing is gathered.
    fn due_at(&self) -> Micros {
        let waits = self.gathered.waits();
        let since = waits.map_or(self.now, |waits| waits.here.min(waits.anywhere));
        since.saturating_add(self.bounds.wait).max(self.now)
    }

    fn moves(&self) -> Vec<Move> {
        let ends = self.gathered.ends().into_iter();
        ends.map(|(partition, to)| Move {
            partition,
            from: self.owned.get(&partition).copied().flatten(),
            to,
        })
        .collect()
    }

    fn assigned(&mut self, partitions: &[u32]) {
        for partition in partitions {
            // A partition that is assigned again is tried from where the log is, with a new count.
            self.stopped.remove(partition);
            self.bad_row_limits.remove(partition);
            self.owned.insert(*partition, None);
            if !self.unlocated.contains(partition) {
                self.unlocated.push(*partition);
            }
        }
        self.must_forget = true;
    }

    fn revoked(&mut self, partitions: &[u32]) {
        self.owned.retain(|partition, _| !partitions.contains(partition));
        self.stopped.retain(|partition, _| !partitions.contains(partition));
        self.bad_row_limits.retain(|partition, _| !partitions.contains(partition));
        self.unlocated.retain(|partition| !partitions.contains(partition));
        self.gathered.leave_out(|partition| partitions.contains(&partition));
        self.must_forget = true;
    }

    fn received(&mut self, record: Record, now: Micros) {
        self.set_now(now);
        self.is_drained = false;
        let is_located =
            self.owned.contains_key(&record.partition) && !self.unlocated.contains(&record.partition);
        let next =
            self.gathered.end(record.partition).or(self.owned.get(&record.partition).copied().flatten());
        // Records before the log's offset were fetched before the consumer was assigned its start.
        if is_located && next.is_none_or(|next| next <= record.offset) {
            self.gathered.push(record, self.now);
        }
    }

    fn located(&mut self, located: Located) {
        let Located { partition, committed, earliest, end } = located;
        match committed {
            Some(next) if next < earliest => self.halt = Some(Halt::Gap { partition, next, earliest }),
            Some(next) if next > end => self.halt = Some(Halt::Beyond { partition, next, end }),
            _ => {}
        }
        if let Some(next) = self.owned.get_mut(&partition) {
            *next = committed;
            self.unlocated.retain(|other| *other != partition);
        }
    }

    fn start_over(&mut self) {
        self.gathered = Gathered::default();
        self.phase = Phase::Receiving;
        self.unlocated = self.owned.keys().copied().collect();
        self.must_forget = true;
    }

    fn flushed(&mut self) {
        for (partition, to) in self.gathered.ends() {
            if let Some(next) = self.owned.get_mut(&partition) {
                *next = Some(to);
            }
        }
        self.gathered = Gathered::default();
        self.phase = Phase::Receiving;
    }

    /// A clock that was set back delays nothing until it is as late again.
    fn set_now(&mut self, now: Micros) {
        if now < self.now {
            let latest = now.saturating_add(self.bounds.longest_rest);
            self.rest_until = self.rest_until.map(|until| until.min(latest));
            self.gathered.waits_since(now);
        }
        self.now = now;
    }

    fn tick(&mut self, now: Micros) {
        self.set_now(now);
        if self.rest_until.is_some_and(|until| until <= self.now) {
            self.rest_until = None;
        }
    }

    fn failed(&mut self, now: Micros) {
        self.set_now(now);
        let doubled = (0..self.failures.min(20)).fold(self.bounds.first_rest, |rest, _| rest.plus(rest));
        self.failures = self.failures.saturating_add(1);
        self.rest_until = Some(self.now.saturating_add(doubled.min(self.bounds.longest_rest)));
    }
}
