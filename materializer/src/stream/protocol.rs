//! The write protocol of a stream as a pure state machine: it says what to do next, and is told what
//! came of it. A small shell does what it says, so every crash point is a unit test.
//!
//! A flush goes through its steps in one order: refused rows are kept, entities are written online,
//! the moment of the acknowledgement is taken, rows and positions are committed together, and last the
//! broker is told. What the log says of a partition is where it is read from; nothing else is.

mod batch;
#[cfg(test)]
mod crashes;
mod halt;
#[cfg(test)]
mod world;

use std::collections::{BTreeMap, BTreeSet};

use feature::Micros;

pub use batch::{Bounds, Record};
pub use halt::{BadShare, Halt, Refused, Share};

use batch::Gathered;

/// What is to be done next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Take what the source has next, at the latest until this moment.
    Receive {
        /// When to come back although nothing arrived.
        until: Micros,
    },
    /// Forget all folds that are held in memory: who else wrote meanwhile is not known.
    Forget,
    /// Find out where the log stands in these partitions, and begin there.
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
    /// Tell the broker how far the log is: the next offset of each partition.
    Acknowledge(Vec<(u32, u64)>),
    /// Wait until this moment; then the step that failed comes again.
    Rest {
        /// When to go on.
        until: Micros,
    },
    /// Stop: all that was taken is committed, or waits for a store that failed and will be read again.
    Done,
    /// Stop, and tell the user why.
    Halt(Halt),
}

/// How far one flush moves the log in one partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Move {
    /// The partition.
    pub partition: u32,
    /// The next offset before the flush: where the log has to stand; none where it never had one.
    pub from: Option<u64>,
    /// The next offset after it.
    pub to: u64,
}

/// Where a partition stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Located {
    /// The partition.
    pub partition: u32,
    /// The next offset by the log; none where none of its rows was ever committed.
    pub committed: Option<u64>,
    /// The first offset that the source still has.
    pub earliest: u64,
    /// The offset that its next row will have.
    pub end: u64,
}

/// What came of a step, or what happened.
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
    /// Folding anew refused more rows: they are kept before anything else is written.
    RefusedMore(Refused),
    /// The moment of the acknowledgement is taken.
    Stamped,
    /// The log has the flush.
    Committed,
    /// Another moved the positions of the flush, or it is not known whether the commit is in the log: at
    /// this moment the commit failed.
    Uncertain(Micros),
    /// The log stands where the flush begins.
    StandsBefore,
    /// The log stands where the flush ends.
    StandsAfter,
    /// The log stands elsewhere: another has these partitions.
    Overtaken,
    /// The broker knows.
    Acknowledged,
    /// The step failed at this moment and may be tried again.
    Failed(Micros),
    /// What is gathered is to be flushed, and then all stops.
    Stop,
}

/// What the protocol is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
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
    share: Share,
    /// The partitions that are read, and the next offset of each by the log.
    owned: BTreeMap<u32, Option<u64>>,
    /// Partitions that are owned, and whose place in the log is not known yet.
    unlocated: Vec<u32>,
    /// The share of bad rows of each partition.
    shares: BTreeMap<u32, Share>,
    /// Partitions that are not read any more, as too many of their rows are bad.
    stopped: BTreeMap<u32, BadShare>,
    must_forget: bool,
    gathered: Gathered,
    /// Whether the source had nothing more when it was asked last.
    is_drained: bool,
    stage: Stage,
    /// How often the step of now failed, and when to try it again.
    failures: u32,
    rest_until: Option<Micros>,
    now: Micros,
    stopping: bool,
    halt: Option<Halt>,
}

