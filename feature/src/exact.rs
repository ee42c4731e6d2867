//! Law 5: sums are exact, so that no order, grouping or replay can change them; rounding happens
//! once, at the end.
//!
//! A float sum is kept as two doubles whose exact sum it is (error-free additions: Knuth's
//! TwoSum, Dekker 1971), and what two doubles cannot hold goes into a fixed-point number of any
//! width. Integer sums are 128 bits wide; integer squares too, with the same way out.

use num_bigint::{BigInt, BigUint, Sign};
use num_integer::Integer;
use num_traits::{Signed, ToPrimitive, Zero};

/// Twice the exponent of the smallest double: every double, and the square of every double, is a
/// whole multiple of 2^−2148.
const UNIT: i32 = -2148;

/// The exact sum of any number of float64 values, or of their squares.
#[derive(Clone, Debug, Default)]
pub struct FloatSum {
    high: f64,
    low: f64,
    specials: Specials,
    rest: Option<Box<Fixed>>,
}

/// Which of the values that no finite sum can hold have been added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Specials {
    pub(crate) nan: bool,
    pub(crate) positive: bool,
    pub(crate) negative: bool,
}

impl Specials {
    fn of(x: f64) -> Self {
        Self { nan: x.is_nan(), positive: x == f64::INFINITY, negative: x == f64::NEG_INFINITY }
    }

    fn merge(&mut self, other: Self) {
        self.nan |= other.nan;
        self.positive |= other.positive;
        self.negative |= other.negative;
    }

    pub(crate) fn any(self) -> bool {
        self.nan || self.positive || self.negative
    }

    pub(crate) fn to_bits(self) -> u8 {
        u8::from(self.nan) | u8::from(self.positive) << 1 | u8::from(self.negative) << 2
    }

    pub(crate) fn from_bits(bits: u8) -> Self {
        Self { nan: bits & 1 != 0, positive: bits & 2 != 0, negative: bits & 4 != 0 }
    }
}

/// a + b as the rounded sum and its exact error, whatever their magnitudes.
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let b_part = sum - a;
    (sum, (a - (sum - b_part)) + (b - b_part))
}

impl FloatSum {
    /// Bytes of the longest stored sum: specials, and a number as wide as that of all squares.
    pub(crate) const MOST_BYTES: usize = 1 + Fixed::MOST_BYTES;

    /// Adds one value.
    pub fn add(&mut self, x: f64) {
        let (sum, error) = two_sum(self.high, x);
        let (low, rest) = two_sum(self.low, error);
        let (high, low) = two_sum(sum, low);
        if !high.is_finite() {
            self.add_beyond(x);
            return;
        }
        self.high = high;
        self.low = low;
        if rest != 0.0 {
            self.rest.get_or_insert_default().add_double(rest);
        }
    }

    /// Adds the square of one value.
    pub fn add_square(&mut self, x: f64) {
        let square = x * x;
        let error = x.mul_add(x, -square);
        // Below 2^−484 the error of the square may be no double.
        if square.is_finite() && (square > 1e-290 || x == 0.0) {
            self.add(square);
            self.add(error);
        } else if x.is_finite() {
            self.rest.get_or_insert_default().add_square(x);
        } else {
            self.specials.merge(Specials::of(square));
        }
    }

    #[cold]
    fn add_beyond(&mut self, x: f64) {
        if x.is_finite() {
            self.rest.get_or_insert_default().add_double(x);
        } else {
            self.specials.merge(Specials::of(x));
        }
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &FloatSum) {
        self.add(other.high);
        self.add(other.low);
        self.specials.merge(other.specials);
        if let Some(rest) = &other.rest {
            self.rest.get_or_insert_default().merge(rest);
        }
    }

    /// The double nearest to the sum, ties to even; infinity beyond the range, 0.0 when zero.
    pub fn round(&self) -> f64 {
        let Specials { nan, positive, negative } = self.specials;
        match (nan || positive && negative, positive, negative) {
            (true, ..) => f64::NAN,
            (_, true, _) => f64::INFINITY,
            (_, _, true) => f64::NEG_INFINITY,
            // The high double is already the rounded sum; adding 0.0 makes a zero positive.
            _ if self.rest.is_none() => self.high + 0.0,
            _ => round(self.exact(), UNIT),
        }
    }

