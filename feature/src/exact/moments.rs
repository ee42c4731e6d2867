//! The variance from exact sums of values and of their squares.

use num_bigint::{BigInt, BigUint};
use num_traits::Signed;

use super::fixed::UNIT;
use super::float_sum::FloatSum;
use super::rounding::round_quotient;

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