impl Protocol {
    /// A protocol that owns no partition yet.
    pub fn new(bounds: Bounds, share: Share, now: Micros) -> Self {
        Self {
            bounds,
            share,
            owned: BTreeMap::new(),
            unlocated: Vec::new(),
            shares: BTreeMap::new(),
            stopped: BTreeMap::new(),
            must_forget: false,
            gathered: Gathered::default(),
            is_drained: false,
            stage: Stage::Receiving,
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

    /// Whether a flush is under way: what the source says of partitions has to wait.
    pub fn is_flushing(&self) -> bool {
        self.stage != Stage::Receiving
    }

    /// The partitions of whose newest rows too many are bad, whether they are read still or not.
    pub fn too_many_bad(&self) -> BTreeMap<u32, BadShare> {
        let read = self.shares.iter().filter_map(|(partition, share)| Some((*partition, share.noted()?)));
        read.chain(self.stopped.iter().map(|(partition, share)| (*partition, *share))).collect()
    }

    /// What is to be done next.
    pub fn step(&mut self) -> Step {
        if let Some(halt) = &self.halt {
            return Step::Halt(halt.clone());
        }
        if let Some(until) = self.rest_until {
            // What is not committed is read again by the next: a stop waits for no store that is down.
            return if self.stopping { self.done() } else { Step::Rest { until } };
        }
        if self.must_forget {
            return Step::Forget;
        }
        if !self.unlocated.is_empty() {
            return Step::Locate(self.unlocated.clone());
        }
        if self.stage == Stage::Receiving && self.is_due() {
            self.gathered.sort();
            self.stage = Stage::Transforming;
        }
        match self.stage {
            Stage::Receiving if self.stopping => self.done(),
            Stage::Receiving => Step::Receive { until: self.due_at() },
            Stage::Transforming => Step::Transform,
            Stage::Refusing => Step::Refuse,
            Stage::Writing => Step::Write,
            Stage::Stamping => Step::Stamp,
            Stage::Committing => Step::Commit(self.moves()),
            Stage::Comparing => Step::Compare(self.moves()),
            Stage::Acknowledging => {
                Step::Acknowledge(self.moves().iter().map(|step| (step.partition, step.to)).collect())
            }
        }
    }

    /// Tells what happened.
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
            Event::Located(places) => places.into_iter().for_each(|place| self.located(place)),
            Event::Transformed { refused } => {
                let mut rows: BTreeMap<u32, u64> = BTreeMap::new();
                for record in self.gathered.records() {
                    *rows.entry(record.partition).or_default() += 1;
                }
                self.count_bad(&rows, &refused);
                self.stage = if refused.rows > 0 { Stage::Refusing } else { Stage::Writing };
            }
            Event::RefusedMore(refused) => {
                self.count_bad(&BTreeMap::new(), &refused);
                self.stage = Stage::Refusing;
            }
            Event::Refused => self.refused(),
            Event::Written => self.stage = Stage::Stamping,
            Event::Stamped => self.stage = Stage::Committing,
            Event::Uncertain(now) => {
                self.stage = Stage::Comparing;
                self.failed(now);
            }
            Event::StandsBefore => self.stage = Stage::Committing,
            Event::Committed | Event::StandsAfter => self.stage = Stage::Acknowledging,
            Event::Overtaken => self.begin_anew(),
            Event::Acknowledged => self.flushed(),
            Event::Failed(now) => self.failed(now),
            Event::Stop => self.stopping = true,
        }
    }

    fn count_bad(&mut self, rows: &BTreeMap<u32, u64>, refused: &Refused) {
        let partitions: BTreeSet<u32> = rows.keys().chain(refused.bad.keys()).copied().collect();
        for partition in partitions {
            let count = |of: &BTreeMap<u32, u64>| of.get(&partition).copied().unwrap_or(0);
            self.shares.entry(partition).or_insert(self.share).count(count(rows), count(&refused.bad));
        }
    }

    /// Goes on once refused rows are kept. A partition with too many bad ones is left where the log stands in
    /// it, and the others are read on; once there are none, all stops.
    fn refused(&mut self) {
        let owned = self.owned.keys();
        let over: Vec<(u32, BadShare)> =
            owned.filter_map(|partition| Some((*partition, self.shares.get(partition)?.stops()?))).collect();
        if over.is_empty() {
            self.stage = Stage::Writing;
            return;
        }
        for (partition, share) in over {
            self.owned.remove(&partition);
            self.shares.remove(&partition);
            self.stopped.insert(partition, share);
        }
        if self.owned.is_empty() {
            self.halt = self.too_many_bad_rows();
        }
        self.begin_anew();
    }

