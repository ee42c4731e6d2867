//! A bounded sample of vectors of numbers, as embeddings are, and how far two samples lie apart: the maximum mean discrepancy
//! (Gretton et al., A Kernel Two-Sample Test, JMLR 13, 2012).
//!
//! The sample keeps the different vectors with the least hashes, each with how many rows have it. So it is the same however
//! rows are grouped: a vector that is kept in the end was kept from its first row on.

use std::collections::BTreeMap;

use twox_hash::XxHash64;

/// Different vectors that are kept at most.
const MOST_VECTORS: usize = 256;
/// Numbers that are kept at most: of long vectors fewer are kept.
const MOST_NUMBERS: usize = 16_384;
/// The longest vector of which a sample is kept.
const LONGEST: usize = 4_096;

/// Vectors of one length, by their hashes.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Vectors {
    length: usize,
    kept: BTreeMap<u64, Vector>,
}

#[derive(Clone, PartialEq, Debug)]
struct Vector {
    numbers: Vec<f32>,
    rows: u64,
}

/// How far two samples of vectors lie apart.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Mmd {
    /// The maximum mean discrepancy of both samples, by a Gaussian kernel as wide as the reference's median distance: from 0
    /// to the square root of 2.
    pub distance: f64,
    /// What two samples of this size from one distribution exceed at most once in twenty times.
    pub bound: f64,
    /// How many different vectors of both sides were compared.
    pub vectors: [u64; 2],
}

impl Vectors {
    /// Adds the vector of a row. One of another length than the first, an empty or a very long one, or one with a number that
    /// is not finite is passed over.
    pub(crate) fn add(&mut self, numbers: &[f32]) {
        if self.kept.is_empty() {
            self.length = numbers.len();
        }
        let is_kept = (1..=LONGEST).contains(&numbers.len()) && numbers.len() == self.length;
        if is_kept && numbers.iter().all(|x| x.is_finite()) {
            // Negative and positive zero are one number.
            let numbers: Vec<f32> = numbers.iter().map(|x| x + 0.0).collect();
            self.add_rows(Vector { numbers, rows: 1 });
        }
    }

    fn add_rows(&mut self, vector: Vector) {
        let bytes: Vec<u8> = vector.numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
        let (rows, hash) = (vector.rows, XxHash64::oneshot(0, &bytes));
        // It would be the first to go.
        let is_full = self.kept.len() >= Self::most(self.length);
        if is_full && self.kept.last_key_value().is_some_and(|(last, _)| hash > *last) {
            return;
        }
        let entry = self.kept.entry(hash).or_insert(Vector { rows: 0, ..vector });
        entry.rows += rows;
        while self.kept.len() > Self::most(self.length) {
            self.kept.pop_last();
        }
    }

    /// How many vectors of a length are kept at most.
    fn most(length: usize) -> usize {
        MOST_VECTORS.min(MOST_NUMBERS / length.max(1)).max(2)
    }

