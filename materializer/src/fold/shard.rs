//! Some entities of a view while they are folded: their keys in one buffer, found by their hashes, and a state for each.

use std::sync::Arc;

use feature::{AsOf, EntityKey, Micros, Row};
use hashbrown::HashTable;
use offline::RowFacts;
use online::{Applied, Layout, OnlineError, RowState};

/// The head of an entity of which no row is visible yet.
const NO_HEAD: i64 = i64::MIN;

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
    pub(super) fn find_or_add(
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
    pub(super) fn offer(&mut self, number: u32, row: &RowFacts, now: Micros, reach: i64) -> bool {
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
    pub(super) fn still_wants(&mut self, number: u32, row: &RowFacts, now: Micros, reach: i64) -> bool {
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
    pub(super) fn fold(&mut self, number: u32, row: &Row, now: Micros) {
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