    /// All is done, but for what a partition that is not read any more has.
    fn done(&self) -> Step {
        self.too_many_bad_rows().map_or(Step::Done, Step::Halt)
    }

    fn too_many_bad_rows(&self) -> Option<Halt> {
        let (partition, share) = self.stopped.first_key_value()?;
        Some(Halt::TooManyBad { partition: *partition, bad: share.bad, rows: share.rows })
    }

    fn is_due(&self) -> bool {
        let Some(waits) = self.gathered.waits() else { return false };
        let has_waited = |since: Micros| since.saturating_add(self.bounds.wait) <= self.now;
        self.stopping
            || self.gathered.is_full(&self.bounds)
            || has_waited(waits.here)
            || self.is_drained && has_waited(waits.anywhere)
    }

    /// When a flush is due at the latest, or when to look again where nothing is gathered.
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
            // Whoever is given a partition tries it from where the log stands, with a new count.
            self.stopped.remove(partition);
            self.shares.remove(partition);
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
        self.shares.retain(|partition, _| !partitions.contains(partition));
        self.unlocated.retain(|partition| !partitions.contains(partition));
        self.gathered.leave_out(|partition| partitions.contains(&partition));
        self.must_forget = true;
    }

    fn received(&mut self, record: Record, now: Micros) {
        self.it_is(now);
        self.is_drained = false;
        let is_located =
            self.owned.contains_key(&record.partition) && !self.unlocated.contains(&record.partition);
        let next =
            self.gathered.end(record.partition).or(self.owned.get(&record.partition).copied().flatten());
        // What lies before the log's place was fetched before the consumer was told where to begin.
        if is_located && next.is_none_or(|next| next <= record.offset) {
            self.gathered.push(record, self.now);
        }
    }

    fn located(&mut self, place: Located) {
        let Located { partition, committed, earliest, end } = place;
        match committed {
            Some(next) if next < earliest => self.halt = Some(Halt::Gap { partition, next, earliest }),
            Some(next) if next > end => self.halt = Some(Halt::Beyond { partition, next, end }),
            _ => {}
        }
        if let Some(held) = self.owned.get_mut(&partition) {
            *held = committed;
            self.unlocated.retain(|other| *other != partition);
        }
    }

    fn begin_anew(&mut self) {
        self.gathered = Gathered::default();
        self.stage = Stage::Receiving;
        self.unlocated = self.owned.keys().copied().collect();
        self.must_forget = true;
    }

    fn flushed(&mut self) {
        for (partition, to) in self.gathered.ends() {
            if let Some(held) = self.owned.get_mut(&partition) {
                *held = Some(to);
            }
        }
        self.gathered = Gathered::default();
        self.stage = Stage::Receiving;
    }

    /// A clock that was set back makes nothing wait until it is as late again.
    fn it_is(&mut self, now: Micros) {
        if now < self.now {
            let latest = now.saturating_add(self.bounds.longest_rest);
            self.rest_until = self.rest_until.map(|until| until.min(latest));
            self.gathered.waits_since(now);
        }
        self.now = now;
    }

    fn tick(&mut self, now: Micros) {
        self.it_is(now);
        if self.rest_until.is_some_and(|until| until <= self.now) {
            self.rest_until = None;
        }
    }

    fn failed(&mut self, now: Micros) {
        self.it_is(now);
        let doubled = (0..self.failures.min(20)).fold(self.bounds.first_rest, |rest, _| rest.plus(rest));
        self.failures = self.failures.saturating_add(1);
        self.rest_until = Some(self.now.saturating_add(doubled.min(self.bounds.longest_rest)));
    }
}
