//! Quantiles within 1%: a DDSketch (Masson, Rim and Lee 2019), a count for each bucket of nearly
//! equal values, whose buckets and collapse are fixed to the bit.
//!
//! **Buckets.** Each power of two has 35 buckets, at the powers of 2^(1/35) between it and the next,
//! which a table holds as the bits of doubles. So a bucket is found by comparing whole numbers, and
//! no logarithm is taken. The bounds r = 2^(1/35) apart have a point that is within (r − 1) / (r + 1)
//! = 0.991% of each value between them; for values below 2^−1022 the spacing of doubles adds as much.
//! Zero, −∞ and +∞ have buckets of their own; NaN is only noted.
//!
//! **Collapse.** A state has at most [`MOST_BUCKETS`] buckets. Where its values need more, every two
//! neighbours become one, as often as it takes (Epicoco et al., UDDSketch, 2020). Each time the error
//! about doubles: 1.99%, 3.96%, … Values within a factor of 2^29, or at most 1024 of them, never need
//! it. How often it took is the least that is enough for the values, and so depends neither on their
//! order nor on how they were grouped: the buckets of a part are never more than those of the whole.

use super::Quantile;
use crate::value::Value;

/// A state has at most so many buckets, infinities apart.
pub(crate) const MOST_BUCKETS: usize = 1024;

/// Buckets for each power of two.
const PER_OCTAVE: i32 = 35;

/// The exponent of the smallest double.
const SMALLEST: i32 = -1074;

/// All buckets of one sign: 2098 powers of two.
const MAGNITUDES: i32 = PER_OCTAVE * (1024 - SMALLEST);

/// With 2^8 neighbours in each bucket the whole range of doubles fits.
const MOST_LEVELS: u8 = 8;

/// Bytes of the longest state: the flags, the counts of two infinities, and for each bucket its
/// distance to the one before in up to 3 bytes and its count in up to 10.
pub(super) const MOST_BYTES: usize = 1 + 2 * 10 + MOST_BUCKETS * (3 + 10);

/// The lower bounds of the buckets in [1, 2), as the 52 bits after the point: ⌈2^52 (2^(j/35) − 1)⌉.
const EDGES: [u64; PER_OCTAVE as usize] = [
    0x0_0000_0000_0000,
    0x0_51ed_3525_4d7b,
    0x0_a57d_e9c1_6bc8,
    0x0_faba_81d4_e5e0,
    0x1_51ab_8c56_eea3,
    0x1_aa59_c411_5e7e,
    0x2_04ce_1081_1782,
    0x2_6111_86ba_e675,
    0x2_bf2d_6a54_f7db,
    0x3_1f2b_2e54_f85d,
    0x3_8114_7622_f887,
    0x3_e4f3_1681_2c30,
    0x4_4ad1_1688_9e7c,
    0x4_b2b8_b0aa_f3c8,
    0x5_1cb4_53b9_536d,
    0x5_88ce_a3f0_93be,
    0x5_f712_7c0a_c32a,
    0x6_678a_ee56_29f8,
    0x6_da43_45d1_e0ae,
    0x7_4f47_0750_17a0,
    0x7_c6a1_f29e_2ce7,
    0x8_4060_03b2_ae5d,
    0x8_bc8d_73e1_6610,
    0x9_3b36_bb15_8fff,
    0x9_bc68_9112_58c0,
    0xa_402f_eeb9_c533,
    0xa_c69a_0f5a_241d,
    0xb_4fb4_7202_2b1b,
    0xb_db8c_dadb_e121,
    0xc_6a31_548e_794e,
    0xc_fbb0_31a7_41a5,
    0xd_9018_0e09_c9e4,
    0xe_2777_d067_6771,
    0xe_c1de_abbe_3c15,
    0xf_5f5c_20df_e5f3,
];

