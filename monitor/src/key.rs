//! Numbers as keys of 64 bits that order as the numbers do: neighbours share their high bits, so that keys without
//! their low bits are ranges of numbers.

const SIGN: u64 = 1 << 63;

/// The key of a float: both zeros are one, and every NaN is one above all numbers.
pub(crate) fn of_float(x: f64) -> u64 {
    let x = if x.is_nan() { f64::NAN } else { x + 0.0 };
    let bits = x.to_bits();
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

/// The float of a key.
pub(crate) fn float(key: u64) -> f64 {
    f64::from_bits(if key & SIGN == 0 { !key } else { key ^ SIGN })
}

/// The key of an integer.
pub(crate) const fn of_int(x: i64) -> u64 {
    x as u64 ^ SIGN
}

/// The integer of a key.
pub(crate) const fn int(key: u64) -> i64 {
    (key ^ SIGN) as i64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keys_order_as_their_numbers_do(a in any::<f64>(), b in any::<f64>(), x in any::<i64>(), y in any::<i64>()) {
            if !a.is_nan() && !b.is_nan() {
                prop_assert_eq!(of_float(a).partial_cmp(&of_float(b)), a.partial_cmp(&b));
                prop_assert_eq!(float(of_float(a)), a);
            }
            prop_assert_eq!(of_int(x).cmp(&of_int(y)), x.cmp(&y));
            prop_assert_eq!(int(of_int(x)), x);
        }
    }

    #[test]
    fn both_zeros_are_one_and_nan_is_above_all() {
        assert_eq!(of_float(-0.0), of_float(0.0));
        assert_eq!(of_float(-f64::NAN), of_float(f64::NAN));
        assert!(of_float(f64::NAN) > of_float(f64::INFINITY));
    }
}
