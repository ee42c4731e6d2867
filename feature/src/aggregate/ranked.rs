//! The few greatest or smallest values, equal ones each.
//!
//! Whatever is among the k greatest of all values is among the k greatest of any part that holds
//! it, so keeping k of each part loses nothing.

use std::cmp::Ordering;

use super::ListLength;
use crate::value::{DataType, Value};

/// Which values a [`Ranked`] keeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Rank {
    pub(super) greatest: bool,
    pub(super) length: ListLength,
}

impl Rank {
    /// The order of the result: NaN before all, as min and max prefer it, then the best first.
    fn compare(self, a: &Value, b: &Value) -> Ordering {
        let by_value = if self.greatest { b.cmp(a) } else { a.cmp(b) };
        b.is_nan().cmp(&a.is_nan()).then(by_value)
    }
}

/// The state of `top_n` and `bottom_n`.
#[derive(Clone, Debug)]
pub struct Ranked {
    rank: Rank,
    /// The best first.
    values: Vec<Value>,
}

impl Ranked {
    pub(super) fn new(rank: Rank) -> Self {
        Self { rank, values: Vec::new() }
    }

    pub(super) fn add(&mut self, value: &Value) {
        let index = self.values.partition_point(|other| self.rank.compare(other, value).is_le());
        if index < usize::from(self.rank.length.get()) {
            self.values.insert(index, value.clone());
            self.values.truncate(usize::from(self.rank.length.get()));
        }
    }

    pub(super) fn merge(&mut self, other: &Ranked) {
        other.values.iter().for_each(|value| self.add(value));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The values, the best first; null where there are none.
    pub(super) fn finish(&self) -> Value {
        super::list(self.values.iter().cloned())
    }

    /// The values, each as in a list of values.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        self.values.iter().for_each(|value| value.write_sized(out));
    }

    pub(super) fn read(rank: Rank, argument: DataType, mut bytes: &[u8]) -> Option<Self> {
        let mut values: Vec<Value> = Vec::new();
        while !bytes.is_empty() {
            let value = Value::read_sized(argument.scalar()?, &mut bytes)?;
            if values.last().is_some_and(|last| rank.compare(last, &value).is_gt()) {
                return None;
            }
            values.push(value);
        }
        (values.len() <= usize::from(rank.length.get())).then_some(Self { rank, values })
    }
}