    /// Adds those that others have.
    pub(crate) fn merge(&mut self, other: &Vectors) {
        if self.kept.is_empty() {
            self.length = other.length;
        }
        if self.length == other.length {
            other.kept.values().for_each(|vector| self.add_rows(vector.clone()));
        }
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// How long they are, and each with its rows, in an order that is always the same.
    pub(crate) fn all(&self) -> (usize, impl ExactSizeIterator<Item = (&[f32], u64)>) {
        (self.length, self.kept.values().map(|vector| (vector.numbers.as_slice(), vector.rows)))
    }

    /// Those that were stored; `None` if they are not what a sample holds.
    pub(crate) fn of(length: usize, vectors: Vec<(Vec<f32>, u64)>) -> Option<Self> {
        let count = vectors.len();
        let mut read = Self { length, kept: BTreeMap::new() };
        for (numbers, rows) in vectors {
            let is_valid = numbers.len() == length && numbers.iter().all(|x| x.is_finite()) && rows > 0;
            is_valid.then(|| read.add_rows(Vector { numbers, rows }))?;
        }
        let is_whole = (1..=LONGEST).contains(&length) && count > 0 && read.kept.len() == count;
        is_whole.then_some(read)
    }

    /// How far a sample lies from a reference; `None` if a side has none, or vectors of other lengths.
    pub(crate) fn mmd(reference: &Vectors, live: &Vectors) -> Option<Mmd> {
        if reference.is_empty() || live.is_empty() || reference.length != live.length {
            return None;
        }
        let [old, new] = [reference, live].map(|side| side.kept.values().collect::<Vec<&Vector>>());
        let width = median_distance(&old).or_else(|| {
            // All of the reference are one vector.
            median_distance(&old.iter().chain(&new).copied().collect::<Vec<_>>())
        });
        let [old_size, new_size] = [&old, &new].map(|side| effective(side));
        let bound = bound(old_size, new_size);
        let vectors = [old.len() as u64, new.len() as u64];
        // No two vectors of both sides differ.
        let Some(width) = width else { return Some(Mmd { distance: 0.0, bound, vectors }) };
        let mean = |a: &[&Vector], b: &[&Vector]| mean_kernel(a, b, width);
        let squared = mean(&old, &old) + mean(&new, &new) - 2.0 * mean(&old, &new);
        Some(Mmd { distance: squared.max(0.0).sqrt(), bound, vectors })
    }
}

/// The square of the distance of two vectors.
fn squared_distance(a: &Vector, b: &Vector) -> f64 {
    a.numbers.iter().zip(&b.numbers).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum()
}

/// The median of the distances of different vectors, the lower one of two; `None` of fewer than two.
fn median_distance(vectors: &[&Vector]) -> Option<f64> {
    let pairs = vectors.iter().enumerate();
    let mut squares: Vec<f64> = pairs
        .flat_map(|(index, a)| vectors.iter().skip(index + 1).map(|b| squared_distance(a, b)))
        .filter(|square| *square > 0.0)
        .collect();
    squares.sort_unstable_by(f64::total_cmp);
    squares.get(squares.len().checked_sub(1)? / 2).map(|square| square.sqrt())
}

/// The mean of the kernel of all pairs of rows, each vector counting as often as rows have it.
fn mean_kernel(a: &[&Vector], b: &[&Vector], width: f64) -> f64 {
    let rows = |side: &[&Vector]| side.iter().map(|vector| vector.rows as f64).sum::<f64>();
    let of = |a: &Vector, b: &Vector| {
        a.rows as f64 * b.rows as f64 * (-squared_distance(a, b) / (2.0 * width * width)).exp()
    };
    let sum: f64 = a.iter().map(|a| b.iter().map(|b| of(a, b)).sum::<f64>()).sum();
    sum / (rows(a) * rows(b))
}

/// How many independent rows a sample is worth: fewer than its vectors where some weigh more than others.
fn effective(vectors: &[&Vector]) -> f64 {
    let rows = vectors.iter().map(|vector| vector.rows as f64);
    let (sum, squares) = rows.fold((0.0, 0.0), |(sum, squares), rows| (sum + rows, squares + rows * rows));
    sum * sum / squares
}

/// What the distance of two samples from one distribution exceeds with a probability of at most 5%: its mean is at most the
/// square root of 1/m + 1/n, and it exceeds that as by McDiarmid's inequality, for a kernel of at most 1.
fn bound(m: f64, n: f64) -> f64 {
    const LEVEL: f64 = 0.05;
    let spread = 1.0 / m + 1.0 / n;
    spread.sqrt() + (2.0 * spread * (1.0 / LEVEL).ln()).sqrt()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value as Json;

    use super::*;

    const FIGURES: &str = include_str!("../golden/vectors.json");

    fn of(vectors: &[Vec<f32>]) -> Vectors {
        let mut sample = Vectors::default();
        vectors.iter().for_each(|vector| sample.add(vector));
        sample
    }

    fn read(json: &Json) -> Vec<Vec<f32>> {
        let number = |x: &Json| x.as_f64().unwrap() as f32;
        json.as_array()
            .unwrap()
            .iter()
            .map(|row| row.as_array().unwrap().iter().map(number).collect())
            .collect()
    }

    #[test]
    fn the_discrepancy_of_whole_samples_is_that_of_numpy_and_of_larger_ones_within_the_bound() {
        let pinned: Json = serde_json::from_str(FIGURES).unwrap();
        let mut drifted = Vec::new();
        for case in pinned["cases"].as_array().unwrap() {
            let (old, new) = (read(&case["old"]), read(&case["new"]));
            let found = Vectors::mmd(&of(&old), &of(&new)).unwrap();
            let expected = case["mmd"].as_f64().unwrap();
            let off = (found.distance - expected).abs();
            let is_whole = old.len() <= MOST_VECTORS && new.len() <= MOST_VECTORS;
            let allowed = if is_whole { 1e-9 } else { found.bound };
            assert!(off <= allowed, "{}: {found:?}, not {expected}", case["name"]);
            if found.distance > found.bound {
                drifted.push(case["name"].as_str().unwrap());
            }
        }
        assert_eq!(drifted, ["turned", "far away", "many, moved"]);
    }

    proptest! {
        #[test]
        fn a_sample_is_the_same_however_rows_are_grouped(
            parts in prop::collection::vec(prop::collection::vec(0_u16..600, 0..300), 1..5),
        ) {
            let vector = |seed: &u16| vec![f32::from(*seed), f32::from(seed % 7)];
            let parts: Vec<Vec<Vec<f32>>> = parts.iter().map(|part| part.iter().map(vector).collect()).collect();
            let mut merged = Vectors::default();
            parts.iter().rev().for_each(|part| merged.merge(&of(part)));
            prop_assert_eq!(merged, of(&parts.concat()));
        }
    }

    #[test]
    fn vectors_of_other_lengths_and_without_numbers_are_passed_over() {
        let sample =
            of(&[vec![1.0, 2.0], vec![1.0], vec![f32::NAN, 1.0], vec![], vec![-0.0, 1.0], vec![0.0, 1.0]]);
        let (length, all) = sample.all();
        let mut rows: Vec<u64> = all.map(|(_, rows)| rows).collect();
        rows.sort_unstable();
        assert_eq!((length, rows), (2, vec![1, 2]));
        assert_eq!(Vectors::mmd(&sample, &of(&[vec![1.0]])), None);
        assert_eq!(Vectors::mmd(&sample, &Vectors::default()), None);
        let same = of(&[vec![3.0], vec![3.0]]);
        assert_eq!(Vectors::mmd(&same, &same).unwrap().distance, 0.0);
    }

    #[test]
    fn long_vectors_have_a_smaller_sample() {
        let vectors: Vec<Vec<f32>> = (0..300_u16).map(|seed| vec![f32::from(seed); 1024]).collect();
        assert_eq!(of(&vectors).all().1.len(), 16);
        assert!(of(&[vec![0.0; LONGEST + 1]]).is_empty());
    }
}