    /// Whether NaN or an infinity was added.
    pub(crate) fn is_special(&self) -> bool {
        self.specials.any()
    }

    /// The finite part of the sum, in units of 2^−2148.
    pub(crate) fn exact(&self) -> BigInt {
        self.fixed().to_big()
    }

    fn fixed(&self) -> Fixed {
        let mut all = self.rest.as_deref().cloned().unwrap_or_default();
        all.add_double(self.high);
        all.add_double(self.low);
        all
    }

    /// The sum in its one form: two doubles where they hold it, else only the fixed-point number.
    pub(crate) fn parts(&self) -> (Specials, Result<(f64, f64), Fixed>) {
        if self.rest.is_none() {
            return (self.specials, Ok((self.high + 0.0, self.low + 0.0)));
        }
        let mut left = self.fixed();
        let high = round(left.to_big(), UNIT);
        if high.is_finite() {
            left.add_double(-high);
            let low = round(left.to_big(), UNIT);
            left.add_double(-low);
            if left.is_zero() {
                return (self.specials, Ok((high, low)));
            }
        }
        let mut whole = self.fixed();
        whole.trim();
        (self.specials, Err(whole))
    }

    pub(crate) fn from_parts(specials: Specials, parts: Result<(f64, f64), Fixed>) -> Self {
        match parts {
            Ok((high, low)) => Self { high, low, specials, rest: None },
            Err(rest) => Self { high: 0.0, low: 0.0, specials, rest: Some(Box::new(rest)) },
        }
    }
}

/// The exact sum of the squares of any number of int64 values.
#[derive(Clone, Debug, Default)]
pub struct IntSquareSum {
    small: u128,
    rest: Option<Box<Fixed>>,
}

impl IntSquareSum {
    /// Bytes of the longest stored sum: 2^64 squares take no more than 4 limbs.
    pub(crate) const MOST_BYTES: usize = 2 + 8 * 4;

    /// Adds the square of one value.
    pub fn add_square(&mut self, x: i64) {
        let magnitude = u128::from(x.unsigned_abs());
        self.add(magnitude * magnitude);
    }

    fn add(&mut self, square: u128) {
        match self.small.checked_add(square) {
            Some(sum) => self.small = sum,
            None => self.rest.get_or_insert_default().add(square, 0, false),
        }
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &IntSquareSum) {
        self.add(other.small);
        if let Some(rest) = &other.rest {
            self.rest.get_or_insert_default().merge(rest);
        }
    }

    pub(crate) fn exact(&self) -> BigInt {
        let rest = self.rest.as_ref().map(|rest| rest.to_big()).unwrap_or_default();
        rest + BigInt::from(self.small)
    }

    /// The sum in its one form: 128 bits where they hold it, else only the fixed-point number.
    pub(crate) fn parts(&self) -> Result<u128, Fixed> {
        let Some(rest) = &self.rest else { return Ok(self.small) };
        let mut whole = Fixed::clone(rest);
        whole.add(self.small, 0, false);
        whole.trim();
        Err(whole)
    }

    pub(crate) fn from_parts(parts: Result<u128, Fixed>) -> Self {
        match parts {
            Ok(small) => Self { small, rest: None },
            Err(rest) => Self { small: 0, rest: Some(Box::new(rest)) },
        }
    }
}

/// A whole number of any width, in two's complement, whose lowest limbs are left out where zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fixed {
    /// The number is `limbs` × 2^(64 × `low`).
    low: u32,
    /// Least significant first; the highest bit of the last is the sign.
    limbs: Vec<u64>,
}

impl Fixed {
    /// The widest sum of squares of doubles has fewer than 80 limbs.
    const MOST_LIMBS: usize = 80;
    /// Bytes of the longest stored number.
    const MOST_BYTES: usize = 2 + 8 * Self::MOST_LIMBS;

    fn add_double(&mut self, x: f64) {
        let (mantissa, exponent) = decompose(x);
        self.add(u128::from(mantissa), (exponent - UNIT) as u32, x < 0.0);
    }

    fn add_square(&mut self, x: f64) {
        let (mantissa, exponent) = decompose(x);
        let square = u128::from(mantissa) * u128::from(mantissa);
        self.add(square, (2 * exponent - UNIT) as u32, false);
    }

