//! Who takes part: each holds the same keys and values, and gathers values into the same columns.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use online::{Floor, HotTable, TableOptions};

/// Values of a row.
pub const VALUES: usize = 7;
/// Bytes of them.
const ROW: usize = VALUES * 8;
/// The view that all rows are of.
const VIEW: u32 = 1;

/// The columns that a batch is gathered into.
pub type Columns = [Vec<f64>; VALUES];
/// A key as stores are given it.
pub type Key = [u8; 8];

/// The n-th key.
pub fn key(n: usize) -> u64 {
    (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The values of the n-th key, as of its `change`-th change.
pub fn values(n: usize, change: usize) -> [f64; VALUES] {
    std::array::from_fn(|column| (n + column + change) as f64)
}

/// Something that gives rows for keys.
pub trait Contender: Sync {
    /// Gathers the rows of these keys.
    fn gather(&self, keys: &[Key], columns: &mut Columns);
}

fn put(columns: &mut Columns, index: usize, row: &[f64; VALUES]) {
    for (column, value) in columns.iter_mut().zip(row) {
        if let Some(there) = column.get_mut(index) {
            *there = *value;
        }
    }
}

pub struct Twinstore {
    table: HotTable,
}

fn bytes(row: [f64; VALUES]) -> [u8; ROW] {
    let mut bytes = [0; ROW];
    for (there, value) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(row) {
        *there = value.to_le_bytes();
    }
    bytes
}

impl Twinstore {
    pub fn new(keys: usize) -> Option<Self> {
        let table =
            HotTable::new(TableOptions::keeping((keys * 100).next_multiple_of(1 << 21) + (64 << 20)))?;
        let mut writes = table.write();
        for n in 0..keys {
            writes.put(VIEW, &key(n).to_le_bytes(), &bytes(values(n, 0))).ok()?;
        }
        drop(writes);
        Some(Self { table })
    }

    pub fn buckets(&self) -> usize {
        self.table.stats().buckets as usize
    }

    pub fn change(&self, n: usize, change: usize) -> bool {
        self.table.write().put(VIEW, &key(n).to_le_bytes(), &bytes(values(n, change))).is_ok()
    }
}

impl Contender for Twinstore {
    fn gather(&self, keys: &[Key], columns: &mut Columns) {
        self.table.read().gather(VIEW, keys, 0, columns.each_mut().map(Vec::as_mut_slice), |_| {});
    }
}

pub struct Limit(Floor);

impl Limit {
    pub fn new(buckets: usize, keys: usize) -> Option<Self> {
        Floor::new(buckets, keys, true).map(Self)
    }
}

impl Contender for Limit {
    fn gather(&self, keys: &[Key], columns: &mut Columns) {
        let sum = self.0.walk(keys);
        if let Some(first) = columns.first_mut().and_then(|column| column.first_mut()) {
            *first = sum as f64;
        }
    }
}

pub struct Hashbrown(hashbrown::HashMap<u64, [f64; VALUES], FixedState>);

impl Hashbrown {
    pub fn new(keys: usize) -> Self {
        let mut map = hashbrown::HashMap::with_capacity_and_hasher(keys, FixedState::default());
        map.extend((0..keys).map(|n| (key(n), values(n, 0))));
        Self(map)
    }
}

impl Contender for Hashbrown {
    fn gather(&self, keys: &[Key], columns: &mut Columns) {
        for (index, key) in keys.iter().enumerate() {
            if let Some(row) = self.0.get(&u64::from_le_bytes(*key)) {
                put(columns, index, row);
            }
        }
    }
}

pub struct Std(HashMap<u64, [f64; VALUES]>);

impl Std {
    pub fn new(keys: usize) -> Self {
        let mut map = HashMap::with_capacity(keys);
        map.extend((0..keys).map(|n| (key(n), values(n, 0))));
        Self(map)
    }
}

impl Contender for Std {
    fn gather(&self, keys: &[Key], columns: &mut Columns) {
        for (index, key) in keys.iter().enumerate() {
            if let Some(row) = self.0.get(&u64::from_le_bytes(*key)) {
                put(columns, index, row);
            }
        }
    }
}
