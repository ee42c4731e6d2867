//! The rows of a log folded into entities, by several threads. Entities lie in shards by the hashes of their keys, each with
//! its keys in one buffer and a state for each, and a thread locks one shard at a time. A group of rows is read twice: keys,
//! times and positions of all rows say which of them can change a fold, and only those are read whole.

use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use feature::{AsOf, EntityKey, Micros, Row, View};
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use offline::{OfferedRows, OfflineError, RowFacts, RowFold, WholeRows};
use online::{Applied, Layout, OnlineError, RowState};

use super::selection::Selection;

/// Parts that threads lock one by one.
const SHARDS: usize = 64;

/// The head of an entity of which no row is visible yet.
const NO_HEAD: i64 = i64::MIN;

/// One thread's part of a fold.
pub(super) struct Folding {
    shards: Arc<Shards>,
    selection: Selection,
    now: Micros,
    /// Whether rows that are not visible yet are left out, and do not wait.
    leaves_out_later: bool,
    reach: i64,
    /// The rows of the current group that may have to be folded, by shard.
    candidates: Vec<Vec<Candidate>>,
    /// The same, in the order of the rows.
    wanted: Vec<Wanted>,
    /// How many of them were folded.
    folded: usize,
    /// Rows of a batch by shard, each with its hash.
    of_shards: Vec<Vec<(usize, u64)>>,
}

/// A row that may have to be folded.
struct Candidate {
    /// Its number in the group.
    row: u32,
    entity: u32,
    facts: RowFacts,
}

#[derive(Clone, Copy)]
struct Wanted {
    row: u32,
    shard: usize,
    /// Its index among the candidates of the shard.
    candidate: usize,
}

impl Folding {
    pub(super) fn new(shards: Arc<Shards>, selection: Selection, now: Micros) -> Self {
        Self {
            reach: shards.layout.reach(),
            shards,
            selection,
            now,
            leaves_out_later: false,
            candidates: (0..SHARDS).map(|_| Vec::new()).collect(),
            wanted: Vec::new(),
            folded: 0,
            of_shards: vec![Vec::new(); SHARDS],
        }
    }

    /// Leaves out the rows that are not visible yet.
    pub(super) fn leaving_out_later(self) -> Self {
        Self { leaves_out_later: true, ..self }
    }

    /// Sorts the selected rows of a batch by shard, the last first: mostly they are the newest, and once they are
    /// known, the others do not matter.
    fn sort(&mut self, rows: &OfferedRows<'_>) {
        for row in (0..rows.keys.len()).rev() {
            let key = rows.keys.key(row);
            if self.selection.includes(key) {
                let hash = self.shards.hash(key);
                if let Some(of_shard) = self.of_shards.get_mut(Shards::number_of(hash)) {
                    of_shard.push((row, hash));
                }
            }
        }
    }
}

impl RowFold for Folding {
    fn offer(&mut self, rows: &OfferedRows<'_>, first_row: usize) -> Result<(), OfflineError> {
        self.sort(rows);
        let shards = self.of_shards.iter_mut().zip(&mut self.candidates).enumerate();
        for (number, (of_shard, candidates)) in shards.filter(|(_, (of_shard, _))| !of_shard.is_empty()) {
            let mut shard = self.shards.shard(number);
            for (row, hash) in of_shard.drain(..) {
                let key = rows.keys.key(row);
                let facts = rows.facts(row)?;
                let visible_at = AsOf::Available.visible_at(facts.event_time, facts.available_at);
                if self.leaves_out_later && visible_at > self.now {
                    continue;
                }
                let entity = match &self.selection {
                    Selection::Present => shard.find(key, hash),
                    _ => Some(self.shards.find_or_add(&mut shard, key, hash)),
                };
                let Some(entity) = entity else { continue };
                if shard.offer(entity, &facts, self.now, self.reach) {
                    candidates.push(Candidate { row: (first_row + row) as u32, entity, facts });
                }
            }
        }
        Ok(())
    }

