//! A world in memory for the protocol's tests: a broker, a log with application transactions, a store
//! with compare-and-set, and processes that crash, sleep and lose their partitions at any step. Each of
//! the three safeguards can be switched off, so that the checker itself is checked.

use std::collections::BTreeMap;

use feature::Micros;
use feature::oracle::Numbers;

use super::{BadRowLimit, Bounds, Event, Located, Move, Protocol, Refused, Step};
use crate::rows::record::Record;

/// Which safeguards are in place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Safeguards {
    /// A fold passes over what lies at or below the position that it holds.
    pub(super) positions: bool,
    /// A row is written only where it has folded all that the row that is there has.
    pub(super) compare_and_set: bool,
    /// A commit is refused where its positions were moved by another.
    pub(super) transactions: bool,
}

impl Safeguards {
    pub(super) const ALL: Self = Self { positions: true, compare_and_set: true, transactions: true };
}

const PARTITIONS: u32 = 3;
const ENTITIES: u64 = 4;

/// What was folded of one entity: how often each position was, and how far each partition is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Fold {
    times: BTreeMap<(u32, u64), u32>,
    highest: BTreeMap<u32, u64>,
}

impl Fold {
    fn apply(&mut self, position: (u32, u64), safeguards: Safeguards) {
        let highest = self.highest.get(&position.0).copied();
        if safeguards.positions && highest.is_some_and(|highest| position.1 <= highest) {
            return;
        }
        *self.times.entry(position).or_default() += 1;
        self.highest.insert(position.0, highest.map_or(position.1, |highest| highest.max(position.1)));
    }

    fn contains(&self, other: &Fold) -> bool {
        other
            .highest
            .iter()
            .all(|(partition, offset)| self.highest.get(partition).is_some_and(|highest| offset <= highest))
    }
}

/// A process: its protocol, what it holds in memory, and where it reads.
#[derive(Debug)]
struct Process {
    protocol: Protocol,
    folds: BTreeMap<u64, Fold>,
    reads: BTreeMap<u32, u64>,
    /// What the group sent it, and what it was not awake to hear.
    unheard: Vec<Event>,
    sleeps: bool,
}

/// Everything, and whose turn it is.
#[derive(Debug)]
pub(super) struct World {
    safeguards: Safeguards,
    numbers: Numbers,
    now: i64,
    /// By partition, the entity of each record.
    topic: Vec<Vec<u64>>,
    log: Vec<(u32, u64)>,
    markers: BTreeMap<u32, u64>,
    online: BTreeMap<u64, Fold>,
    processes: Vec<Process>,
    owners: BTreeMap<u32, usize>,
    crashes: u32,
}

impl World {
    pub(super) fn new(seed: u64, safeguards: Safeguards) -> Self {
        let mut numbers = Numbers::new(seed);
        let topic = (0..PARTITIONS)
            .map(|_| (0..20 + numbers.below(60)).map(|_| numbers.below(ENTITIES)).collect())
            .collect();
        let mut world = Self {
            safeguards,
            numbers,
            now: 0,
            topic,
            log: Vec::new(),
            markers: BTreeMap::new(),
            online: BTreeMap::new(),
            processes: Vec::new(),
            owners: BTreeMap::new(),
            crashes: 0,
        };
        world.processes = (0..3).map(|_| world.process()).collect();
        world.rebalance();
        world
    }

    fn process(&self) -> Process {
        let span = |text: &str| text.parse().unwrap();
        let bounds = Bounds {
            rows: 7,
            bytes: 1 << 20,
            wait: span("5ms"),
            first_rest: span("1ms"),
            longest_rest: span("8ms"),
        };
        Process {
            protocol: Protocol::new(bounds, BadRowLimit::allowed(1.0), self.at()),
            folds: BTreeMap::new(),
            reads: BTreeMap::new(),
            unheard: Vec::new(),
            sleeps: false,
        }
    }

    fn at(&self) -> Micros {
        Micros::new(self.now).unwrap()
    }

