//! The variance from exact sums of values and of their squares.

use num_bigint::{BigInt, BigUint};
use num_traits::Signed;

use super::fixed::UNIT;
use super::float_sum::FloatSum;
use super::rounding::round_quotient;

/// Law 5's variance from exact sums in units of 2^exponent (Σx) and 2^(2 × exponent) (Σx²): the
/// double nearest to (nΣx² − (Σx)²) / (n(n − 1)), or / n² for the population. `Contradiction` where no values have
/// these sums: their variance would be negative.
pub(crate) fn variance(
    n: u64,
    sum: &BigInt,
    squares: &BigInt,
    exponent: i32,
    population: bool,
) -> Result<Option<f64>, Contradiction> {
    let divisor = if population { n } else { n.saturating_sub(1) };
    if divisor == 0 {
        return Ok(None);
    }
    let numerator = squares * n - sum * sum;
    if numerator.is_negative() {
        return Err(Contradiction);
    }
    Ok(Some(round_quotient(numerator, &(BigUint::from(n) * divisor), 2 * exponent)))
}

/// States that no rows have: each may be one, and together they are not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Contradiction;

/// Σx and Σx² of floats in the units that [`variance`] takes.
pub(crate) fn float_moments(sum: &FloatSum, squares: &FloatSum) -> (BigInt, BigInt, i32) {
    // Sums of doubles are multiples of 2^−1074, so nothing is lost in their own unit.
    (sum.exact() >> 1074u32, squares.exact(), UNIT / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_no_values_contradict_each_other() {
        let of = |n, sum: i32, squares: i32| variance(n, &sum.into(), &squares.into(), 0, false);
        assert_eq!(of(2, 4, 10), Ok(Some(2.0)));
        assert_eq!(of(1, 4, 16), Ok(None));
        assert_eq!(of(2, 4, 7), Err(Contradiction));
    }
}