    fn wanted(&mut self) -> Vec<u32> {
        self.wanted.clear();
        self.folded = 0;
        for (shard, candidates) in self.candidates.iter_mut().enumerate() {
            if candidates.is_empty() {
                continue;
            }
            let mut entities = self.shards.shard(shard);
            candidates.retain(|row| entities.still_wants(row.entity, &row.facts, self.now, self.reach));
            let wanted = candidates.iter().enumerate();
            self.wanted.extend(wanted.map(|(candidate, of)| Wanted { row: of.row, shard, candidate }));
        }
        self.wanted.sort_unstable_by_key(|wanted| wanted.row);
        let rows: Vec<u32> = self.wanted.iter().map(|wanted| wanted.row).collect();
        if rows.is_empty() {
            self.candidates.iter_mut().for_each(Vec::clear);
        }
        rows
    }

    fn fold(&mut self, rows: &WholeRows<'_>) {
        let part = self.wanted.get(self.folded..self.folded + rows.len());
        let part = part.expect("invariant: no more rows are given than are wanted");
        let mut part: Vec<(usize, Wanted)> = part.iter().copied().enumerate().collect();
        part.sort_unstable_by_key(|(_, wanted)| wanted.shard);
        let mut values = Vec::new();
        for of_shard in part.chunk_by(|one, next| one.1.shard == next.1.shard) {
            let Some((_, Wanted { shard: number, .. })) = of_shard.first() else { continue };
            let mut shard = self.shards.shard(*number);
            for (row, Wanted { candidate, .. }) in of_shard {
                let candidate = self.candidates.get(*number).and_then(|all| all.get(*candidate));
                let Candidate { entity, facts, .. } =
                    candidate.expect("invariant: a row that is wanted is a candidate");
                rows.values(*row, &mut values);
                let whole = Row {
                    event_time: facts.event_time,
                    available_at: facts.available_at,
                    position: facts.position,
                    deleted: rows.is_deleted(*row),
                    values: std::mem::take(&mut values),
                };
                shard.fold(*entity, &whole, self.now);
                values = whole.values;
            }
        }
        self.folded += rows.len();
        if self.folded == self.wanted.len() {
            self.candidates.iter_mut().for_each(Vec::clear);
        }
    }
}

/// All entities of a fold.
#[derive(Debug)]
pub(super) struct Shards {
    pub(super) layout: Arc<Layout>,
    shards: Vec<Mutex<Shard>>,
    hasher: FixedState,
}

impl Shards {
    pub(super) fn new(view: &View) -> Self {
        Self {
            layout: Arc::new(Layout::new(view)),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: FixedState::default(),
        }
    }

    pub(super) fn hash(&self, key: &[u8]) -> u64 {
        self.hasher.hash_one(key)
    }

    /// The number of the shard of an entity, from bits that a shard's table uses neither for a bucket nor for a tag.
    pub(super) fn number_of(hash: u64) -> usize {
        (hash >> 40) as usize % SHARDS
    }

    pub(super) fn shard(&self, number: usize) -> MutexGuard<'_, Shard> {
        locked(self.shards.get(number).expect("invariant: a shard's number is below their count"))
    }

    /// All shards, one after the other.
    pub(super) fn each(&self) -> impl Iterator<Item = MutexGuard<'_, Shard>> {
        self.shards.iter().map(locked)
    }

    fn find_or_add(&self, shard: &mut Shard, key: &[u8], hash: u64) -> u32 {
        shard.find_or_add(key, hash, &self.layout, |key| self.hash(key))
    }
}

