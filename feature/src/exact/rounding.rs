//! The one rounding, at the end: the double nearest to an exact number or quotient, ties to even.

use num_bigint::{BigInt, BigUint, Sign};
use num_integer::Integer;
use num_traits::{ToPrimitive, Zero};

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
        fn a_quotient_is_rounded_once(a in any::<i64>(), b in 1_u64..u64::MAX) {
            // An integer quotient scaled up so far that its floor decides the rounding.
            let wide: BigInt = (BigInt::from(a) << 200) / BigInt::from(b);
            prop_assert_eq!(round_quotient(BigInt::from(a), &b.into(), 0), round(wide, -200));
        }
    }
}
