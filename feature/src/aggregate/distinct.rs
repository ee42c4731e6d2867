//! How many distinct values there are: their hashes while they are few, HyperLogLog registers
//! beyond that.
//!
//! Which of the two a state is follows from its values alone, so it is the same in any order and
//! grouping. Up to [`EXACT`] distinct values the count is exact (two values share a 64-bit hash
//! once in 10^15 such states). Beyond, 2^11 registers give a standard error of 1.04 / √2048 = 2.3%
//! (Flajolet, Fusy, Gandouet and Meunier 2007), estimated as in Ertl, "New cardinality estimation
//! algorithms for HyperLogLog sketches" (2017, algorithm 6), which needs no correction tables and
//! only operations that every machine rounds alike.

use twox_hash::XxHash64;

use crate::value::Value;

/// Up to so many distinct values are counted exactly.
pub(crate) const EXACT: usize = 128;

/// Bits of a hash that choose its register.
const PRECISION: u32 = 11;
const REGISTERS: usize = 1 << PRECISION;
/// The greatest register: one more than the bits that are left of a hash.
const GREATEST: u8 = (64 - PRECISION + 1) as u8;

/// Bytes of the longest state: registers of 6 bits.
pub(super) const MOST_BYTES: usize = REGISTERS * 6 / 8;

/// The state of `approx_count_distinct`.
#[derive(Clone, Debug)]
pub struct DistinctCount(Kept);

#[derive(Clone, Debug)]
enum Kept {
    /// In ascending order, at most [`EXACT`].
    Hashes(Vec<u64>),
    Registers(Box<[u8; REGISTERS]>),
}

impl Default for DistinctCount {
    fn default() -> Self {
        Self(Kept::Hashes(Vec::new()))
    }
}

/// XXH64 with seed 0 of the value's bytes as a join key has them: little-endian, text and bytes
/// with their length (u32) before them. Values that differ in their bits are different values.
pub(crate) fn hash_of(value: &Value) -> u64 {
    let mut bytes = Vec::with_capacity(16);
    value.write_sized(&mut bytes);
    XxHash64::oneshot(0, &bytes)
}

/// The register of a hash, and what it is raised to: the index of the first bit that is set after
/// those that choose the register, from 1.
pub(crate) fn register(hash: u64) -> (usize, u8) {
    let rest = hash << PRECISION;
    ((hash >> (64 - PRECISION)) as usize, (rest.leading_zeros() as u8 + 1).min(GREATEST))
}

impl DistinctCount {
    pub(super) fn add(&mut self, value: &Value) {
        self.add_hash(hash_of(value));
    }

    /// Adds a value by a hash of it, such as XXH64.
    pub fn add_hash(&mut self, hash: u64) {
        match &mut self.0 {
            Kept::Hashes(hashes) => {
                if let Err(index) = hashes.binary_search(&hash) {
                    hashes.insert(index, hash);
                    if hashes.len() > EXACT {
                        let mut registers = Box::new([0; REGISTERS]);
                        hashes.iter().for_each(|hash| raise(&mut registers, *hash));
                        self.0 = Kept::Registers(registers);
                    }
                }
            }
            Kept::Registers(registers) => raise(registers, hash),
        }
    }

    /// Adds the values of another.
    pub fn merge(&mut self, other: &DistinctCount) {
        match (&mut self.0, &other.0) {
            (_, Kept::Hashes(hashes)) => hashes.iter().for_each(|hash| self.add_hash(*hash)),
            (Kept::Registers(registers), Kept::Registers(others)) => {
                registers.iter_mut().zip(others.iter()).for_each(|(mine, other)| *mine = (*mine).max(*other));
            }
            (Kept::Hashes(hashes), Kept::Registers(others)) => {
                let mut registers = others.clone();
                hashes.iter().for_each(|hash| raise(&mut registers, *hash));
                self.0 = Kept::Registers(registers);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(&self.0, Kept::Hashes(hashes) if hashes.is_empty())
    }

    /// How many; null where there are none.
    pub fn finish(&self) -> Value {
        match &self.0 {
            Kept::Hashes(hashes) if hashes.is_empty() => Value::Null,
            Kept::Hashes(hashes) => Value::Int64(hashes.len() as i64),
            Kept::Registers(registers) => Value::Int64(estimate(registers.as_slice())),
        }
    }

    /// At most `EXACT` hashes of 8 bytes in ascending order, or `MOST_BYTES`: registers of 6 bits,
    /// four in three bytes, the first in the lowest bits.
    pub fn write(&self, out: &mut Vec<u8>) {
        match &self.0 {
            Kept::Hashes(hashes) => hashes.iter().for_each(|hash| out.extend_from_slice(&hash.to_le_bytes())),
            Kept::Registers(registers) => {
                for [a, b, c, d] in registers.as_chunks::<4>().0 {
                    let four = u32::from(*a) | u32::from(*b) << 6 | u32::from(*c) << 12 | u32::from(*d) << 18;
                    let [low, middle, high, _] = four.to_le_bytes();
                    out.extend_from_slice(&[low, middle, high]);
                }
            }
        }
    }

    /// What [`DistinctCount::write`] wrote; `None` of anything else.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != MOST_BYTES {
            let (hashes, rest) = bytes.as_chunks::<8>();
            let hashes: Vec<u64> = hashes.iter().map(|hash| u64::from_le_bytes(*hash)).collect();
            let fits = rest.is_empty() && hashes.len() <= EXACT && hashes.is_sorted_by(|a, b| a < b);
            return fits.then_some(Self(Kept::Hashes(hashes)));
        }
        let mut registers = Box::new([0; REGISTERS]);
        let (fours, _) = registers.as_chunks_mut::<4>();
        for (four, [low, middle, high]) in fours.iter_mut().zip(bytes.as_chunks::<3>().0) {
            let bits = u32::from_le_bytes([*low, *middle, *high, 0]);
            *four = [0, 6, 12, 18].map(|shift| (bits >> shift) as u8 & 63);
        }
        registers.iter().all(|register| *register <= GREATEST).then_some(Self(Kept::Registers(registers)))
    }
}

