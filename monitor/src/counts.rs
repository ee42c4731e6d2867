//! How often each value was seen on each of two sides, in bounded memory and in whatever order values come.
//!
//! A bucket is a range of keys. At first each key has its own. Where there would be more buckets than the bound, all
//! keys lose their lowest bit, as often as it takes: two neighbours become one. The number of lost bits is the least
//! with which all keys fit, so it depends on which keys were seen and not on their order.

use hashbrown::HashMap;

/// Whose value it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    Old,
    New,
}

/// What was seen of one range of keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Bucket {
    /// The least key that was seen.
    pub(crate) least: u64,
    /// The greatest.
    pub(crate) greatest: u64,
    /// How often the old side had one of them.
    pub(crate) old: u64,
    /// How often the new side had.
    pub(crate) new: u64,
}

impl Bucket {
    pub(crate) const fn of(self, side: Side) -> u64 {
        match side {
            Side::Old => self.old,
            Side::New => self.new,
        }
    }

    /// Whether all that were seen in it are one value.
    pub(crate) const fn is_one_value(self) -> bool {
        self.least == self.greatest
    }

    fn merge(&mut self, other: Bucket) {
        self.least = self.least.min(other.least);
        self.greatest = self.greatest.max(other.greatest);
        self.old += other.old;
        self.new += other.new;
    }
}

/// Buckets of keys, at most so many.
#[derive(Clone, Debug)]
pub(crate) struct Counts {
    most: usize,
    lost_bits: u32,
    buckets: HashMap<u64, Bucket>,
}

impl Counts {
    pub(crate) fn new(most: usize) -> Self {
        Self { most: most.max(2), lost_bits: 0, buckets: HashMap::new() }
    }

    pub(crate) fn add(&mut self, key: u64, side: Side) {
        let (old, new) = match side {
            Side::Old => (1, 0),
            Side::New => (0, 1),
        };
        let seen = Bucket { least: key, greatest: key, old, new };
        self.buckets.entry(key >> self.lost_bits).and_modify(|bucket| bucket.merge(seen)).or_insert(seen);
        self.fit();
    }

    /// Adds keys of the old side in ascending order, as if they were added one by one.
    pub(crate) fn add_sorted(&mut self, keys: &[u64]) {
        let mut rest = keys;
        while let Some(first) = rest.first() {
            let key = first >> self.lost_bits;
            let count = rest.iter().take_while(|other| **other >> self.lost_bits == key).count();
            let (run, after) = rest.split_at(count);
            let greatest = run.last().copied().unwrap_or(*first);
            let seen = Bucket { least: *first, greatest, old: count as u64, new: 0 };
            self.buckets.entry(key).and_modify(|bucket| bucket.merge(seen)).or_insert(seen);
            self.fit();
            rest = after;
        }
    }

    /// Loses as many bits as it takes for the buckets to be few enough.
    fn fit(&mut self) {
        if self.buckets.len() <= self.most {
            return;
        }
        let mut keys: Vec<u64> = self.buckets.keys().copied().collect();
        keys.sort_unstable();
        // How many neighbours first differ in each bit, from the lowest: those become one bucket once it is lost.
        let mut first_differs = [0_usize; 64];
        for (a, b) in keys.iter().zip(keys.iter().skip(1)) {
            let highest = 63 - (a ^ b).leading_zeros() as usize;
            if let Some(pairs) = first_differs.get_mut(highest) {
                *pairs += 1;
            }
        }
        let (mut left, mut bits) = (keys.len(), 0);
        for pairs in first_differs {
            if left <= self.most {
                break;
            }
            left -= pairs;
            bits += 1;
        }
        self.coarsen(bits);
    }

    fn coarsen(&mut self, bits: u32) {
        self.lost_bits += bits;
        let mut coarser: HashMap<u64, Bucket> = HashMap::with_capacity(self.most + 1);
        for (key, bucket) in self.buckets.drain() {
            coarser.entry(key >> bits).and_modify(|other| other.merge(bucket)).or_insert(bucket);
        }
        self.buckets = coarser;
    }

    /// Whether each bucket is one key.
    pub(crate) const fn is_exact(&self) -> bool {
        self.lost_bits == 0
    }

    /// Adds what others count, as if its keys had been added one by one.
    pub(crate) fn merge(&mut self, other: &Counts) {
        if self.lost_bits < other.lost_bits {
            self.coarsen(other.lost_bits - self.lost_bits);
        }
        for bucket in other.buckets.values() {
            let key = bucket.least >> self.lost_bits;
            self.buckets.entry(key).and_modify(|mine| mine.merge(*bucket)).or_insert(*bucket);
        }
        self.fit();
    }

    /// The counts of two sides of which each was counted as the old one, as buckets in the order of their keys.
    pub(crate) fn paired(old: &Counts, new: &Counts) -> Vec<Bucket> {
        let mut both = old.clone();
        let mut swapped = new.clone();
        for bucket in swapped.buckets.values_mut() {
            (bucket.old, bucket.new) = (0, bucket.old);
        }
        both.merge(&swapped);
        both.sorted()
    }

    /// Counts of these buckets, in ascending order; `None` if there cannot be such.
    pub(crate) fn of_buckets(most: usize, lost_bits: u32, sorted: Vec<Bucket>) -> Option<Self> {
        let mut buckets = HashMap::with_capacity(sorted.len());
        for bucket in sorted {
            let key = bucket.least >> lost_bits;
            if bucket.greatest >> lost_bits != key || buckets.insert(key, bucket).is_some() {
                return None;
            }
        }
        Some(Self { most: most.max(2), lost_bits, buckets })
    }

    /// How many low bits of keys are lost.
    pub(crate) const fn lost_bits(&self) -> u32 {
        self.lost_bits
    }

    /// The buckets in the order of their keys.
    pub(crate) fn sorted(&self) -> Vec<Bucket> {
        let mut buckets: Vec<Bucket> = self.buckets.values().copied().collect();
        buckets.sort_unstable_by_key(|bucket| bucket.least);
        buckets
    }
}

/// How many values a side has in some buckets.
pub(crate) fn total(buckets: &[Bucket], side: Side) -> u64 {
    buckets.iter().map(|bucket| bucket.of(side)).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counted(keys: &[u64], most: usize) -> Counts {
        let mut counts = Counts::new(most);
        keys.iter().for_each(|key| counts.add(*key, Side::Old));
        counts
    }

    proptest! {
        #[test]
        fn no_order_of_values_changes_the_buckets(keys in prop::collection::vec(any::<u64>(), 0..200), most in 2_usize..40) {
            let mut backwards = keys.clone();
            backwards.reverse();
            let counts = counted(&keys, most);
            prop_assert!(counts.buckets.len() <= most);
            prop_assert_eq!(counts.sorted(), counted(&backwards, most).sorted());
            prop_assert_eq!(total(&counts.sorted(), Side::Old), keys.len() as u64);
        }
    }

    #[test]
    fn few_keys_are_counted_exactly() {
        let counts = counted(&[7, 7, 9], 2);
        assert!(counts.is_exact());
        assert_eq!(
            counts.sorted(),
            [
                Bucket { least: 7, greatest: 7, old: 2, new: 0 },
                Bucket { least: 9, greatest: 9, old: 1, new: 0 }
            ]
        );
    }
}
