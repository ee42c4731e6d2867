//! Sums of squares of integers are 128 bits wide, and a fixed-point number of any width beyond.

use num_bigint::BigInt;

use super::fixed::Fixed;

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn integer_squares_are_summed_exactly(values in prop::collection::vec(any::<i64>(), 0..20)) {
            let mut squares = IntSquareSum::default();
            values.iter().for_each(|x| squares.add_square(*x));
            let expected: BigInt = values.iter().map(|x| BigInt::from(*x) * *x).sum();
            prop_assert_eq!(squares.exact(), expected.clone());
            prop_assert_eq!(IntSquareSum::from_parts(squares.parts()).exact(), expected);
        }
    }
}