/// The state of `approx_percentile`, whatever the quantile.
#[derive(Clone, Debug, Default)]
pub struct QuantileSketch {
    /// How often every two neighbouring buckets became one.
    level: u8,
    nan: bool,
    below: u64,
    above: u64,
    /// Bucket and count, in ascending order, and none without a count.
    buckets: Vec<(i32, u64)>,
}

/// The bucket of a finite value: 0 for zero, else 1 and more for the magnitudes in ascending order,
/// with the value's sign.
pub(crate) fn bucket(x: f64) -> i32 {
    let bits = x.to_bits() & !(1 << 63);
    if bits == 0 {
        return 0;
    }
    let (exponent, fraction) = match bits >> 52 {
        0 => {
            let high = bits.ilog2();
            (SMALLEST + high as i32, bits << (52 - high) & FRACTION)
        }
        exponent => (exponent as i32 - 1023, bits & FRACTION),
    };
    let within = EDGES.partition_point(|edge| *edge <= fraction) as i32 - 1;
    let magnitude = (exponent - SMALLEST) * PER_OCTAVE + within + 1;
    if x < 0.0 { -magnitude } else { magnitude }
}

const FRACTION: u64 = (1 << 52) - 1;

/// The bucket that two neighbours become.
const fn collapsed(bucket: i32) -> i32 {
    match bucket {
        0 => 0,
        1.. => ((bucket - 1) >> 1) + 1,
        _ => -(((-bucket - 1) >> 1) + 1),
    }
}

/// The point of a bucket that is nearest, in proportion, to all its values.
pub(crate) fn estimate(bucket: i32, level: u8) -> f64 {
    if bucket == 0 {
        return 0.0;
    }
    let index = bucket.abs() - 1;
    let bound = |index: i32| {
        let edge = EDGES.get((index % PER_OCTAVE) as usize);
        let edge = edge.expect("invariant: each bucket of an octave has an edge");
        (f64::from_bits(0x3ff << 52 | edge), index / PER_OCTAVE)
    };
    let (low, octave) = bound(index << level);
    let (high, next) = bound((index + 1) << level);
    let ratio = high / low * power_of_two(next - octave);
    let point = low * (2.0 * ratio / (1.0 + ratio));
    let exponent = octave + SMALLEST;
    // In two steps where the result may be subnormal, of which only the second rounds.
    let magnitude = match exponent < -1000 {
        true => point * power_of_two(-1000) * power_of_two(exponent + 1000),
        false => (point * power_of_two(exponent)).min(f64::MAX),
    };
    if bucket < 0 { -magnitude } else { magnitude }
}

