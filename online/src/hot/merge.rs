//! The merge of a window's tiles where they lie, in arrays of slots: exact to the bit, or not at all.
//! Each kernel is written once, over lanes; the compiler makes of it what each kind of processor has.
//!
//! Float sums lie as two doubles whose exact sum they are. Each lane adds the high ones to one double, and
//! what that rounds off, with the low ones, to another, by error-free additions (Knuth's TwoSum). Where
//! that second double rounds too, or anything is not finite, the kernel gives nothing and the caller
//! merges one state after the other.

use super::probe::Probe;

/// Lanes of a kernel: a vector of 512 bits, or two or four smaller ones.
const LANES: usize = 8;

/// a + b as the rounded sum and its exact error, whatever their magnitudes.
#[inline(always)]
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let b_part = sum - a;
    (sum, (a - (sum - b_part)) + (b - b_part))
}

/// Makes of a kernel one function for each kind of processor.
macro_rules! kernel {
    ($(#[$about:meta])* $name:ident = $lanes:ident($slots:ty) -> $result:ty) => {
        $(#[$about])*
        pub(crate) fn $name(probe: Probe, slots: &[$slots]) -> $result {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
                fn avx512(slots: &[$slots]) -> $result {
                    $lanes(slots)
                }
                #[target_feature(enable = "avx2")]
                fn avx2(slots: &[$slots]) -> $result {
                    $lanes(slots)
                }
                match probe {
                    // SAFETY: the processor has these instructions, as the probe says.
                    Probe::Avx512 if probe.merges() => return unsafe { avx512(slots) },
                    // SAFETY: as above.
                    Probe::Avx2 if probe.merges() => return unsafe { avx2(slots) },
                    _ => {}
                }
            }
            let _ = probe;
            $lanes(slots)
        }
    };
}

/// A window over a row's slots of counts, and of float sums: how many, and the sum as two doubles where it
/// was found to be exact. What a reader does for each such window, for those who measure it.
pub fn merge_window(probe: Probe, counts: &[u8], sums: &[u8]) -> (u64, Option<(f64, f64)>) {
    (count(probe, counts.as_chunks().0), sum_floats(probe, sums.as_chunks().0))
}

kernel! {
    /// The sum of counts.
    count = count_in_lanes([u8; 8]) -> u64
}
kernel! {
    /// The sum of int64 numbers.
    sum_integers = sum_integers_in_lanes([u8; 8]) -> i128
}
kernel! {
    /// The exact sum of pairs of doubles as one such pair; none where it is none, or none was found.
    sum_floats = sum_floats_in_lanes([u8; 16]) -> Option<(f64, f64)>
}
kernel! {
    /// The smallest and the greatest of numbers; none of no numbers.
    extremes_of_int64 = extremes_of_int64_in_lanes([u8; 8]) -> Option<(i64, i64)>
}
kernel! {
    /// The smallest and the greatest of numbers; none of no numbers.
    extremes_of_int32 = extremes_of_int32_in_lanes([u8; 4]) -> Option<(i32, i32)>
}

#[inline(always)]
fn count_in_lanes(slots: &[[u8; 8]]) -> u64 {
    slots.iter().fold(0, |sum, slot| sum.wrapping_add(u64::from_le_bytes(*slot)))
}

/// The halves are summed apart: no ring has 2^31 tiles, so neither overflows.
#[inline(always)]
fn sum_integers_in_lanes(slots: &[[u8; 8]]) -> i128 {
    let (high, low) = slots.iter().fold((0_i64, 0_u64), |(high, low), slot| {
        let x = i64::from_le_bytes(*slot);
        (high.wrapping_add(x >> 32), low.wrapping_add(x as u64 & 0xffff_ffff))
    });
    (i128::from(high) << 32) + i128::from(low)
}

#[inline(always)]
fn extremes_of_int64_in_lanes(slots: &[[u8; 8]]) -> Option<(i64, i64)> {
    let extremes = slots.iter().fold((i64::MAX, i64::MIN), |(least, most), slot| {
        let x = i64::from_le_bytes(*slot);
        (least.min(x), most.max(x))
    });
    (!slots.is_empty()).then_some(extremes)
}

#[inline(always)]
fn extremes_of_int32_in_lanes(slots: &[[u8; 4]]) -> Option<(i32, i32)> {
    let extremes = slots.iter().fold((i32::MAX, i32::MIN), |(least, most), slot| {
        let x = i32::from_le_bytes(*slot);
        (least.min(x), most.max(x))
    });
    (!slots.is_empty()).then_some(extremes)
}

/// What lanes have summed, and whether any of them rounded.
struct Sums {
    high: [f64; LANES],
    low: [f64; LANES],
    rounded: [u64; LANES],
}

impl Sums {
    #[inline(always)]
    fn add(&mut self, high: [f64; LANES], low: [f64; LANES]) {
        let sums = self.high.iter_mut().zip(&mut self.low).zip(&mut self.rounded);
        for (((sum, rest), rounded), (high, low)) in sums.zip(high.into_iter().zip(low)) {
            let error;
            (*sum, error) = two_sum(*sum, high);
            let (with_error, lost) = two_sum(*rest, error);
            let (with_low, lost_again) = two_sum(with_error, low);
            *rest = with_low;
            // NaN is not zero either.
            *rounded |= u64::from(lost != 0.0) | u64::from(lost_again != 0.0);
        }
    }
}

#[inline(always)]
fn double(bytes: &[u8; 16], at: usize) -> f64 {
    let (halves, _) = bytes.as_chunks::<8>();
    halves.get(at).map_or(0.0, |half| f64::from_le_bytes(*half))
}

#[inline(always)]
fn sum_floats_in_lanes(slots: &[[u8; 16]]) -> Option<(f64, f64)> {
    let mut sums = Sums { high: [0.0; LANES], low: [0.0; LANES], rounded: [0; LANES] };
    let (whole, rest) = slots.as_chunks::<LANES>();
    for slots in whole {
        sums.add(slots.each_ref().map(|slot| double(slot, 0)), slots.each_ref().map(|slot| double(slot, 1)));
    }
    if !rest.is_empty() {
        let lane = |lane: usize, at: usize| rest.get(lane).map_or(0.0, |slot| double(slot, at));
        sums.add(std::array::from_fn(|i| lane(i, 0)), std::array::from_fn(|i| lane(i, 1)));
    }
    if sums.rounded != [0; LANES] {
        return None;
    }
    let (mut high, mut low, mut rounded) = (0.0, 0.0, false);
    for (sum, rest) in sums.high.into_iter().zip(sums.low) {
        let (error, lost, lost_again);
        (high, error) = two_sum(high, sum);
        (low, lost) = two_sum(low, error);
        (low, lost_again) = two_sum(low, rest);
        rounded |= lost != 0.0 || lost_again != 0.0;
    }
    (!rounded).then_some((high, low))
}

/// An integer that orders as the doubles do, −0.0 below 0.0; NaN, which is positive, above all.
pub(crate) fn order_of_double(bits: i64) -> i64 {
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

/// As [`order_of_double`], of single precision.
pub(crate) fn order_of_single(bits: i32) -> i32 {
    bits ^ (((bits >> 31) as u32) >> 1) as i32
}

kernel! {
    /// The extremes of doubles by [`order_of_double`]; none of no numbers.
    extremes_of_doubles = extremes_of_doubles_in_lanes([u8; 8]) -> Option<(i64, i64)>
}
kernel! {
    /// The extremes of single-precision numbers by [`order_of_single`]; none of no numbers.
    extremes_of_singles = extremes_of_singles_in_lanes([u8; 4]) -> Option<(i32, i32)>
}

#[inline(always)]
fn extremes_of_doubles_in_lanes(slots: &[[u8; 8]]) -> Option<(i64, i64)> {
    let extremes = slots.iter().fold((i64::MAX, i64::MIN), |(least, most), slot| {
        let x = order_of_double(i64::from_le_bytes(*slot));
        (least.min(x), most.max(x))
    });
    (!slots.is_empty()).then_some(extremes)
}

#[inline(always)]
fn extremes_of_singles_in_lanes(slots: &[[u8; 4]]) -> Option<(i32, i32)> {
    let extremes = slots.iter().fold((i32::MAX, i32::MIN), |(least, most), slot| {
        let x = order_of_single(i32::from_le_bytes(*slot));
        (least.min(x), most.max(x))
    });
    (!slots.is_empty()).then_some(extremes)
}
