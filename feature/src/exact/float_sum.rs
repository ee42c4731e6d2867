//! A float sum is kept as two doubles whose exact sum it is (error-free additions: Knuth's TwoSum, Dekker 1971), and
//! what two doubles cannot hold goes into a fixed-point number of any width.

use num_bigint::BigInt;

use super::fixed::{Fixed, UNIT};
use super::rounding::round;

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fixed::decompose;
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
    }
}
