//! The rows that differ most, in bounded memory.

use std::cmp::Ordering;

/// The few greatest differences that were offered. Of equal ones, those of the first rows.
#[derive(Clone, Debug)]
pub struct Largest<T> {
    most: usize,
    /// The greatest first.
    found: Vec<Kept<T>>,
}

#[derive(Clone, Debug)]
struct Kept<T> {
    difference: f64,
    row: u64,
    what: T,
}

impl<T> Largest<T> {
    /// Keeps at most so many.
    pub fn new(most: usize) -> Self {
        Self { most, found: Vec::new() }
    }

    /// Keeps what is known of a row if its difference is among the greatest.
    pub fn offer(&mut self, difference: f64, row: u64, what: impl FnOnce() -> T) {
        let order = |kept: &Kept<T>| difference.total_cmp(&kept.difference).then(kept.row.cmp(&row));
        let index = self.found.partition_point(|kept| order(kept) == Ordering::Less);
        if index < self.most {
            self.found.insert(index, Kept { difference, row, what: what() });
            self.found.truncate(self.most);
        }
    }

    /// What was kept, the greatest difference first.
    pub fn into_sorted(self) -> impl Iterator<Item = T> {
        self.found.into_iter().map(|kept| kept.what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_are_kept_and_of_equal_ones_the_first_rows() {
        for rows in [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 0, 4, 1, 3]] {
            let mut largest = Largest::new(3);
            for row in rows {
                largest.offer(if row == 3 { 9.0 } else { 1.0 }, row, || row);
            }
            assert_eq!(largest.into_sorted().collect::<Vec<_>>(), [3, 0, 1]);
        }
    }
}