    /// Runs until everything is committed, with disturbances for the first `disturbed` turns.
    pub(super) fn run(&mut self, disturbed: u32) {
        for turn in 0..20_000 {
            self.now += 1_000;
            if turn < disturbed {
                self.disturb();
            } else if turn == disturbed {
                self.processes.iter_mut().for_each(|process| process.sleeps = false);
                self.rebalance();
            }
            if turn > disturbed && self.is_done() {
                return;
            }
            let who = self.numbers.below(self.processes.len() as u64) as usize;
            if !self.processes[who].sleeps {
                self.turn(who);
            }
        }
    }

    fn disturb(&mut self) {
        match self.numbers.below(40) {
            0 | 1 => {
                let who = self.numbers.below(3) as usize;
                self.processes[who] = self.process();
                self.crashes += 1;
                self.rebalance();
            }
            2 | 3 => {
                let who = self.numbers.below(3) as usize;
                self.processes[who].sleeps = !self.processes[who].sleeps;
                self.rebalance();
            }
            4 => self.rebalance(),
            _ => {}
        }
    }

    /// Gives the partitions to the processes that are awake. One that sleeps hears of it later.
    fn rebalance(&mut self) {
        let awake: Vec<usize> =
            (0..self.processes.len()).filter(|who| !self.processes[*who].sleeps).collect();
        if awake.is_empty() {
            return;
        }
        for partition in 0..PARTITIONS {
            let new = awake[self.numbers.below(awake.len() as u64) as usize];
            let old = self.owners.insert(partition, new);
            let knows = self.processes[new].protocol.owned().contains_key(&partition);
            if old == Some(new) && knows {
                continue;
            }
            if let Some(old) = old {
                self.processes[old].unheard.push(Event::Revoked(vec![partition]));
            }
            self.processes[new].unheard.push(Event::Assigned(vec![partition]));
        }
    }

    /// One step of a process; it may die in the middle, before or after its effect.
    fn turn(&mut self, who: usize) {
        let step = self.processes[who].protocol.step();
        // A process that was asleep may do some more before it hears.
        let is_deaf = self.numbers.below(3) == 0;
        let event = match step {
            Step::Receive { .. } if !is_deaf && !self.processes[who].unheard.is_empty() => {
                let event = self.processes[who].unheard.remove(0);
                if let Event::Revoked(partitions) = &event {
                    partitions.iter().for_each(|partition| {
                        self.processes[who].reads.remove(partition);
                    });
                }
                event
            }
            Step::Receive { .. } => self.receive(who),
            Step::Forget => {
                self.processes[who].folds.clear();
                Event::Forgotten
            }
            Step::Locate(partitions) => Event::Located(self.locate(who, &partitions)),
            Step::Transform => {
                self.fold(who);
                Event::Transformed { refused: Refused::default() }
            }
            Step::Write => self.write(who),
            Step::Stamp => Event::Stamped,
            Step::Commit(moves) => self.commit(who, &moves),
            Step::Compare(moves) => self.compare(&moves),
            Step::Acknowledge(_) => Event::Acknowledged,
            Step::Rest { .. } => Event::Idle(self.at()),
            Step::Refuse | Step::Done | Step::Halt(_) => panic!("{step:?} in a world without bad rows"),
        };
        self.processes[who].protocol.on(event);
    }

    fn receive(&mut self, who: usize) -> Event {
        let at = self.at();
        let next = self.processes[who].reads.iter().find_map(|(partition, offset)| {
            let entity = self.topic[*partition as usize].get(*offset as usize)?;
            Some((*partition, *offset, *entity))
        });
        let Some((partition, offset, entity)) = next else { return Event::Idle(at) };
        self.processes[who].reads.insert(partition, offset + 1);
        let key = Some(entity.to_le_bytes().to_vec());
        let (timestamp, received_at) = (at, at);
        let record = Record {
            partition,
            offset,
            timestamp,
            received_at,
            key,
            value: None,
            trace: None,
            is_forgotten: false,
        };
        Event::Received(record, at)
    }

    fn locate(&mut self, who: usize, partitions: &[u32]) -> Vec<Located> {
        let located = partitions.iter().map(|partition| {
            let committed = self.markers.get(partition).copied();
            self.processes[who].reads.insert(*partition, committed.unwrap_or(0));
            let end = self.topic[*partition as usize].len() as u64;
            Located { partition: *partition, committed, earliest: 0, end }
        });
        located.collect()
    }