    /// Adds ±magnitude × 2^shift.
    fn add(&mut self, magnitude: u128, shift: u32, negative: bool) {
        if magnitude == 0 {
            return;
        }
        let bits = shift % 64;
        let low = magnitude << bits;
        let high = if bits == 0 { 0 } else { (magnitude >> (128 - bits)) as u64 };
        let limbs = vec![low as u64, (low >> 64) as u64, high, 0];
        let mut term = Fixed { low: shift / 64, limbs };
        if negative {
            term.negate();
        }
        self.merge(&term);
    }

    fn negate(&mut self) {
        let mut carry = true;
        for limb in &mut self.limbs {
            (*limb, carry) = (!*limb).overflowing_add(u64::from(carry));
        }
    }

    fn merge(&mut self, other: &Fixed) {
        if other.limbs.is_empty() {
            return;
        }
        if self.limbs.is_empty() {
            self.low = other.low;
        }
        if other.low < self.low {
            let missing = (self.low - other.low) as usize;
            self.limbs.splice(0..0, std::iter::repeat_n(0, missing));
            self.low = other.low;
        }
        let offset = (other.low - self.low) as usize;
        // One limb of sign above both keeps the sum from wrapping.
        let width = self.limbs.len().max(offset + other.limbs.len()) + 1;
        let (sign, other_sign) = (self.sign_limb(), other.sign_limb());
        self.limbs.resize(width, sign);
        let terms = other.limbs.iter().copied().chain(std::iter::repeat(other_sign));
        let mut carry = false;
        for (limb, term) in self.limbs.iter_mut().skip(offset).zip(terms) {
            let (sum, over) = limb.overflowing_add(term);
            let (sum, over_again) = sum.overflowing_add(u64::from(carry));
            *limb = sum;
            carry = over || over_again;
        }
        self.drop_sign_limbs();
    }

    fn sign_limb(&self) -> u64 {
        match self.limbs.last() {
            Some(top) if top >> 63 == 1 => u64::MAX,
            _ => 0,
        }
    }

    fn drop_sign_limbs(&mut self) {
        while let [.., below, top] = self.limbs.as_slice() {
            let sign = if below >> 63 == 1 { u64::MAX } else { 0 };
            if *top != sign {
                break;
            }
            self.limbs.pop();
        }
    }

    fn is_zero(&self) -> bool {
        self.limbs.iter().all(|limb| *limb == 0)
    }

    /// Brings the number into its one shortest form.
    fn trim(&mut self) {
        if self.is_zero() {
            *self = Fixed::default();
            return;
        }
        self.drop_sign_limbs();
        let zeros = self.limbs.iter().take_while(|limb| **limb == 0).count();
        self.limbs.drain(..zeros);
        self.low += zeros as u32;
    }

    fn to_big(&self) -> BigInt {
        let bytes: Vec<u8> = self.limbs.iter().flat_map(|limb| limb.to_le_bytes()).collect();
        BigInt::from_signed_bytes_le(&bytes) << (64 * self.low as usize)
    }

    /// Limb offset, then the limbs, little-endian.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.low as u16).to_le_bytes());
        self.limbs.iter().for_each(|limb| out.extend_from_slice(&limb.to_le_bytes()));
    }

    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let (low, limbs) = bytes.split_first_chunk::<2>()?;
        let (limbs, rest) = limbs.as_chunks::<8>();
        (rest.is_empty() && limbs.len() <= Self::MOST_LIMBS).then(|| Self {
            low: u32::from(u16::from_le_bytes(*low)),
            limbs: limbs.iter().map(|limb| u64::from_le_bytes(*limb)).collect(),
        })
    }
}

/// |x| = mantissa × 2^exponent, for a finite x.
fn decompose(x: f64) -> (u64, i32) {
    let bits = x.to_bits();
    let fraction = bits & ((1 << 52) - 1);
    match (bits >> 52) & 0x7ff {
        0 => (fraction, -1074),
        exponent => (fraction | 1 << 52, exponent as i32 - 1075),
    }
}

/// The double nearest to n × 2^exponent, ties to even; infinity beyond the range.
pub(crate) fn round(n: BigInt, exponent: i32) -> f64 {
    let (sign, magnitude) = n.into_parts();
    let rounded = round_magnitude(magnitude, i64::from(exponent));
    if sign == Sign::Minus { -rounded } else { rounded }
}