fn raise(registers: &mut [u8; REGISTERS], hash: u64) {
    let (index, rank) = register(hash);
    if let Some(register) = registers.get_mut(index) {
        *register = rank.max(*register);
    }
}

/// Ertl's improved raw estimator, rounded to the nearest whole number.
pub(crate) fn estimate(registers: &[u8]) -> i64 {
    let m = registers.len() as f64;
    let mut counts = [0_u32; GREATEST as usize + 1];
    for register in registers {
        if let Some(count) = counts.get_mut(usize::from(*register)) {
            *count += 1;
        }
    }
    let [zeros, middle @ .., full] = counts;
    let mut z = m * tau(1.0 - f64::from(full) / m);
    for count in middle.iter().rev() {
        z = 0.5 * (z + f64::from(*count));
    }
    z += m * sigma(f64::from(zeros) / m);
    // 1 / (2 ln 2)
    const ALPHA: f64 = 0.721_347_520_444_481_7;
    (ALPHA * m * m / z).round() as i64
}

/// x + Σ x^(2^k) 2^(k − 1)
fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

/// (1 − x − Σ (1 − x^(2^−k))² 2^−k) / 3
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: impl IntoIterator<Item = i64>) -> DistinctCount {
        let mut state = DistinctCount::default();
        values.into_iter().for_each(|x| state.add(&Value::Int64(x)));
        state
    }

    fn bytes(state: &DistinctCount) -> Vec<u8> {
        let mut bytes = Vec::new();
        state.write(&mut bytes);
        bytes
    }

    #[test]
    fn the_hash_is_that_of_the_published_test_vectors() {
        // XXH64 of the specification, seed 0: of nothing, and of four zero bytes before one `a`.
        assert_eq!(XxHash64::oneshot(0, b""), 0xef46_db37_51d8_e999);
        assert_eq!(XxHash64::oneshot(0, b"abc"), 0x44bc_2cf5_ad77_0999);
        assert_eq!(hash_of(&Value::String("".into())), XxHash64::oneshot(0, &[0; 4]));
        assert_eq!(hash_of(&Value::String("a".into())), XxHash64::oneshot(0, b"\x01\0\0\0a"));
        assert_eq!(hash_of(&Value::Int32(258)), XxHash64::oneshot(0, &[2, 1, 0, 0]));
        assert_ne!(hash_of(&Value::Float64(0.0)), hash_of(&Value::Float64(-0.0)));
    }

    #[test]
    fn a_count_is_exact_up_to_128() {
        for n in [1, 2, 127, 128] {
            assert_eq!(of((0..n).chain(0..n)).finish(), Value::Int64(n));
        }
        assert_eq!(of([]).finish(), Value::Null);
    }

    #[test]
    fn an_estimate_is_within_four_standard_errors_and_its_bits_are_pinned() {
        let mut worst = 0.0_f64;
        let (mut squares, mut cases) = (0.0, 0.0);
        for (case, n) in [129, 200, 500, 1000, 2048, 5000, 10_000, 30_000, 100_000].into_iter().enumerate() {
            for run in 0..20 {
                let start = (case as i64 * 20 + run) << 32;
                let Value::Int64(estimate) = of(start..start + n).finish() else { panic!() };
                let error = (estimate as f64 - n as f64) / n as f64;
                worst = worst.max(error.abs());
                squares += error * error;
                cases += 1.0;
            }
        }
        assert!(worst < 4.0 * 0.023, "{worst}");
        assert!((squares / cases).sqrt() < 0.023, "{}", (squares / cases).sqrt());
        let pinned = [1_000, 10_000, 1_000_000].map(|n| of(0..n).finish());
        assert_eq!(pinned, [1_009, 10_174, 982_384].map(Value::Int64));
    }

    #[test]
    fn registers_of_every_height_are_estimated() {
        assert_eq!(estimate(&[0; REGISTERS]), 0);
        assert_eq!(estimate(&[GREATEST; REGISTERS]), i64::MAX);
        assert!(estimate(&[GREATEST - 1; REGISTERS]) > 1 << 60);
    }

    proptest! {
        #[test]
        fn a_state_is_the_same_in_any_order_and_grouping(
            values in prop::collection::vec(0_i64..600, 0..400),
            cut in 0_usize..400,
        ) {
            let whole = of(values.iter().copied());
            let (left, right) = values.split_at(cut.min(values.len()));
            let mut merged = DistinctCount::read(&bytes(&of(right.iter().rev().copied()))).unwrap();
            merged.merge(&DistinctCount::read(&bytes(&of(left.iter().copied()))).unwrap());
            prop_assert_eq!(bytes(&merged), bytes(&whole));
            prop_assert!(bytes(&whole).len() <= MOST_BYTES);
        }
    }
}