    fn fold(&mut self, who: usize) {
        let Process { protocol, folds, .. } = &mut self.processes[who];
        for (entity, position) in rows(protocol) {
            let fold =
                folds.entry(entity).or_insert_with(|| self.online.get(&entity).cloned().unwrap_or_default());
            fold.apply(position, self.safeguards);
        }
    }

    /// Writes one entity, or says that all are written: a process may die between any two.
    fn write(&mut self, who: usize) -> Event {
        let at = self.at();
        if self.numbers.below(8) == 0 {
            return Event::Failed(at);
        }
        let dies_after = self.numbers.below(12) as usize;
        let Process { protocol, folds, .. } = &mut self.processes[who];
        let rows = rows(protocol);
        let mut entities: Vec<u64> = rows.iter().map(|(entity, _)| *entity).collect();
        entities.dedup();
        for (count, entity) in entities.iter().enumerate() {
            if count == dies_after {
                return Event::Failed(at);
            }
            let fold = folds.get_mut(entity).unwrap();
            let current = self.online.get(entity).cloned().unwrap_or_default();
            if self.safeguards.compare_and_set {
                if current.contains(fold) {
                    continue;
                }
                if !fold.contains(&current) {
                    *fold = current;
                    for (_, position) in rows.iter().filter(|(other, _)| other == entity) {
                        fold.apply(*position, self.safeguards);
                    }
                }
            }
            self.online.insert(*entity, fold.clone());
        }
        Event::Written
    }

    fn commit(&mut self, who: usize, moves: &[Move]) -> Event {
        // Now and then the answer is lost, before the commit or after it.
        let lost = self.numbers.below(6);
        if lost == 0 {
            return Event::Uncertain(self.at());
        }
        let stands = moves.iter().all(|step| self.markers.get(&step.partition).copied() == step.from);
        if !stands && self.safeguards.transactions {
            return Event::Uncertain(self.at());
        }
        self.log.extend(rows(&self.processes[who].protocol).into_iter().map(|(_, position)| position));
        self.markers.extend(moves.iter().map(|step| (step.partition, step.to)));
        if lost == 1 { Event::Uncertain(self.at()) } else { Event::Committed }
    }

    fn compare(&self, moves: &[Move]) -> Event {
        let stands = |at: fn(&Move) -> Option<u64>| {
            moves.iter().all(|step| self.markers.get(&step.partition).copied() == at(step))
        };
        if stands(|step| Some(step.to)) {
            Event::StandsAfter
        } else if stands(|step| step.from) {
            Event::StandsBefore
        } else {
            Event::Overtaken
        }
    }

    fn is_done(&self) -> bool {
        (0..PARTITIONS).all(|partition| {
            self.markers.get(&partition).copied() == Some(self.topic[partition as usize].len() as u64)
        }) && self.processes.iter().all(|process| !process.protocol.is_flushing())
    }

    /// What is wrong with the end of the world: rows that are lost or doubled, in the log or online.
    pub(super) fn check(&self) -> Result<(), String> {
        if !self.is_done() {
            return Err("it never came to an end".to_owned());
        }
        let mut produced = BTreeMap::new();
        for (partition, entities) in self.topic.iter().enumerate() {
            for (offset, entity) in entities.iter().enumerate() {
                let position = (partition as u32, offset as u64);
                let in_log = self.log.iter().filter(|other| **other == position).count();
                if in_log != 1 {
                    return Err(format!("the log holds {position:?} {in_log} times"));
                }
                produced.entry(*entity).or_insert_with(BTreeMap::new).insert(position, 1);
            }
        }
        for (entity, positions) in &produced {
            if self.online.get(entity).map(|fold| &fold.times) != Some(positions) {
                return Err(format!("the fold of entity {entity} is not that of the log"));
            }
        }
        Ok(())
    }
}

/// The rows of a flush, by entity.
fn rows(protocol: &Protocol) -> Vec<(u64, (u32, u64))> {
    let row = |record: &Record| {
        let entity = u64::from_le_bytes(record.key.clone().unwrap().try_into().unwrap());
        (entity, (record.partition, record.offset))
    };
    let mut rows: Vec<_> = protocol.records().iter().map(row).collect();
    rows.sort();
    rows
}