/// The double nearest to numerator / denominator × 2^exponent, for a positive denominator.
pub(crate) fn round_quotient(numerator: BigInt, denominator: &BigUint, exponent: i32) -> f64 {
    let (sign, magnitude) = numerator.into_parts();
    // 66 bits of quotient, and one that says whether anything follows, decide every rounding.
    let shift = (denominator.bits() + 66).saturating_sub(magnitude.bits());
    let (quotient, remainder) = (magnitude << shift).div_rem(denominator);
    let with_sticky = (quotient << 1u8) | BigUint::from(u8::from(!remainder.is_zero()));
    let rounded = round_magnitude(with_sticky, i64::from(exponent) - shift as i64 - 1);
    if sign == Sign::Minus { -rounded } else { rounded }
}

fn round_magnitude(n: BigUint, exponent: i64) -> f64 {
    if n.is_zero() {
        return 0.0;
    }
    let bits = n.bits() as i64;
    // The lowest bit that a double of this magnitude keeps, or the smallest double's.
    let keep_from = (bits - 53).max(-1074 - exponent);
    let (mantissa, exponent) = if keep_from <= 0 {
        (n, exponent)
    } else {
        let below = n.trailing_zeros().unwrap_or(0) < keep_from as u64 - 1;
        let half = n.bit(keep_from as u64 - 1);
        let kept = n >> keep_from as u64;
        let up = half && (below || kept.bit(0));
        (kept + u8::from(up), exponent + keep_from)
    };
    // The mantissa has at most 54 bits, of which a 54th is 2^53 itself: exact as a double.
    let mantissa = mantissa.to_f64().unwrap_or(f64::INFINITY);
    scale(mantissa, exponent)
}

/// x × 2^exponent where the result is exact or beyond the range.
fn scale(x: f64, exponent: i64) -> f64 {
    let mut x = x;
    let mut left = exponent.clamp(-3000, 3000);
    while left != 0 && x != 0.0 && x.is_finite() {
        let step = left.clamp(-1000, 1000);
        x *= f64::powi(2.0, step as i32);
        left -= step;
    }
    x
}

/// Law 5's variance from exact sums in units of 2^exponent (Σx) and 2^(2 × exponent) (Σx²): the
/// double nearest to (nΣx² − (Σx)²) / (n(n − 1)), or / n² for the population.
pub(crate) fn variance(
    n: u64,
    sum: &BigInt,
    squares: &BigInt,
    exponent: i32,
    population: bool,
) -> Option<f64> {
    let divisor = if population { n } else { n.checked_sub(1)? };
    if divisor == 0 {
        return None;
    }
    let numerator = squares * n - sum * sum;
    assert!(!numerator.is_negative(), "invariant: a variance is not negative");
    Some(round_quotient(numerator, &(BigUint::from(n) * divisor), 2 * exponent))
}