/// 2^exponent, for an exponent from −1022 to 1023.
fn power_of_two(exponent: i32) -> f64 {
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

impl QuantileSketch {
    pub(super) fn add(&mut self, x: f64) {
        if x.is_nan() {
            self.nan = true;
        } else if x == f64::NEG_INFINITY {
            self.below = self.below.saturating_add(1);
        } else if x == f64::INFINITY {
            self.above = self.above.saturating_add(1);
        } else {
            let bucket = (0..self.level).fold(bucket(x), |bucket, _| collapsed(bucket));
            match self.buckets.binary_search_by_key(&bucket, |(other, _)| *other) {
                Ok(index) => {
                    if let Some((_, count)) = self.buckets.get_mut(index) {
                        *count = count.saturating_add(1);
                    }
                }
                Err(index) => self.buckets.insert(index, (bucket, 1)),
            }
            self.shrink();
        }
    }

    pub(super) fn merge(&mut self, other: &QuantileSketch) {
        self.nan |= other.nan;
        self.below = self.below.saturating_add(other.below);
        self.above = self.above.saturating_add(other.above);
        if other.buckets.is_empty() {
            return;
        }
        while self.level < other.level {
            self.collapse();
        }
        let steps = self.level - other.level;
        let others = other
            .buckets
            .iter()
            .map(|(bucket, count)| ((0..steps).fold(*bucket, |bucket, _| collapsed(bucket)), *count));
        self.buckets.extend(others);
        // Two sorted runs: a stable sort merges them.
        self.buckets.sort_by_key(|(bucket, _)| *bucket);
        self.join_equals();
        self.shrink();
    }

    fn shrink(&mut self) {
        while self.buckets.len() > MOST_BUCKETS && self.level < MOST_LEVELS {
            self.collapse();
        }
    }

    fn collapse(&mut self) {
        self.level += 1;
        self.buckets.iter_mut().for_each(|(bucket, _)| *bucket = collapsed(*bucket));
        self.join_equals();
    }

    fn join_equals(&mut self) {
        self.buckets.dedup_by(|(bucket, more), (kept, count)| {
            let same = bucket == kept;
            if same {
                *count = count.saturating_add(*more);
            }
            same
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.nan && self.below == 0 && self.above == 0 && self.buckets.is_empty()
    }

    /// The value at a quantile; NaN where one was added, null where nothing was.
    pub(super) fn finish(&self, quantile: Quantile) -> Value {
        if self.is_empty() {
            return Value::Null;
        }
        if self.nan {
            return Value::Float64(f64::NAN);
        }
        let counts = self.buckets.iter().map(|(_, count)| u128::from(*count));
        let total = counts.sum::<u128>() + u128::from(self.below) + u128::from(self.above);
        let rank = quantile.rank(total);
        let mut passed = u128::from(self.below);
        if rank < passed {
            return Value::Float64(f64::NEG_INFINITY);
        }
        for (bucket, count) in &self.buckets {
            passed += u128::from(*count);
            if rank < passed {
                return Value::Float64(estimate(*bucket, self.level));
            }
        }
        Value::Float64(f64::INFINITY)
    }

    /// A byte of flags (bits 0 to 3 the level, bit 4 NaN), the counts of −∞ and +∞, then for each
    /// bucket its distance to the one before (the first: to −2^18) and its count. All numbers but the
    /// flags are LEB128: 7 bits a byte, the lowest first, the high bit where more follow.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(self.level | u8::from(self.nan) << 4);
        write_number(self.below, out);
        write_number(self.above, out);
        let mut before = BEFORE_ALL;
        for (bucket, count) in &self.buckets {
            write_number(u64::from(bucket.abs_diff(before)), out);
            write_number(*count, out);
            before = *bucket;
        }
    }

    pub(super) fn read(mut bytes: &[u8]) -> Option<Self> {
        let flags = *bytes.split_off_first()?;
        let (level, nan) = (flags & 15, flags & 16 != 0);
        let mut sketch = Self { level, nan, below: 0, above: 0, buckets: Vec::new() };
        sketch.below = read_number(&mut bytes)?;
        sketch.above = read_number(&mut bytes)?;
        let greatest = (0..level).fold(MAGNITUDES, |bucket, _| collapsed(bucket));
        let mut before = i64::from(BEFORE_ALL);
        while !bytes.is_empty() {
            let distance = i64::try_from(read_number(&mut bytes)?).ok()?;
            let bucket = before.checked_add(distance).filter(|bucket| bucket.abs() <= greatest.into())?;
            let count = read_number(&mut bytes)?;
            if distance == 0 || count == 0 {
                return None;
            }
            sketch.buckets.push((i32::try_from(bucket).ok()?, count));
            before = bucket;
        }
        let fits = flags < 32 && level <= MOST_LEVELS && sketch.buckets.len() <= MOST_BUCKETS;
        fits.then_some(sketch)
    }
}

/// Below every bucket, and as near as keeps a distance within three bytes.
const BEFORE_ALL: i32 = -(1 << 18);

fn write_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 128 {
        out.push(number as u8 | 128);
        number >>= 7;
    }
    out.push(number as u8);
}

/// The number, in its one shortest form.
fn read_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = u64::from(*bytes.split_off_first()?);
        let bits = byte & 127;
        if bits << shift >> shift != bits {
            return None;
        }
        number |= bits << shift;
        if byte < 128 {
            return (bits > 0 || shift == 0).then_some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests;