fn locked(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Some entities of a view. Each has a number, by the order in which they were seen.
#[derive(Debug, Default)]
pub(super) struct Shard {
    numbers: HashTable<u32>,
    keys: Keys,
    /// The latest event time among the visible rows of each, folded or about to be.
    heads: Vec<i64>,
    states: Vec<RowState>,
    /// The greatest time at which a row that counts became visible.
    applied_at: Option<Micros>,
    /// Whether more rows of an entity wait than its state takes.
    is_refused: bool,
}

#[derive(Debug, Default)]
struct Keys {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Keys {
    fn get(&self, number: u32) -> &[u8] {
        let start = match number.checked_sub(1) {
            None => Some(0),
            Some(before) => self.ends.get(before as usize).copied(),
        };
        let key =
            start.zip(self.ends.get(number as usize)).and_then(|(start, end)| self.bytes.get(start..*end));
        key.expect("invariant: each entity of a shard has a key")
    }

    fn push(&mut self, key: &[u8]) {
        self.bytes.extend_from_slice(key);
        self.ends.push(self.bytes.len());
    }
}

impl Shard {
    pub(super) fn len(&self) -> usize {
        self.states.len()
    }

    pub(super) fn key(&self, number: u32) -> &[u8] {
        self.keys.get(number)
    }

    pub(super) fn applied_at(&self) -> Option<Micros> {
        self.applied_at
    }

    pub(super) fn is_refused(&self) -> bool {
        self.is_refused
    }

    /// The number of an entity that is there.
    pub(super) fn find(&self, key: &[u8], hash: u64) -> Option<u32> {
        self.numbers.find(hash, |number| self.keys.get(*number) == key).copied()
    }

    /// The number of an entity, which is there from now on.
    fn find_or_add(
        &mut self,
        key: &[u8],
        hash: u64,
        layout: &Arc<Layout>,
        hash_of: impl Fn(&[u8]) -> u64,
    ) -> u32 {
        if let Some(number) = self.find(key, hash) {
            return number;
        }
        let number = self.states.len() as u32;
        self.keys.push(key);
        self.heads.push(NO_HEAD);
        self.states.push(RowState::new(layout));
        let keys = &self.keys;
        self.numbers.insert_unique(hash, number, |number| hash_of(keys.get(*number)));
        number
    }

    /// Whether a row has to be folded, which is so if it may be the latest, or a window reaches it, or it is not visible
    /// yet; any other is passed over here.
    fn offer(&mut self, number: u32, row: &RowFacts, now: Micros, reach: i64) -> bool {
        let visible_at = AsOf::Available.visible_at(row.event_time, row.available_at);
        if visible_at > now {
            return true;
        }
        self.applied_at = self.applied_at.max(Some(visible_at));
        let head = self.heads.get_mut(number as usize).expect("invariant: each entity of a shard has a head");
        *head = row.event_time.get().max(*head);
        self.is_reached(number, row, now, reach) || {
            self.state(number).pass_over(row.position);
            false
        }
    }

    /// The same of a row that was offered, now that others are known.
    fn still_wants(&mut self, number: u32, row: &RowFacts, now: Micros, reach: i64) -> bool {
        self.is_reached(number, row, now, reach) || {
            self.state(number).pass_over(row.position);
            false
        }
    }

    fn is_reached(&self, number: u32, row: &RowFacts, now: Micros, reach: i64) -> bool {
        let head = self.heads.get(number as usize).copied().unwrap_or(NO_HEAD);
        row.event_time.get() >= head.saturating_sub(reach)
            || AsOf::Available.visible_at(row.event_time, row.available_at) > now
    }

    /// Folds a row that was offered.
    fn fold(&mut self, number: u32, row: &Row, now: Micros) {
        self.is_refused |= self.state(number).fold(row, now) == Applied::Refused;
    }

    /// Drops the positions of streams that an entity's rows have.
    pub(super) fn forget_partitions(&mut self, number: u32) {
        self.state(number).forget_partitions();
    }

    /// Appends an entity's packed row, whose rows in the log at this position of history were folded.
    pub(super) fn encode(&mut self, number: u32, history: u64, out: &mut Vec<u8>) -> Result<(), OnlineError> {
        let state = self.state(number);
        state.set_history(history);
        state.encode(out)
    }

    /// Drops the entities that are no longer wanted.
    pub(super) fn keep(&mut self, wants: impl Fn(&EntityKey) -> bool, hash_of: impl Fn(&[u8]) -> u64) {
        let all = std::mem::take(self);
        (self.applied_at, self.is_refused) = (all.applied_at, all.is_refused);
        for ((number, head), state) in (0..).zip(all.heads).zip(all.states) {
            let key = all.keys.get(number);
            if !wants(&entity_key(key)) {
                continue;
            }
            let kept = self.states.len() as u32;
            self.keys.push(key);
            self.heads.push(head);
            self.states.push(state);
            let keys = &self.keys;
            self.numbers.insert_unique(hash_of(key), kept, |number| hash_of(keys.get(*number)));
        }
    }

    fn state(&mut self, number: u32) -> &mut RowState {
        self.states.get_mut(number as usize).expect("invariant: each entity of a shard has a state")
    }
}

/// The key of these bytes, which were encoded and checked when they were read.
pub(super) fn entity_key(bytes: &[u8]) -> EntityKey {
    EntityKey::from_bytes(bytes.into()).expect("invariant: a key in a log is no longer than a key may be")
}
