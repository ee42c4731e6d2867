//! The shards of a fold: entities by the hashes of their keys, so that several threads fold at a time.

use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use feature::View;
use foldhash::fast::FixedState;
use online::Layout;

use super::shard::Shard;

/// Parts that threads lock one by one.
pub(super) const SHARDS: usize = 64;

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

    pub(super) fn find_or_add(&self, shard: &mut Shard, key: &[u8], hash: u64) -> u32 {
        shard.find_or_add(key, hash, &self.layout, |key| self.hash(key))
    }
}

fn locked(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