/// Σx and Σx² of floats in the units that [`variance`] takes.
pub(crate) fn float_moments(sum: &FloatSum, squares: &FloatSum) -> (BigInt, BigInt, i32) {
    // Sums of doubles are multiples of 2^−1074, so nothing is lost in their own unit.
    (sum.exact() >> 1074u32, squares.exact(), UNIT / 2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sum(values: &[f64]) -> FloatSum {
        let mut sum = FloatSum::default();
        values.iter().for_each(|x| sum.add(*x));
        sum
    }

    /// The same number from big integers alone.
    fn slow(values: &[f64]) -> f64 {
        let total: BigInt = values
            .iter()
            .map(|x| {
                let (mantissa, exponent) = decompose(*x);
                let n = BigInt::from(mantissa) << (exponent + 1074) as usize;
                if *x < 0.0 { -n } else { n }
            })
            .sum();
        round(total, -1074)
    }

    fn any_finite() -> impl Strategy<Value = f64> {
        prop_oneof![
            any::<f64>().prop_filter("finite", |x| x.is_finite()),
            (-1000_i32..1000).prop_map(f64::from),
            (-1000_i32..1000).prop_map(|x| f64::from(x) / 10.0),
            prop::sample::select(vec![
                0.0,
                -0.0,
                f64::MAX,
                -f64::MAX,
                f64::MIN_POSITIVE,
                5e-324,
                1e16,
                1.0,
                -1e16
            ]),
        ]
    }

    #[test]
    fn a_sum_beyond_the_range_on_the_way_is_right_in_the_end() {
        assert_eq!(sum(&[f64::MAX, f64::MAX, -f64::MAX]).round(), f64::MAX);
        assert_eq!(sum(&[f64::MAX, f64::MAX]).round(), f64::INFINITY);
        assert_eq!(sum(&[1e16, 1.0, -1e16]).round(), 1.0);
    }

    #[test]
    fn a_zero_sum_is_positive_zero() {
        assert_eq!(sum(&[-0.0]).round().to_bits(), 0);
        assert_eq!(sum(&[1.5, -1.5]).round().to_bits(), 0);
        assert_eq!(sum(&[5e-324, 1e300, -1e300, -5e-324]).round().to_bits(), 0);
    }

    #[test]
    fn opposite_infinities_make_nan() {
        assert!(sum(&[f64::INFINITY, 1.0, f64::NEG_INFINITY]).round().is_nan());
        assert_eq!(sum(&[f64::INFINITY, 1.0]).round(), f64::INFINITY);
        assert!(sum(&[f64::NAN, 1.0]).round().is_nan());
    }

    #[test]
    fn a_number_halfway_between_two_doubles_goes_to_the_even_one() {
        let n = BigInt::from((1_u64 << 53) + 1);
        assert_eq!(round(n, 0), (1_u64 << 53) as f64);
        assert_eq!(round(BigInt::from(3), -1076), 5e-324);
        assert_eq!(round(BigInt::from(1), -1075), 0.0);
        assert_eq!(round(BigInt::from(1), 1024), f64::INFINITY);
    }

    proptest! {
        #[test]
        fn a_float_sum_is_the_nearest_double_in_any_order_and_grouping(
            values in prop::collection::vec(any_finite(), 0..40),
            cut in 0_usize..40,
        ) {
            let expected = slow(&values).to_bits();
            prop_assert_eq!(sum(&values).round().to_bits(), expected);
            let mut backwards = values.clone();
            backwards.reverse();
            prop_assert_eq!(sum(&backwards).round().to_bits(), expected);
            let (left, right) = values.split_at(cut.min(values.len()));
            let mut merged = sum(right);
            merged.merge(&sum(left));
            prop_assert_eq!(merged.round().to_bits(), expected);
            let (specials, parts) = merged.parts();
            let (_, forwards) = sum(&values).parts();
            prop_assert_eq!(
                parts.clone().map(|(h, l)| (h.to_bits(), l.to_bits())),
                forwards.map(|(h, l)| (h.to_bits(), l.to_bits()))
            );
            prop_assert_eq!(FloatSum::from_parts(specials, parts).round().to_bits(), expected);
        }

        #[test]
        fn squares_are_summed_exactly(values in prop::collection::vec(any_finite(), 0..20)) {
            let mut squares = FloatSum::default();
            values.iter().for_each(|x| squares.add_square(*x));
            let expected: BigInt = values
                .iter()
                .map(|x| {
                    let (mantissa, exponent) = decompose(*x);
                    (BigInt::from(mantissa) * mantissa) << (2 * exponent - UNIT) as usize
                })
                .sum();
            prop_assert_eq!(squares.exact(), expected);
        }

        #[test]
        fn integer_squares_are_summed_exactly(values in prop::collection::vec(any::<i64>(), 0..20)) {
            let mut squares = IntSquareSum::default();
            values.iter().for_each(|x| squares.add_square(*x));
            let expected: BigInt = values.iter().map(|x| BigInt::from(*x) * *x).sum();
            prop_assert_eq!(squares.exact(), expected.clone());
            prop_assert_eq!(IntSquareSum::from_parts(squares.parts()).exact(), expected);
        }

        #[test]
        fn a_quotient_is_rounded_once(a in any::<i64>(), b in 1_u64..u64::MAX) {
            // An integer quotient scaled up so far that its floor decides the rounding.
            let wide: BigInt = (BigInt::from(a) << 200) / BigInt::from(b);
            prop_assert_eq!(round_quotient(BigInt::from(a), &b.into(), 0), round(wide, -200));
        }
    }
}
