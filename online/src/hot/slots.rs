//! Values of eight bytes, from the rows of many keys straight into columns.

use super::reading::Reading;

/// A value of eight bytes that lies in rows.
pub trait Slot: Copy {
    /// The value of these little-endian bytes.
    fn of(bytes: [u8; 8]) -> Self;
}

impl Slot for f64 {
    #[inline(always)]
    fn of(bytes: [u8; 8]) -> f64 {
        f64::from_le_bytes(bytes)
    }
}

impl Slot for i64 {
    #[inline(always)]
    fn of(bytes: [u8; 8]) -> i64 {
        i64::from_le_bytes(bytes)
    }
}

impl Reading<'_> {
    /// For each key the `N` values that lie from byte `at` of its row on, straight into columns: value i of
    /// the key at an index goes to that index of column i. Gives how many keys have such a row; `missing` is
    /// given the indices of the others, whose cells are left alone. Keys beyond the shortest column are
    /// not read.
    pub fn gather<V: Slot, K: AsRef<[u8]>, const N: usize>(
        &self,
        view: u32,
        keys: &[K],
        at: usize,
        mut columns: [&mut [V]; N],
        mut missing: impl FnMut(usize),
    ) -> usize {
        let count = columns.iter().map(|column| column.len()).min().unwrap_or(0).min(keys.len());
        let starts = columns.each_mut().map(|column| column.as_mut_ptr());
        let mut there = 0;
        self.each(view, keys.get(..count).unwrap_or_default(), |index, row| {
            let values = row.and_then(|row| row.get(at..)?.as_chunks::<8>().0.first_chunk::<N>());
            let Some(values) = values else { return missing(index) };
            for (start, value) in starts.iter().zip(values) {
                // SAFETY: the index is below the count, and no column is shorter; the columns are borrowed
                // for writing, and nobody else holds them.
                unsafe { start.add(index).write(V::of(*value)) };
            }
            there += 1;
        });
        there
    }
}
